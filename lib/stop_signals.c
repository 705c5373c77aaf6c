/* SPDX-License-Identifier: MIT
 *
 * stop_signals.c - see stop_signals.h.
 */
#include "lib/stop_signals.h"

#include <signal.h>
#include <sys/signalfd.h>

int stop_signals_watch(struct loop *loop, struct loop_source *source, loop_io_fn *fn, void *ctx)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
	_cleanup_close_ int fd = -1;
	sigset_t set;
	int rc;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		/* Whoever started us may have left it ignored, and an ignored signal never reaches a signalfd. */
		(void)signal(numbers[i], SIG_DFL);
		(void)sigaddset(&set, numbers[i]);
	}
	(void)signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	rc = loop_add(loop, source, fd, EPOLLIN, fn, ctx);
	if (rc == 0)
		(void)TAKE_FD(fd);
	return rc;
}

void stop_signals_end_loop(struct loop_source *source, uint32_t events)
{
	struct signalfd_siginfo info;
	struct loop *loop = source->ctx;

	(void)events;
	if (read(source->fd, &info, sizeof(info)) == sizeof(info))
		loop->stop = true;
}
