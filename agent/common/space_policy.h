/* SPDX-License-Identifier: MIT
 *
 * space_policy.h - how full is the data disk, how soon will it be, and when to look again. Pure: samples
 * in, verdict out; the caller keeps the state.
 *
 * The word is `critical` or `low` when the share of free bytes or free inodes is below the threshold of that
 * name, and `low` also when less than a quarter is free and, at the pace of the last minutes, gone within an hour. It gets better
 * only when there is clearly more than the threshold: a disk at its edge does not flap.
 */
#pragma once

#include "lib/base.h"

enum space_word { SPACE_OK, SPACE_LOW, SPACE_CRITICAL };

struct space_policy {
	unsigned int low_percent, critical_percent; /* 0..100; 0: never */
	uint64_t calm_us;                           /* how long to sleep when nothing happens */
};

/* What statfs(2) says. */
struct space_sample {
	uint64_t at_us;             /* CLOCK_BOOTTIME */
	uint64_t total, used, free; /* bytes; free: for everybody, without what is reserved */
	uint64_t inodes, inodes_free;
};

struct space_verdict {
	enum space_word word;
	bool full_known;
	uint64_t full_in_s; /* at the present pace; only if full_known */
	uint64_t next_us;   /* when to look again at the latest */
};

struct space_state {
	bool begun;
	struct space_sample last;
	double pace; /* bytes a second by which `free` shrinks, over the last minutes */
	enum space_word word;
};

/* Zeroed state: nothing known yet. A sample of another size (grown, another disk) begins anew, keeping the word. */
void space_policy(const struct space_policy *policy, struct space_state *state,
	const struct space_sample *sample, struct space_verdict *verdict);
const char *space_word_name(enum space_word word);
