/* SPDX-License-Identifier: MIT
 *
 * fallback.c - see fallback.h. Not PID 1: it may block, and ends. Called by main.c.
 *
 * WSL does not wait for the command (src/linux/init/config.cpp, ConfigInitializeInstance); it is `/bin/sh -c`, with
 * default signals and WSL's environment. Nobody restarts it, and `wsl -t` then kills everything at once.
 */
#include "init/fallback.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "init/spawn.h"
#include "lib/file.h"
#include "lib/log.h"

#define LOCK        "/run/keel/fallback.lock"
#define OWN_VERSION "fallback" /* where WSL says its own */

/* Both: a person reads the one, nobody sees the other when WSL has run the command. */
static void tell(int level, const char *format, ...) PRINTF(2, 3);

static void tell(int level, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_write(level, "fall-back: %s", text);
	(void)fprintf(stderr, "init --fallback: %s\n", text);
}

static int fail(const char *what, int error)
{
	tell(LOG_ERR, "cannot %s: %s", what, strerror(error));
	return 1;
}

/* True if PID 1 of this namespace is keel-init, or a WSL init that is going to execute it: with systemd=true WSL runs the
 * command too, and before that. Its name then is init-systemd (src/linux/init/init.cpp). */
static bool is_not_needed(void)
{
	struct stat first, self;
	char name[32] = "";

	if (file_read("/proc/1/comm", name, sizeof(name)) > 0 &&
		strncmp(name, "init-systemd", strlen("init-systemd")) == 0)
		return true;
	return stat("/proc/1/exe", &first) == 0 && stat("/proc/self/exe", &self) == 0 &&
	       first.st_dev == self.st_dev && first.st_ino == self.st_ino;
}

/* Held by the new PID 1 as long as it lives: the descriptor goes with it. */
static int take_lock(void)
{
	int fd, rc = file_make_dirs("/run/keel");

	if (rc < 0)
		return rc;
	fd = open(LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	rc = -errno;
	close_p(&fd);
	return rc;
}

bool fallback_none_beside(void)
{
	const char *version = getenv("container_host_version_id");

	/* We are it: the descriptor was inherited. */
	if (version && strcmp(version, OWN_VERSION) == 0)
		return true;
	/* Kept open as long as we live. Without /run it is no use, and no harm. */
	return take_lock() != -EWOULDBLOCK;
}

/* What another one left here, that ended while this system went on: /run is as old as WSL's init. */
static void clear_remains(void)
{
	(void)unlink("/run/docker.pid"); /* its number may be anybody's in a new namespace */
	(void)unlink("/run/keel/engine-hold");
	(void)umount2("/etc/docker/daemon.json", UMOUNT_NOFOLLOW); /* docker-stop's */
}

/* On top of the one that we inherited, which must not hear of it: its peers are what sessions see. */
static int mount_proc(void)
{
	if (mount(NULL, "/proc", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return -errno;
	return 0;
}

static int open_stdio(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int log = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
		dup2(log >= 0 ? log : null, STDERR_FILENO) < 0)
		return -errno;
	return 0;
}

/* As WSL would have handed over to it. Returns only with an -errno. */
static int become_init(const char *program, int lock)
{
	static char *const words[] = {"/sbin/init", NULL};
	static char *const environment[] = {"container=wsl", "container_host_id=windows",
		"container_host_version_id=" OWN_VERSION, NULL};
	int rc = mount_proc();

	if (rc == 0)
		rc = open_stdio();
	if (rc < 0)
		return rc;
	(void)setsid();
	(void)!chdir("/");
	/* Whatever descriptors WSL's init left open are nobody's business in there. */
	(void)syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	if (fcntl(lock, F_SETFD, 0) < 0)
		return -errno;
	spawn_default_signals();
	(void)execve(program, words, environment);
	return -errno;
}

/* 0 when it has been executed. */
static int start(const char *program, int lock)
{
	int result[2], error = 0;
	pid_t pid;
	ssize_t len;

	if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0 || pipe2(result, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		error = -become_init(program, lock);
		(void)!write(result[1], &error, sizeof(error));
		_exit(127);
	}
	close_p(&result[1]);
	len = read(result[0], &error, sizeof(error));
	close_p(&result[0]);
	if (len == (ssize_t)sizeof(error))
		return -error;
	/* A descriptor that was closed without a word: executed, or killed before that. */
	return waitpid(pid, NULL, WNOHANG) == 0 ? 0 : -ECHILD;
}

int fallback_run(void)
{
	int log = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY), lock, rc;
	char program[256] = "";

	if (log >= 0)
		log_open("keel-init", log, true);
	if (geteuid() != 0)
		return fail("start as an ordinary user", EPERM);
	if (is_not_needed()) {
		tell(LOG_INFO,
			"not needed: keel-init is or becomes PID 1 here ([boot] systemd=true)");
		return 0;
	}
	if (readlink("/proc/self/exe", program, sizeof(program) - 1) < 0)
		return fail("find the own program", errno);
	lock = take_lock();
	if (lock == -EWOULDBLOCK) {
		tell(LOG_ERR,
			"it runs already; \"systemctl status\" shows it, \"systemctl poweroff\" ends it");
		return 1;
	}
	if (lock < 0)
		return fail("lock " LOCK, -lock);
	clear_remains();
	/* So that what is mounted in there reaches the sessions, which have copies of our mounts. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) < 0)
		return fail("make / shared", errno);
	rc = start(program, lock);
	return rc < 0 ? fail("start", -rc) : 0;
}
