/* SPDX-License-Identifier: MIT
 *
 * runner_job.c - see runner_job.h.
 */
#include "agent/runner_job.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "lib/file.h"
#include "lib/log.h"

#define STEP_GROUP   "reclaim"
#define STEP_WEIGHT  "10" /* of 100 that a container has unless told otherwise */
#define STEP_NICE    19
#define DISK_GROUP   "keel/disk-job"
#define SESSION_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct runner_options runner_job_options = {.root_fd = -1, .base_fd = -1};

/* ---- the fork ------------------------------------------------------------------------------------ */

/* A group below the base, made if it is not there. Its directory or -errno. */
static int open_group(const char *name)
{
	const int base_fd = runner_job_options.base_fd;
	int fd;

	if (base_fd < 0)
		return -ENOENT;
	if (mkdirat(base_fd, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(base_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* As fork(2), in a group if there is one that takes it. 0 in the child, in the parent its pid or -errno. */
static pid_t start_child(int group_fd, int *pid_fd)
{
	struct clone_args args = {.flags = CLONE_PIDFD | CLONE_INTO_CGROUP,
		.pidfd = (uint64_t)(uintptr_t)pid_fd,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)group_fd};
	long pid = -1;

	if (group_fd >= 0)
		pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0) { /* no such group, or it takes none: then in ours */
		args.flags = CLONE_PIDFD;
		pid = syscall(SYS_clone3, &args, sizeof(args));
	}
	if (pid == 0) {
		sigset_t none;

		(void)sigemptyset(&none);
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
	}
	return pid < 0 ? -errno : (pid_t)pid;
}

static int take_child(pid_t pid, int pid_fd, int pty_fd, struct runner_child *child)
{
	if (pid < 0)
		return pid;
	*child = (struct runner_child){.pid = pid, .pid_fd = pid_fd, .pty_fd = pty_fd};
	return 0;
}

/* In a child: what it is to end with, its parent, may have ended before it could say so. */
static void end_with(pid_t parent)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(ECANCELED);
}

/* ---- keel-disk ----------------------------------------------------------------------------------- */

static _Noreturn void run_disk(const char *const arguments[], int output_fd)
{
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(output_fd, STDOUT_FILENO) < 0)
		_exit(1);
	(void)execv(arguments[0], (char *const *)(uintptr_t)arguments);
	log_error("%s: %s", arguments[0], strerror(errno));
	_exit(1);
}

int runner_job_disk(const char *const arguments[], int output_fd, struct runner_child *child)
{
	_cleanup_close_ int group_fd = open_group(DISK_GROUP);
	static bool complained;
	int pid_fd = -1;
	pid_t pid;

	if (group_fd < 0 && !complained) {
		log_warning("control group " DISK_GROUP ": %s; jobs end with the agent",
			strerror(-group_fd));
		complained = true;
	}
	pid = start_child(group_fd, &pid_fd);
	if (pid == 0)
		run_disk(arguments, output_fd);
	return take_child(pid, pid_fd, -1, child);
}

/* ---- steps of reclaim ---------------------------------------------------------------------------- */

/* One write to a file, or with no text: what is dirty there is written out. */
struct write_job {
	int dir_fd;
	char path[RUNNER_PATH_MAX + sizeof("/memory.reclaim")], text[48];
};

static int make_write(const struct runner_step_request *step, struct write_job *job)
{
	*job = (struct write_job){.dir_fd = runner_job_options.root_fd};
	switch (step->step) {
	case RUNNER_STEP_TAKE:
		job->dir_fd = runner_job_options.base_fd;
		(void)snprintf(job->path, sizeof(job->path), "%s/memory.reclaim", step->name);
		(void)snprintf(job->text, sizeof(job->text), "%llu%s",
			(unsigned long long)step->bytes, step->no_swap ? " swappiness=0" : "");
		return 0;
	case RUNNER_STEP_FLUSH:
		(void)snprintf(job->path, sizeof(job->path), "%s", step->name);
		return 0;
	case RUNNER_STEP_COMPACT:
		(void)snprintf(job->path, sizeof(job->path), "proc/sys/vm/compact_memory");
		(void)snprintf(job->text, sizeof(job->text), "1");
		return 0;
	case RUNNER_STEP_DROP:
		(void)snprintf(job->path, sizeof(job->path), "proc/sys/vm/drop_caches");
		(void)snprintf(job->text, sizeof(job->text), "3");
		return 0;
	case RUNNER_STEPS:
		break;
	}
	return -EINVAL;
}

/* In the child: nothing but system calls. */
static _Noreturn void run_step(const struct write_job *job, bool calm, pid_t parent)
{
	const size_t len = strlen(job->text);
	int fd;

	if (calm) {
		end_with(parent);
		(void)setpriority(PRIO_PROCESS, 0, STEP_NICE);
	}
	if (dup2(job->dir_fd, STDERR_FILENO + 1) < 0)
		_exit(errno);
	(void)syscall(SYS_close_range, STDERR_FILENO + 2, ~0U, 0);
	fd = openat(STDERR_FILENO + 1, job->path,
		O_CLOEXEC | (len > 0 ? O_WRONLY : O_RDONLY | O_DIRECTORY));
	if (fd < 0)
		_exit(errno);
	_exit((len > 0 ? write(fd, job->text, len) : syncfs(fd)) < 0 ? errno : 0);
}

/* The group is made with the first step, so that an agent that never takes anything leaves none. */
static int step_group(void)
{
	int group_fd = open_group(STEP_GROUP);

	if (group_fd >= 0)
		(void)!file_write_at(group_fd, "cpu.weight", STEP_WEIGHT);
	return group_fd;
}

int runner_job_step(const struct runner_step_request *step, struct runner_child *child)
{
	_cleanup_close_ int group_fd = step->calm ? step_group() : -1;
	const pid_t parent = getpid();
	struct write_job job;
	int pid_fd = -1, rc = make_write(step, &job);
	pid_t pid;

	if (rc < 0)
		return rc;
	pid = start_child(group_fd, &pid_fd);
	if (pid == 0)
		run_step(&job, step->calm, parent);
	return take_child(pid, pid_fd, -1, child);
}

/* ---- sessions ------------------------------------------------------------------------------------ */

/* In the child. It is worth no more than any other process when memory is short, unlike the agent. */
static _Noreturn void run_session(char *const words[], const int fds[3], bool tty, pid_t parent)
{
	end_with(parent);
	(void)setsid();
	if (tty)
		(void)ioctl(fds[0], TIOCSCTTY, 0);
	(void)!file_write("/proc/self/oom_score_adj", "0");
	for (int i = 0; i < 3; i++)
		if (dup2(fds[i], i) < 0)
			_exit(127);
	(void)syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
	/* The agent's own affairs with PID 1. */
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
	(void)setenv("PATH", SESSION_PATH, 1);
	(void)setenv("HOME", "/root", 1);
	(void)setenv("TERM", "xterm-256color", 0);
	if (chdir("/root") < 0)
		(void)!chdir("/");
	(void)execvp(words[0], words);
	(void)dprintf(STDERR_FILENO, "%s: %s\n", words[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

int runner_job_session(char *const words[], const int *fds, uint16_t rows, uint16_t columns,
	struct runner_child *child)
{
	const struct winsize size = {.ws_row = rows, .ws_col = columns};
	const pid_t parent = getpid();
	_cleanup_close_ int pty_fd = -1, tty_fd = -1;
	int pid_fd = -1, ends[3];
	pid_t pid;
	int rc;

	if (!fds && openpty(&pty_fd, &tty_fd, NULL, NULL, &size) < 0)
		return -errno;
	if (!fds) {
		(void)fcntl(pty_fd, F_SETFD, FD_CLOEXEC);
		(void)fcntl(pty_fd, F_SETFL, O_RDWR | O_NONBLOCK);
		(void)fcntl(tty_fd, F_SETFD, FD_CLOEXEC);
	}
	for (int i = 0; i < 3; i++) /* above those that they are put on */
		ends[i] = fcntl(fds ? fds[i] : tty_fd, F_DUPFD_CLOEXEC, 3);
	pid = start_child(-1, &pid_fd);
	if (pid == 0)
		run_session(words, ends, !fds, parent);
	for (int i = 0; i < 3; i++)
		close_p(&ends[i]);
	rc = take_child(pid, pid_fd, pty_fd, child);
	if (rc == 0)
		pty_fd = -1;
	return rc;
}
