/* SPDX-License-Identifier: MIT
 *
 * runner_frame.h - what goes between the agent and its runner: a request of one size, an answer of one size, both with at
 * most RUNNER_FDS descriptors (SCM_RIGHTS). Both ends are the same build: no versions. Users: runner.c, runner_serve.c.
 */
#pragma once

#include "agent/runner.h"

#define RUNNER_FDS        3
#define RUNNER_ANSWER_FDS 2 /* at most: a child's own and a terminal's */

enum runner_verb {
	RUNNER_DISK,
	RUNNER_STEP,
	RUNNER_SESSION,
	RUNNER_WAIT,
	RUNNER_SIGNAL,
	RUNNER_ABANDON,
	RUNNER_OPEN,
	RUNNER_LOOK,
	RUNNER_VERBS
};

/* Every byte is the agent's: an enum or a bool is read only after it was checked, so they are plain numbers here. */
struct runner_request {
	uint32_t verb;
	uint32_t kind; /* DISK: enum disk_verb; STEP: enum runner_step; OPEN: enum runner_file */
	uint32_t flag, flag2;
	uint32_t number; /* OPEN; WAIT, SIGNAL, ABANDON: the pid */
	uint32_t signal;
	uint16_t rows, columns;
	uint32_t words_len;
	uint64_t bytes;
	char path[RUNNER_PATH_MAX];   /* STEP, OPEN, LOOK; DISK: the device */
	char uuid[DISK_UUID_MAX];     /* DISK */
	char words[RUNNER_WORDS_MAX]; /* SESSION */
};

struct runner_answer {
	int32_t rc, pid, status;
	uint64_t cpu_us;
	struct runner_look look;
};

/* One frame with `count` descriptors, and one that comes: *count is what came, which are the caller's; more than fit, a frame of
 * another size or none (-EPIPE) are errors. 0 or -errno. */
int runner_frame_send(int fd, const void *frame, size_t size, const int *fds,
	size_t count) MUST_CHECK;
int runner_frame_receive(int fd, void *frame, size_t size, int fds[RUNNER_FDS],
	size_t *count) MUST_CHECK;

/* The runner's side: checks a request and does it. The descriptors of the request stay the caller's; those of the answer are. */
void runner_serve(const struct runner_request *request, const int *fds, size_t count,
	struct runner_answer *answer, int answer_fds[RUNNER_FDS], size_t *answer_count);
/* Until the agent ends. */
_Noreturn void runner_serve_loop(int fd);
