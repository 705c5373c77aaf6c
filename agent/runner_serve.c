/* SPDX-License-Identifier: MIT
 *
 * runner_serve.c - the runner's side: what it does about a request that was checked (runner_check.c). See runner.h and
 * runner_frame.h. A pid counts only as long as it is that of a child of its own.
 */
#include "agent/runner_frame.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "agent/common/dockerd.h"
#include "agent/common/kernel_log.h"
#include "agent/runner_check.h"
#include "agent/runner_job.h"
#include "lib/clock.h"
#include "lib/file.h"

#ifndef FAN_FS_ERROR /* linux/fanotify.h, since Linux 5.16; musl does not know it */
#define FAN_FS_ERROR 0x00008000
#endif

static struct {
	pid_t pid; /* 0: free */
	bool session, abandoned;
} children[RUNNER_CHILDREN];

/* ---- children ------------------------------------------------------------------------------------ */

static size_t find_child(pid_t pid)
{
	size_t i = 0;

	while (i < RUNNER_CHILDREN && children[i].pid != pid)
		i++;
	return i;
}

static void keep_child(const struct runner_child *child, bool session, struct runner_answer *answer,
	int fds[RUNNER_FDS], size_t *count)
{
	size_t i = find_child(0);

	children[i].pid = answer->pid = child->pid;
	children[i].session = session;
	children[i].abandoned = false;
	fds[(*count)++] = child->pid_fd;
	if (child->pty_fd >= 0)
		fds[(*count)++] = child->pty_fd;
}

static uint64_t to_us(const struct timeval *time)
{
	return (uint64_t)time->tv_sec * USEC_PER_SEC + (uint64_t)time->tv_usec;
}

static int wait_child(pid_t pid, struct runner_answer *answer)
{
	size_t i = find_child(pid);
	struct rusage usage = {0};
	siginfo_t info = {0};
	pid_t got;

	if (i == RUNNER_CHILDREN)
		return -ECHILD;
	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0)
		return -EAGAIN;
	/* The rest of a session's group: as long as the leader is not reaped, the number is nobody else's. */
	if (children[i].session)
		(void)kill(-pid, SIGKILL);
	got = wait4(pid, &answer->status, WNOHANG, &usage);
	children[i].pid = 0;
	answer->cpu_us = to_us(&usage.ru_utime) + to_us(&usage.ru_stime);
	return got == pid ? 0 : -ECHILD;
}

static int signal_child(pid_t pid, int signal)
{
	size_t i = find_child(pid);

	if (i == RUNNER_CHILDREN)
		return -ESRCH;
	/* A session that has only just been started has no group of its own yet. */
	if (children[i].session && kill(-pid, signal) == 0)
		return 0;
	return kill(pid, signal) < 0 ? -errno : 0;
}

static void reap_abandoned(void)
{
	struct runner_answer unused;

	for (size_t i = 0; i < RUNNER_CHILDREN; i++)
		if (children[i].pid != 0 && children[i].abandoned)
			(void)!wait_child(children[i].pid, &unused);
}

static int abandon_child(pid_t pid)
{
	size_t i = find_child(pid);

	if (i == RUNNER_CHILDREN)
		return -ESRCH;
	children[i].abandoned = true;
	return signal_child(pid, SIGKILL);
}

static int start_disk(const struct runner_order *order, int output_fd, struct runner_child *child)
{
	const char *arguments[DISK_ARGUMENTS_MAX];

	disk_request_arguments(&order->disk, runner_job_options.disk_program, arguments);
	return runner_job_disk(arguments, output_fd, child);
}

static void start(const struct runner_order *order, const int *fds, struct runner_answer *answer,
	int answer_fds[RUNNER_FDS], size_t *answer_count)
{
	struct runner_child child;

	reap_abandoned();
	if (find_child(0) == RUNNER_CHILDREN)
		answer->rc = -EAGAIN;
	else if (order->verb == RUNNER_DISK)
		answer->rc = start_disk(order, fds[0], &child);
	else if (order->verb == RUNNER_STEP)
		answer->rc = runner_job_step(&order->step, &child);
	else if (!runner_job_options.shell)
		answer->rc = -EPERM;
	else
		answer->rc = runner_job_session(order->words, order->tty ? NULL : fds, order->rows,
			order->columns, &child);
	if (answer->rc == 0)
		keep_child(&child, order->verb == RUNNER_SESSION, answer, answer_fds, answer_count);
}

/* ---- files --------------------------------------------------------------------------------------- */

static int open_path(int dir_fd, const char *path, int flags)
{
	int fd = openat(dir_fd, path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int open_numbered(const char *before, uint32_t number, const char *after)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%s%u%s", before, number, after);
	return open_path(AT_FDCWD, path, O_RDONLY);
}

/* A container cannot get into the engine's groups; what it calls itself says nothing. All goes through one directory: should the
 * process end, its number is not another's there. */
static int open_environ(uint32_t pid)
{
	const char *base = getenv("KEEL_CGROUP");
	_cleanup_close_ int dir_fd = open_numbered("/proc/", pid, "");
	char text[2048], wanted[RUNNER_PATH_MAX];
	const char *line;

	(void)snprintf(wanted, sizeof(wanted), "0::%s/engine/" DOCKERD_UNIT "\n", base ? base : "");
	if (!base || dir_fd < 0 || file_read_at(dir_fd, "cgroup", text, sizeof(text)) < 0)
		return -ESRCH;
	line = strstr(text, wanted);
	if (!line || (line > text && line[-1] != '\n'))
		return -ESRCH;
	return open_path(dir_fd, "environ", O_RDONLY);
}

static int open_disk_errors(const char *path)
{
	_cleanup_close_ int fd =
		fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_CLOEXEC | FAN_NONBLOCK,
			O_RDONLY);
	/* A mark of a file system does not keep it from being unmounted. */
	if (fd < 0 || fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_FS_ERROR, AT_FDCWD,
			      path) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int open_file(const struct runner_order *order)
{
	static const char *const pressure[RUNNER_PRESSURES] = {
		"containers/memory.pressure", "engine/memory.pressure", "/proc/pressure/memory"};

	switch (order->file) {
	case RUNNER_FILE_KMSG:
		return kernel_log_open();
	case RUNNER_FILE_INPUT:
		return open_numbered("/dev/input/event", order->number, "");
	case RUNNER_FILE_PTP:
		return open_numbered("/dev/ptp", order->number, "");
	case RUNNER_FILE_MOUNTS:
		return open_path(AT_FDCWD, "/proc/self/mountinfo", O_RDONLY);
	case RUNNER_FILE_PRESSURE:
		return open_path(runner_job_options.base_fd, pressure[order->number], O_RDWR);
	case RUNNER_FILE_DISK_ERRORS:
		return open_disk_errors(order->path);
	case RUNNER_FILE_ENVIRON:
		return open_environ(order->number);
	case RUNNER_FILES:
		break;
	}
	return -EINVAL;
}

static int look_at(const char *path, struct runner_look *look)
{
	struct statvfs info;
	struct stat file;

	/* From the kernel's memory: no disk is read. */
	if (stat(path, &file) < 0 || statvfs(path, &info) < 0)
		return -errno;
	*look = (struct runner_look){.device = file.st_dev,
		.total = info.f_blocks * info.f_frsize,
		.used = (info.f_blocks - info.f_bfree) * info.f_frsize,
		.free = info.f_bavail * info.f_frsize,
		.inodes = info.f_files,
		.inodes_free = info.f_ffree};
	return 0;
}

/* ---- the frames ---------------------------------------------------------------------------------- */

void runner_serve(const struct runner_request *request, const int *fds, size_t count,
	struct runner_answer *answer, int answer_fds[RUNNER_FDS], size_t *answer_count)
{
	static struct runner_order order;

	*answer = (struct runner_answer){
		.rc = runner_check(request, count, runner_job_options.data, &order)};
	*answer_count = 0;
	if (answer->rc < 0)
		return;
	switch (order.verb) {
	case RUNNER_DISK:
	case RUNNER_STEP:
	case RUNNER_SESSION:
		start(&order, fds, answer, answer_fds, answer_count);
		break;
	case RUNNER_WAIT:
		answer->rc = wait_child(order.pid, answer);
		break;
	case RUNNER_SIGNAL:
		answer->rc = signal_child(order.pid, order.signal);
		break;
	case RUNNER_ABANDON:
		answer->rc = abandon_child(order.pid);
		break;
	case RUNNER_OPEN:
		answer->rc = open_file(&order);
		if (answer->rc >= 0) {
			answer_fds[(*answer_count)++] = answer->rc;
			answer->rc = 0;
		}
		break;
	case RUNNER_LOOK:
		answer->rc = look_at(order.path, &answer->look);
		break;
	case RUNNER_VERBS:
		break;
	}
}

void runner_serve_loop(int fd)
{
	static struct runner_request request;
	struct runner_answer answer;
	int fds[RUNNER_FDS], answer_fds[RUNNER_FDS];
	size_t count, answer_count;

	/* What is not the protocol ends it, and with it the agent. */
	while (runner_frame_receive(fd, &request, sizeof(request), fds, &count) == 0) {
		int rc;

		runner_serve(&request, fds, count, &answer, answer_fds, &answer_count);
		while (count > 0)
			close_p(&fds[--count]);
		rc = runner_frame_send(fd, &answer, sizeof(answer), answer_fds, answer_count);
		while (answer_count > 0)
			close_p(&answer_fds[--answer_count]);
		if (rc < 0)
			break;
	}
	_exit(0);
}
