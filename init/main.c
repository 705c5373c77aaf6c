/* SPDX-License-Identifier: MIT
 *
 * main.c - PID 1. The boot story, from the kernel's (or WSL's) hand-over to the loop that never ends.
 *
 * Above the marked line things may fail, block and allocate. Below it nothing may: the loop waits for
 * events only (children, sd_notify, control requests, helpers' reports, timers that a service armed),
 * and every failure ends in a record that health shows.
 */
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "init/boot_status.h"
#include "init/control_server.h"
#include "init/crash.h"
#include "init/fallback.h"
#include "init/notify.h"
#include "init/rescue.h"
#include "init/service.h"
#include "init/shutdown.h"
#include "init/spawn.h"
#include "init/stage.h"
#include "init/text.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"

/* How many children are reaped before others have their turn, and when it is tried again if that failed. */
#define REAP_BATCH    256
#define REAP_RETRY_US (UINT64_C(50) * 1000)

static struct init init_state;

/* ---- hand-over ----------------------------------------------------------------------------- */

/* WSL ignores nearly every signal before it executes us, and an ignored SIGCHLD makes children vanish
 * unreported (wait(2)). Everything we want arrives through a signalfd, so all is blocked but what a crash raises. */
static int take_signals(sigset_t *mask)
{
	spawn_default_signals();
	(void)sigfillset(mask);
	crash_unblock(mask);
	return sigprocmask(SIG_SETMASK, mask, NULL) < 0 ? -errno : 0;
}

static void take_over(struct init *init, sigset_t *mask)
{
	const char *container = getenv("container");
	struct rlimit files = {.rlim_cur = 4096, .rlim_max = 4096}, old;
	int rc = take_signals(mask);

	init->mode = container && strcmp(container, "wsl") == 0 ? BOOT_MODE_WSL : BOOT_MODE_VM;
	init->boot.mode = (uint8_t)init->mode;
	crash_arm(init->mode, CRASH_TIME_BOOT);
	/* Ctrl-Alt-Del is a request (SIGINT), not a reset in the middle of everything (reboot(2)). */
	if (init->mode == BOOT_MODE_VM)
		(void)reboot(RB_DISABLE_CAD);
	/* Whatever else was left open for us is not for our children. */
	(void)syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	(void)umask(022);
	(void)!chdir("/");
	(void)setsid();
	if (getrlimit(RLIMIT_NOFILE, &old) == 0) {
		files.rlim_max = old.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	if (rc < 0)
		log_error("cannot block signals: %s", strerror(-rc));
}

/* After the mounts: until now stderr is all there is. */
static void open_kernel_log(void)
{
	/* Not rate-limited: the boot story is longer than ten lines (admin-guide/sysctl/kernel.rst). The
	 * kernel takes the word only with its newline. */
	(void)!file_write("/proc/sys/kernel/printk_devkmsg", "on\n");
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);

	if (fd >= 0)
		log_open("keel-init", fd, true);
	log_set_level(LOG_INFO);
	/* In a namespace of its own PID 1 is killable when memory runs out; the real one never is. */
	(void)!file_write("/proc/self/oom_score_adj", "-1000");
}

static void on_config_warning(void *ctx, const char *where, const char *message)
{
	(void)ctx;
	log_warning("%s: %s", where, message);
}

/* ---- the loop ------------------------------------------------------------------------------ */

static void on_reap_timer(struct loop_timer *timer);

/* A storm of orphans must not keep everybody else waiting: the rest is for the next turn. Nor is a death lost
 * because waitpid(2) failed: no other signal would tell of it. */
static void reap_children(struct init *init)
{
	uint64_t delay_us = 0;
	int status;

	/* A process that says READY=1 or MAINPID= and ends was heard before it is gone. */
	notify_drain(init);
	for (int i = 0; i < REAP_BATCH; i++) {
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid == 0 || (pid < 0 && errno == ECHILD))
			return;
		if (pid < 0) {
			delay_us = REAP_RETRY_US;
			break;
		}
		if (!service_reap(init, pid, status) && !shutdown_reap(init, pid, status))
			(void)stage_reap(init, pid, status); /* or an orphan: nothing to tell */
	}
	loop_timer_set(&init->loop, &init->reap_timer, clock_now_us() + delay_us, on_reap_timer,
		init);
}

static void on_reap_timer(struct loop_timer *timer)
{
	reap_children(timer->ctx);
}

static void on_signal(struct loop_source *source, uint32_t events)
{
	struct init *init = source->ctx;
	struct signalfd_siginfo info;
	int command;

	(void)events;
	while (read(source->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			reap_children(init);
		command = shutdown_signal_command((int)info.ssi_signo);
		if (command)
			shutdown_start(init, command, "by signal", true);
	}
}

static void update_boot_status(struct init *init)
{
	char reason[CONTROL_REASON_MAX];
	enum boot_state state = boot_status(init, reason, sizeof(reason));

	if (init->boot.state == state && strcmp(init->boot.reason, reason) == 0)
		return;
	init->boot.state = (uint8_t)state;
	text_copy(init->boot.reason, sizeof(init->boot.reason), reason);
	log_info("system is %s%s%s", boot_state_name(state), reason[0] ? ": " : "", reason);
	control_mark(init, CONTROL_DIRTY_BOOT);
}

/* After each batch of events: let what waits go on, tell who watches. */
static void settle(struct init *init)
{
	/* Ends: each round consumes a change, and changes come from state transitions only, of which a
	 * chain of dependencies has a finite number without new events. */
	do {
		init->changed = false;
		if (init->shutdown == SHUTDOWN_NONE)
			service_check_waiting(init);
		service_check_stage(init);
		update_boot_status(init);
		shutdown_advance(init);
	} while (init->changed);
	control_flush(init);
}

/* Without the loop and its signals there is no PID 1. */
static int open_loop(struct init *init, const sigset_t *mask)
{
	int fd, rc = loop_init(&init->loop);

	if (rc < 0)
		return rc;
	fd = signalfd(-1, mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	return loop_add(&init->loop, &init->signals, fd, EPOLLIN, on_signal, init);
}

/* Without its sockets nobody can ask it, but it starts a shell and ends in good order. */
static void open_sockets(struct init *init)
{
	int rc = 0;

	/* There already, unless the mounts have failed. */
	(void)!file_make_dirs("/run/keel/log");
	/* Then its sockets are not to be replaced by ours. */
	if (init->mode == BOOT_MODE_WSL && !fallback_none_beside())
		rc = -EADDRINUSE;
	if (rc == 0)
		rc = control_listen(init);
	if (rc == 0)
		rc = notify_listen(init);
	if (rc == 0)
		return;
	rescue_deaf();
	if (!init->fatal)
		(void)snprintf(init->rescue, sizeof(init->rescue), "cannot listen in /run/keel: %s",
			rc == -EADDRINUSE ? "another keel-init does, started by init --fallback"
					  : strerror(-rc));
	init->fatal = true;
}

static int usage(const char *name)
{
	(void)fprintf(stderr,
		"%s " KEEL_VERSION
		" is an init: it runs as PID 1 only, started by the kernel (init=/sbin/init)\n"
		"or by WSL ([boot] systemd=true). To control a running system use systemctl or keelctl.\n"
		"Where WSL does not know that: [boot] command=/sbin/init --fallback\n",
		name);
	return 1;
}

static void load_services(struct init *init)
{
	struct service *shell;

	service_load_all(init);
	shell = service_find(init, "console-shell.service");
	if (shell && !init->config.boot.console_shell)
		shell->usable = false;
	rescue_prepare(init);
}

int main(int argc, char **argv)
{
	struct init *init = &init_state;
	sigset_t mask;
	bool crashed;
	int rc, command;

	init->boot.start_us = clock_now_us();
	if (getpid() != 1 && argc == 2 && strcmp(argv[1], "--fallback") == 0)
		return fallback_run();
	if (getpid() != 1)
		return usage(argc > 0 ? argv[0] : "init");
	log_set_level(LOG_WARNING); /* until the kernel log is open, lines go to the console */
	take_over(init, &mask);
	crashed = crash_take_arguments(argc, argv, init->mode, init->crash, sizeof(init->crash),
		&command);
	if (crashed)
		crash_set_time(CRASH_TIME_AGAIN);
	stage_init_all(init);
	config_set_defaults(&init->config);
	/* The configuration is on a mounted root, and the memory stage goes by it. */
	if (!crashed)
		stage_run(init, STAGE_CONSOLE, STAGE_MOUNTS);
	open_kernel_log();
	config_load(&init->config, on_config_warning, NULL);
	if (!crashed)
		stage_run(init, STAGE_CGROUP, STAGE_MEMORY);
	else
		stage_run_crashed(init);
	rc = open_loop(init, &mask);
	if (rc < 0)
		rescue_last_resort(init, &mask, rc);
	open_sockets(init);
	shutdown_prepare();
	if (crashed) {
		crash_keep(init->crash);
	} else {
		crash_tell_kept();
		load_services(init);
	}

	/* ==== PID 1 must not exit, block or allocate below ======================================= */
	if (crashed) {
		shutdown_start_crashed(init, command);
	} else {
		crash_set_time(CRASH_TIME_RUNNING);
		stage_start_helpers(init);
		if (init->rescue[0])
			rescue_start(init);
		else
			service_start_enabled(init);
	}
	init->changed = true;
	for (;;) {
		settle(init);
		rc = loop_once(&init->loop);
		if (rc < 0) {
			log_error("event loop: %s", strerror(-rc));
			(void)usleep(100000); /* never a busy loop, whatever the kernel says */
		} else if (loop_is_hot(&init->loop)) {
			(void)usleep(5000);
		}
	}
}
