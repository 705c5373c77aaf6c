/* SPDX-License-Identifier: MIT
 *
 * fallback.c - see fallback.h. Not PID 1: it may block, and ends. Called by main.c.
 *
 * WSL does not wait for the command (src/linux/init/config.cpp, ConfigInitializeInstance); it is `/bin/sh -c`, with
 * default signals and WSL's environment. Nobody restarts it: a process that the command leaves behind does so after a
 * reboot. `wsl -t` kills everything at once.
 */
#include "init/fallback.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "init/spawn.h"
#include "lib/config.h"
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
	/* Kept open as long as we live. Without /run it is no use, and no harm. Open for writing, it also keeps other
	 * distros from making /run read-only by way of what keel-share publishes. */
	return take_lock() != -EWOULDBLOCK;
}

static void ignore_warning(void *ctx, const char *where, const char *message)
{
	(void)ctx;
	(void)where;
	(void)message; /* PID 1 tells it */
}

/* True if the file system is read-only for want of something else than an error: not as a rescue either, which leaves the
 * journal alone. */
static bool is_sound(const struct stat *info)
{
	static const char *const words[] = {"noload", "norecovery", "emergency_ro", "shutdown"};
	char path[128], target[256], text[4096], *name;
	ssize_t len;

	(void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(info->st_dev),
		minor(info->st_dev));
	len = readlink(path, target, sizeof(target) - 1);
	target[len < 0 ? 0 : len] = '\0';
	name = strrchr(target, '/');
	if (!name++)
		return false;
	(void)snprintf(path, sizeof(path), "/sys/fs/ext4/%.64s/errors_count", name);
	if (file_read(path, text, sizeof(text)) <= 0 || strcmp(text, "0\n") != 0)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/fs/ext4/%.64s/options", name);
	if (file_read(path, text, sizeof(text)) <= 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strstr(text, words[i]))
			return false;
	return true;
}

/* The end made the data disk read-only because a session stood in it. keel-disk would take that for what ext4 does after an
 * error. */
static void make_writable(void)
{
	static struct config config;
	const char *const points[] = {
		config.disk.mountpoint, "/var/lib/docker", "/var/lib/containerd"};
	struct stat info, point;
	struct statfs fs;

	config_load(&config, ignore_warning, NULL);
	if (stat(points[0], &info) < 0 || statfs(points[0], &fs) < 0 ||
		fs.f_type != EXT4_SUPER_MAGIC || !(fs.f_flags & ST_RDONLY) ||
		stat("/", &point) < 0 || point.st_dev == info.st_dev || !is_sound(&info))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(points); i++)
		if (stat(points[i], &point) == 0 && point.st_dev == info.st_dev &&
			mount(NULL, points[i], NULL, MS_REMOUNT | MS_NOATIME, NULL) < 0)
			tell(LOG_WARNING, "cannot make %s writable again: %s", points[i],
				strerror(errno));
}

/* What another one left here, that ended while this system went on: /run is as old as WSL's init. */
static void clear_remains(void)
{
	(void)unlink("/run/docker.pid"); /* its number may be anybody's in a new namespace */
	(void)unlink("/run/keel/engine-hold");
	(void)umount2("/etc/docker/daemon.json", UMOUNT_NOFOLLOW); /* docker-stop's */
	make_writable();
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
	if (fcntl(lock, F_SETFD, 0) < 0)
		return -errno;
	spawn_default_signals();
	(void)execve(program, words, environment);
	return -errno;
}

/* The new PID 1, our child. If it cannot be executed it says why to `result`, or without one to the log. */
static pid_t start(const char *program, int lock, int result)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
	int error;

	if (pid < 0)
		return -errno;
	if (pid > 0)
		return pid;
	error = -become_init(program, lock);
	if (result < 0)
		log_error("fall-back: cannot start again: %s", strerror(error));
	else
		(void)!write(result, &error, sizeof(error));
	_exit(127);
}

/* True when it ended because it was asked for a reboot: pid_namespaces(7), "reboot". */
static bool asks_for_another(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP;
}

/* Stays as long as it lives: with a reboot the namespace ends, and nobody else would make another. Who keeps the lock is
 * the one inside: it is to be free as soon as that one has ended. */
static void stay(const char *program, int lock, int result)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), error;
	pid_t pid;

	(void)setsid();
	(void)!chdir("/");
	for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
		(void)dup2(null, fd);
	pid = start(program, lock, result);
	if (pid < 0) {
		error = -pid;
		(void)!write(result, &error, sizeof(error));
	}
	close_p(&result);
	close_p(&lock);
	while (pid > 0 && asks_for_another(pid)) {
		lock = take_lock();
		if (lock < 0)
			return; /* somebody was quicker */
		clear_remains();
		pid = start(program, lock, -1);
		close_p(&lock);
	}
}

/* 0 when it has been executed. */
static int start_watched(const char *program, int lock)
{
	int result[2], error = 0;
	pid_t pid;
	ssize_t len;

	if (pipe2(result, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		close_p(&result[0]);
		stay(program, lock, result[1]);
		_exit(0);
	}
	close_p(&result[1]);
	/* Closed without a word: executed. */
	len = read(result[0], &error, sizeof(error));
	close_p(&result[0]);
	return len == (ssize_t)sizeof(error) ? -error : 0;
}

int fallback_run(void)
{
	char program[256] = "";
	int log, lock, rc;

	/* Whatever descriptors WSL's init left open are nobody's business in there. */
	if (syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0) < 0)
		tell(LOG_WARNING, "cannot close what was left open: %s", strerror(errno));
	log = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);
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
	rc = start_watched(program, lock);
	return rc < 0 ? fail("start", -rc) : 0;
}
