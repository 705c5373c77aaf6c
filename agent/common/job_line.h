/* SPDX-License-Identifier: MIT
 *
 * job_line.h - one line of what keel-disk says with --json (keel-disk(8)). Pure; fuzzed. Used by the agent, which runs
 * it, and by keelctl, which gets the same lines from the agent.
 */
#pragma once

#include "lib/base.h"

#define JOB_LINE_MAX (64 * 1024) /* without the newline */

enum job_line_kind {
	JOB_LINE_PROGRESS, /* any number */
	JOB_LINE_RESULT,   /* one of these two is the last line */
	JOB_LINE_ERROR,
};

struct job_line {
	enum job_line_kind kind;
	/* PROGRESS */
	char step[32];
	double percent; /* 0..100, < 0: not known */
	/* RESULT: the object, and what of it the agent wants to know; 0 and false where it is not said */
	const char *object; /* JSON on one line; valid until the next job_line_parse */
	size_t object_len;
	uint64_t trimmed_bytes, new_bytes;
	bool stopped; /* before it was through */
	/* ERROR: clean UTF-8 */
	char code[32];
	char message[512];
};

/* 0, or -EPROTO for anything that is no such line. */
int job_line_parse(const char *text, size_t len, struct job_line *line) MUST_CHECK;
