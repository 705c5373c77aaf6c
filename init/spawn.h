/* SPDX-License-Identifier: MIT
 *
 * spawn.h - one new process, as a fresh process expects to be: own session, default signals, only
 * its own descriptors, in its cgroup from its first instruction.
 *
 * spawn_start() does not wait for the exec: the result arrives on `exec_fd`, so that a slow disk or a
 * terminal never holds PID 1 up.
 */
#pragma once

#include "init/unit.h"

struct spawn {
	char *const *argv;        /* NULL-terminated; [0] is an absolute path */
	char *const *environment; /* NULL-terminated */
	const char *cwd;          /* NULL: "/" */
	const char *tty_path;     /* becomes controlling terminal and fds 0-2; NULL: /dev/null in */
	int cgroup_fd;            /* O_PATH or O_RDONLY directory, or -1: stay in our group */
	bool cgroup_killed;       /* cgroup.kill was written there before: see spawn.c */
	int output_fd;            /* becomes fds 1 and 2; -1: /dev/null */
	int report_fd;            /* becomes STAGE_REPORT_FD; -1: none */
	int oom_score_adj;
	const struct unit_limit *limits;
	unsigned int limit_count;
};

/* Returns the pid or -errno (no process was made). *exec_fd becomes readable: end of file means the
 * program runs, an `int` is the errno of what failed before or at execve(2). The caller closes it. */
pid_t spawn_start(const struct spawn *spawn, int *exec_fd) MUST_CHECK;

/* Every signal, by number, back to its default: WSL hands PID 1 over with nearly all of them ignored, and
 * an ignored signal stays ignored across execve(2). Async-signal-safe. */
void spawn_default_signals(void);
