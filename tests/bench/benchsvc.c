/* SPDX-License-Identifier: MIT
 *
 * benchsvc.c - the service that the inits supervise in tests/bench/init_peers.py, and who kills it:
 *
 *   benchsvc up BOARD SLOT      stamps its slot the first thing after exec, then sleeps for ever
 *   benchsvc done BOARD SLOT    stamps its slot, ends with status 0
 *   benchsvc kill PID1 BOARD SLOTS KILLS GAP_US
 *       kill -9 of the services in turn, each when it has run for GAP_US; prints a line a kill: nanoseconds
 *       from kill(2) to the new process's stamp, or "missed" or "doubled"
 *   benchsvc orphans PID1 COUNT
 *       a process forks COUNT children that end at once, and ends; prints nanoseconds from the first fork to
 *       its end, and from its end until PID 1 has reaped them all
 *
 *   benchsvc guard [/proc/sys/DIR] COMMAND...
 *       makes /proc/sys, or that part of it, read-only, then becomes COMMAND: systemd as PID 1 raises fs.nr_open and fs.file-max, which
 *       are the machine's
 *
 * As the interpreter of a script ("#!/usr/bin/benchsvc up BOARD SLOT") it gets these words as one; for supervisors
 * that run a script, to tell what they take from what a shell takes.
 *
 * `kill` and `orphans` run in the PID namespace of PID1 (a PID as they see it). The board is a file that all map
 * shared: measuring costs the measured nothing before its stamp. Times are nanoseconds of CLOCK_BOOTTIME.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SLOTS_MAX \
	256 /* init_peers.py makes the file: SLOTS_MAX * sizeof(struct slot) bytes of zeros */
#define WAIT_S      20 /* for a new process; BusyBox and s6 take about a second */
#define SETTLE_US   200000
#define ORPHANS_MAX 30000

struct slot {
	_Atomic uint32_t instances; /* written last; a futex */
	int32_t pid;
	int64_t stamp_ns;
};

static int fail(const char *what)
{
	(void)fprintf(stderr, "benchsvc: %s: %s\n", what, strerror(errno));
	return 1;
}

static int64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void sleep_us(int64_t us)
{
	struct timespec left = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

	while (us > 0 && nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

static struct slot *map_board(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *board = MAP_FAILED;

	if (fd >= 0) {
		board = mmap(NULL, SLOTS_MAX * sizeof(struct slot), PROT_READ | PROT_WRITE,
			MAP_SHARED, fd, 0);
		(void)close(fd);
	}
	return board == MAP_FAILED ? NULL : board;
}

static long number(const char *text, long max)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (*end != '\0' || value < 0 || value > max) {
		(void)fprintf(stderr, "benchsvc: %s: not a number up to %ld\n", text, max);
		exit(2);
	}
	return value;
}

/* ---- the service ------------------------------------------------------------------------------- */

static int stamp(int64_t at_ns, const char *path, long index)
{
	struct slot *board = map_board(path);

	if (!board)
		return fail(path);
	board[index].pid = (int32_t)getpid();
	board[index].stamp_ns = at_ns;
	(void)atomic_fetch_add(&board[index].instances, 1);
	(void)syscall(SYS_futex, &board[index].instances, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	return 0;
}

/* ---- inside the guest's PID namespace ----------------------------------------------------------- */

/* Runs `work` as a child there; setns(2) takes effect for children only. */
static int run_inside(const char *pid1, int (*work)(char **), char **args)
{
	char path[64];
	int fd, status = 1;
	pid_t pid;

	(void)snprintf(path, sizeof(path), "/proc/%ld/ns/pid", number(pid1, INT_MAX));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWPID) < 0)
		return fail(path);
	(void)close(fd);
	pid = fork();
	if (pid < 0)
		return fail("fork");
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		status = work(args);
		(void)fflush(stdout);
		_exit(status);
	}
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return fail("the child in the namespace was killed");
	return WEXITSTATUS(status);
}

/* True once more processes than `seen` have stamped the slot. */
static int wait_for_instance(struct slot *slot, uint32_t seen)
{
	int64_t end = now_ns() + (int64_t)WAIT_S * 1000000000;
	struct timespec limit = {.tv_sec = 1};

	while (atomic_load(&slot->instances) == seen) {
		if (now_ns() > end)
			return 0;
		(void)syscall(SYS_futex, &slot->instances, FUTEX_WAIT, seen, &limit, NULL, 0);
	}
	return 1;
}

static int kill_one(struct slot *slot, uint32_t *seen, int64_t gap_us)
{
	pid_t pid = slot->pid;
	int64_t killed_ns;

	sleep_us(gap_us - (now_ns() - slot->stamp_ns) / 1000);
	/* One that came by itself since the last visit counts against the supervisor. */
	if (atomic_load(&slot->instances) != *seen || slot->pid != pid) {
		*seen = atomic_load(&slot->instances);
		(void)puts("doubled");
		return 0;
	}
	killed_ns = now_ns();
	if (kill(pid, SIGKILL) < 0)
		return fail("kill");
	if (!wait_for_instance(slot, *seen)) {
		(void)puts("missed");
		return 0;
	}
	*seen += 1;
	(void)printf("%lld\n", (long long)(slot->stamp_ns - killed_ns));
	return 0;
}

/* args: BOARD SLOTS KILLS GAP_US */
static int kill_services(char **args)
{
	long slots = number(args[1], SLOTS_MAX), kills = number(args[2], INT_MAX),
	     gap_us = number(args[3], INT_MAX);
	struct slot *board = map_board(args[0]);
	uint32_t seen[SLOTS_MAX];

	if (!board || slots == 0)
		return fail(args[0]);
	for (long i = 0; i < slots; i++) {
		if (!wait_for_instance(&board[i], 0)) {
			(void)fprintf(stderr, "benchsvc: service %ld does not run\n", i);
			return 1;
		}
		seen[i] = atomic_load(&board[i].instances);
	}
	for (long i = 0; i < kills; i++)
		if (kill_one(&board[i % slots], &seen[i % slots], gap_us))
			return 1;
	sleep_us(SETTLE_US); /* what is started twice shows */
	for (long i = 0; i < slots; i++)
		if (atomic_load(&board[i].instances) != seen[i])
			(void)puts("doubled");
	return 0;
}

static _Noreturn void make_orphans(pid_t *pids, long count)
{
	for (long i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (pid < 0)
			_exit(1);
		pids[i] = pid;
	}
	_exit(0);
}

/* args: COUNT */
static int measure_orphans(char **args)
{
	long count = number(args[0], ORPHANS_MAX);
	size_t size = (size_t)count * sizeof(pid_t);
	pid_t *pids = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int64_t start_ns = now_ns(), end_ns;
	int status;
	pid_t maker;

	if (pids == MAP_FAILED)
		return fail("mmap");
	maker = fork();
	if (maker == 0)
		make_orphans(pids, count);
	if (maker < 0 || waitpid(maker, &status, 0) < 0 || status != 0)
		return fail("cannot make that many processes");
	end_ns = now_ns();
	for (long i = 0; i < count; i++) {
		while (kill(pids[i], 0) == 0) {
			if (now_ns() - end_ns > (int64_t)WAIT_S * 1000000000) {
				(void)fprintf(stderr, "benchsvc: orphan %ld is not reaped\n", i);
				return 1;
			}
			sleep_us(50);
		}
	}
	(void)printf("%lld %lld\n", (long long)(end_ns - start_ns), (long long)(now_ns() - end_ns));
	return 0;
}

static int guard(char **command)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	const char *dir = strncmp(command[0], "/proc/sys/", 10) == 0 ? *command++ : "/proc/sys";

	if (!command[0] || mount(dir, dir, NULL, MS_BIND | MS_REC, NULL) < 0 ||
		mount(NULL, dir, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | flags, NULL) < 0)
		return fail(dir);
	(void)execv(command[0], command);
	return fail(command[0]);
}

/* The words of a #! line; the script's own name, which follows, is dropped. */
static int split_line(char *line, char **argv)
{
	int argc = 1;

	for (char *word = strtok(line, " "); word && argc < 4; word = strtok(NULL, " "))
		argv[argc++] = word;
	return argc;
}

int main(int argc, char **argv)
{
	int64_t at_ns = now_ns();
	char *words[5] = {argv[0]};

	if (argc >= 2 && strchr(argv[1], ' ')) {
		argc = split_line(argv[1], words);
		argv = words;
	}
	if (argc > 2 && strcmp(argv[1], "guard") == 0)
		return guard(argv + 2);
	if (argc == 4 && strcmp(argv[1], "up") == 0) {
		if (stamp(at_ns, argv[2], number(argv[3], SLOTS_MAX - 1)))
			return 1;
		for (;;)
			(void)pause();
	}
	if (argc == 4 && strcmp(argv[1], "done") == 0)
		return stamp(at_ns, argv[2], number(argv[3], SLOTS_MAX - 1));
	if (argc == 7 && strcmp(argv[1], "kill") == 0)
		return run_inside(argv[2], kill_services, argv + 3);
	if (argc == 4 && strcmp(argv[1], "orphans") == 0)
		return run_inside(argv[2], measure_orphans, argv + 3);
	(void)fprintf(stderr,
		"usage: benchsvc up|done BOARD SLOT | kill PID1 BOARD SLOTS KILLS GAP_US | "
		"orphans PID1 COUNT | guard COMMAND...\n");
	return 2;
}
