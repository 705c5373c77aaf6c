/* SPDX-License-Identifier: MIT
 *
 * runner_check.h - what the runner believes of a frame. The agent, which talks to the host and to containers, is taken for an
 * enemy here: numbers are in range, texts end, words are of the kind that keel-disk takes, paths do not climb, and are ones
 * that it has business with. Pure; fuzzed.
 */
#pragma once

#include "agent/runner_frame.h"

#define RUNNER_PRESSURES 3

/* A request that is in order; what its verb does not need is 0. */
struct runner_order {
	enum runner_verb verb;
	struct disk_request disk;
	struct runner_step_request step;
	bool tty;
	uint16_t rows, columns;
	char text[RUNNER_WORDS_MAX]; /* of the words */
	char *words[RUNNER_ARGS_MAX + 1];
	enum runner_file file;
	uint32_t number;
	char path[RUNNER_PATH_MAX];
	pid_t pid;
	int signal;
};

/* `fds`: how many descriptors came with it; `data`: where the data disk is mounted, NULL: nowhere. 0, or -EINVAL, -E2BIG. */
int runner_check(const struct runner_request *request, size_t fds, const char *data,
	struct runner_order *order) MUST_CHECK;
