/* SPDX-License-Identifier: MIT
 *
 * spawn.h - one new process, as a fresh process expects to be: own session, default signals, only
 * its own descriptors, in its cgroup from its first instruction.
 *
 * spawn_start() does not wait for the exec: the result arrives on `exec_fd`, so that a slow disk or a
 * terminal never holds PID 1 up.
 */
#pragma once

#include "init/environment.h"

struct spawn {
	/* Runs in the new process, last before the exec: fills its environment and its words. 0 or -errno. */
	int (*prepare)(void *ctx, struct environment *environment);
	void *ctx;
	const char *cwd;      /* NULL: "/"; with "-" before it, it may be missing */
	const char *tty_path; /* becomes controlling terminal and fds 0-2; NULL: /dev/null in */
	unsigned int umask;
	int cgroup_fd;      /* O_PATH or O_RDONLY directory, or -1: stay in our group */
	bool cgroup_killed; /* cgroup.kill was written there before: see spawn.c */
	int output_fd;      /* becomes fds 1 and 2; -1: /dev/null */
	int pass_fd;        /* becomes SPAWN_PASS_FD; -1: none */
	int oom_score_adj;
	const struct unit_limit *limits;
	unsigned int limit_count;
};

/* A stage helper's report socket (STAGE_REPORT_FD), or the socket that a service is handed (sd_listen_fds(3)). */
#define SPAWN_PASS_FD STAGE_REPORT_FD

struct spawned {
	pid_t pid;
	int pidfd; /* -1: the kernel gave none (before 5.3, seccomp, no descriptor left) */
	int exec_fd; /* becomes readable: end of file means the program runs, an `int` is the errno of what failed
			before or at execve(2) */
};

/* 0 or -errno (no process was made). The descriptors are the caller's. */
int spawn_start(const struct spawn *spawn, struct spawned *spawned) MUST_CHECK;

/* Signals a child that was not reaped yet: by pidfd if there is one. 0 or -errno. */
int spawn_signal(pid_t pid, int pidfd, int signal);

/* Every signal, by number, back to its default: WSL hands PID 1 over with nearly all of them ignored, and
 * an ignored signal stays ignored across execve(2). Async-signal-safe. */
void spawn_default_signals(void);
