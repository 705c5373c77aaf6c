/* SPDX-License-Identifier: MIT
 *
 * spawn.c - clone3(2) straight into the cgroup, fall back to fork(2) and cgroup.procs.
 *
 * Called by service.c and stage.c, from the loop. The child runs only async-signal-safe calls.
 */
#include "init/spawn.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lib/file.h"

/* Room above SPAWN_PASS_FD: descriptors are moved up here before the low ones are filled. */
#define FD_PARK 10

static int child_stdio(const struct spawn *spawn)
{
	int in, out = spawn->output_fd;

	if (spawn->tty_path) {
		in = open(spawn->tty_path, O_RDWR | O_CLOEXEC);
		if (in < 0)
			return -errno;
		/* 1: take it from a session that died with it (a former shell on the console). */
		(void)ioctl(in, TIOCSCTTY, 1);
		out = in;
	} else {
		in = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (in < 0)
			return -errno;
		if (out < 0)
			out = in;
	}
	if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
		dup2(out, STDERR_FILENO) < 0)
		return -errno;
	if (spawn->pass_fd >= 0 && dup2(spawn->pass_fd, SPAWN_PASS_FD) < 0)
		return -errno;
	return 0;
}

static int child_limits(const struct spawn *spawn)
{
	char text[16];

	for (unsigned int i = 0; i < spawn->limit_count; i++) {
		struct rlimit limit = spawn->limits[i].value, old;

		/* Without CAP_SYS_RESOURCE the hard limit cannot be raised: as much as there is. */
		if (setrlimit((__typeof__(RLIMIT_CPU))spawn->limits[i].resource, &limit) < 0 &&
			getrlimit((__typeof__(RLIMIT_CPU))spawn->limits[i].resource, &old) == 0) {
			old.rlim_cur =
				limit.rlim_cur < old.rlim_max ? limit.rlim_cur : old.rlim_max;
			(void)setrlimit((__typeof__(RLIMIT_CPU))spawn->limits[i].resource, &old);
		}
	}
	(void)snprintf(text, sizeof(text), "%d", spawn->oom_score_adj);
	/* Lowering it needs a capability that a user namespace does not give: not worth a failed start. */
	(void)!file_write("/proc/self/oom_score_adj", text);
	return 0;
}

void spawn_default_signals(void)
{
	/* struct sigaction as the kernel has it: SIG_DFL, no flags, no restorer, empty mask. The C library
	 * keeps 32 to 34 to itself and would refuse to touch them, but they can be inherited ignored too. */
	static const struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		uint64_t mask;
	} action = {.handler = SIG_DFL};

	for (int i = 1; i <= 64; i++)
		(void)syscall(SYS_rt_sigaction, i, &action, NULL, sizeof(action.mask));
}

static int child_signals(void)
{
	sigset_t none;

	spawn_default_signals();
	(void)sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

static int child_directory(const char *cwd)
{
	bool optional = cwd && cwd[0] == '-';

	if (!cwd || chdir(cwd + (optional ? 1 : 0)) == 0)
		return cwd ? 0 : chdir("/") < 0 ? -errno : 0;
	return optional && errno == ENOENT ? chdir("/") < 0 ? -errno : 0 : -errno;
}

static int child_setup(const struct spawn *spawn)
{
	int rc;

	if (setsid() < 0)
		return -errno;
	(void)umask(spawn->umask);
	rc = child_limits(spawn);
	if (rc == 0)
		rc = child_stdio(spawn);
	return rc == 0 ? child_directory(spawn->cwd) : rc;
}

static _Noreturn void child_run(const struct spawn *spawn, int status_fd)
{
	/* Untouched in PID 1: it becomes memory in the new process only. */
	static struct environment environment;
	int rc = child_setup(spawn);

	if (rc == 0)
		rc = spawn->prepare(spawn->ctx, &environment);
	if (rc == 0)
		rc = child_signals();
	if (rc == 0) {
		(void)execve(environment.args[0], environment.args, environment.list);
		rc = -errno;
	}
	rc = -rc;
	(void)!write(status_fd, &rc, sizeof(rc));
	_exit(127);
}

/* -ENOSYS, -EINVAL (an older kernel without CLONE_INTO_CGROUP), -EPERM (seccomp): the caller forks. */
static pid_t clone_into_cgroup(int cgroup_fd, int *pidfd)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD, .flags = CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)pidfd};
	long pid;

	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_fd;
	}
	pid = syscall(SYS_clone3, &args, sizeof(args));
	return pid < 0 ? -errno : (pid_t)pid;
}

/* fork(2), and the child moves itself before it does anything else. */
static pid_t fork_into_cgroup(int cgroup_fd, int *pidfd)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0 && cgroup_fd >= 0)
		(void)!file_write_at(cgroup_fd, "cgroup.procs", "0");
	/* Its number cannot have been given to another process: only we reap it. */
	if (pid > 0)
		*pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return pid;
}

static int park(int fd)
{
	int parked = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FD_PARK);

	return parked < 0 && fd >= 0 ? -errno : parked;
}

int spawn_start(const struct spawn *spawn, struct spawned *spawned)
{
	_cleanup_close_ int read_fd = -1, write_fd = -1, pass_fd = -1, output_fd = -1;
	struct spawn child = *spawn;
	int pipe_fds[2], pidfd = -1;
	pid_t pid;

	*spawned = (struct spawned){.pidfd = -1, .exec_fd = -1};
	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	read_fd = pipe_fds[0];
	write_fd = park(pipe_fds[1]);
	close_p(&pipe_fds[1]);
	pass_fd = park(spawn->pass_fd);
	output_fd = park(spawn->output_fd);
	if (write_fd < 0 || pass_fd < -1 || output_fd < -1)
		return -EMFILE;
	child.pass_fd = pass_fd;
	child.output_fd = output_fd;
	/* A kernel that counts kills (kill_seq, since 6.14) compares our own group's count with that of the
	 * group we clone into, and kills the child if that one was ever killed: then it moves itself. */
	pid = spawn->cgroup_killed ? -ENOSYS : clone_into_cgroup(spawn->cgroup_fd, &pidfd);
	if (pid == -ENOSYS || pid == -EINVAL || pid == -EPERM || pid == -EOPNOTSUPP)
		pid = fork_into_cgroup(spawn->cgroup_fd, &pidfd);
	if (pid == 0)
		child_run(&child, write_fd);
	if (pid < 0)
		return pid;
	*spawned = (struct spawned){.pid = pid, .pidfd = pidfd, .exec_fd = TAKE_FD(read_fd)};
	return 0;
}

int spawn_signal(pid_t pid, int pidfd, int signal)
{
	if (pidfd >= 0 && syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) == 0)
		return 0;
	if (pidfd >= 0 && errno != ENOSYS && errno != EPERM)
		return -errno;
	return kill(pid, signal) < 0 ? -errno : 0;
}
