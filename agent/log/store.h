/* SPDX-License-Identifier: MIT
 *
 * store.h - the stored log of one service: NAME.log, rotated to NAME.log.1, and how far the spool was taken.
 *
 * Appending and remembering are two steps, and keel-log may be killed between any two instructions. What was
 * appended after the last store_commit is cut off again at the next start, and the spool still has it: a
 * line is stored once, whatever happens.
 */
#pragma once

#include "agent/common/log_line.h"
#include "lib/base.h"

#define STORE_FILE_MAX ((uint64_t)512 * 1024) /* of each of the two files */

/* The content of .NAME.state. */
struct store_state {
	uint64_t magic;
	uint64_t spool_ino, position; /* taken up to there */
	uint64_t log_ino, log_size;   /* store.c's */
	uint64_t boot_us;             /* of the last line: times never go back */
	/* What was dropped and not yet told in the log: */
	uint64_t dropped_lines;
	uint64_t dropped_bytes;
	uint64_t unread_bytes;     /* of these: dropped without counting lines */
	uint64_t dropped_since_us; /* wall clock, 0: nothing */
	uint64_t no_room;          /* 1: some of it because the store had no room */
	uint64_t in_line;          /* 1: what comes next is the rest of a dropped line */
};

struct store {
	int dir_fd; /* not owned */
	int fd, state_fd;
	char name[LOG_NAME_MAX];
	struct store_state state; /* becomes true with store_commit */
};

/* Pure: must the file be rotated before `len` more bytes? */
bool store_must_rotate(uint64_t size, size_t len);

/* Opens or makes the files in the directory. `state` is zeroes if nothing is remembered. What cannot be opened is
 * tried again with each append. */
void store_open(struct store *store, int dir_fd, const char *name);
void store_close(struct store *store);
/* Appends whole lines, at most STORE_FILE_MAX bytes. All of it or -errno and nothing (-ENOSPC: there is no room, even
 * without the old file). */
int store_append(struct store *store, const char *data, size_t len) MUST_CHECK;
/* Makes the state, and what was appended, count. */
void store_commit(struct store *store);
