/* SPDX-License-Identifier: MIT
 *
 * handover.c - see handover.h.
 */
#include "tests/wsl/handover.h"

#include "tests/wsl/base.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static void set_signals(void (*handler)(int))
{
	static const int kept[] = {SIGHUP, SIGCONT, SIGKILL, SIGSTOP, 32, 33, 34};

	for (int i = 1; i <= 64; i++) {
		bool keep = false;

		for (size_t k = 0; k < ARRAY_SIZE(kept); k++)
			keep = keep || kept[k] == i;
		if (!keep)
			(void)signal(i, handler);
	}
}

void handover_ignore_signals(void)
{
	set_signals(SIG_IGN);
}

void handover_default_signals(void)
{
	set_signals(SIG_DFL);
}

void handover_ignore_signal_32(void)
{
	static const struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		uint64_t mask;
	} action = {.handler = SIG_IGN};

	(void)syscall(SYS_rt_sigaction, 32, &action, NULL, sizeof(action.mask));
}

static void set_limit(__typeof__(RLIMIT_NOFILE) resource, rlim_t soft, rlim_t hard)
{
	struct rlimit limit = {.rlim_cur = soft, .rlim_max = hard};

	if (setrlimit(resource, &limit) == 0 || getrlimit(resource, &limit) < 0)
		return;
	limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
	(void)setrlimit(resource, &limit);
}

void handover_limits(void)
{
	set_limit(RLIMIT_NOFILE, 10240, 1048576);
	set_limit(RLIMIT_MEMLOCK, 64UL << 20, 64UL << 20);
}

void handover_stdio(const char *in, const char *out, const char *err)
{
	int in_fd = open(in, O_RDWR | O_NOCTTY | O_CLOEXEC);
	int out_fd = open(out, O_RDWR | O_NOCTTY | O_CLOEXEC);
	int err_fd = open(err, O_WRONLY | O_NOCTTY | O_CLOEXEC);

	if (in_fd < 0 || out_fd < 0 || err_fd < 0 || dup2(err_fd, 2) < 0 || dup2(in_fd, 0) < 0 ||
		dup2(out_fd, 1) < 0)
		die("cannot open %s, %s or %s", in, out, err);
	for (int fd = 3; fd < 1024; fd++)
		(void)close(fd);
}
