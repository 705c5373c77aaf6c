/* SPDX-License-Identifier: MIT
 *
 * unmount.h - how swap and file systems go away at the end.
 *
 * All of it blocks, some of it for ever when a device or a file server is dead. So it is for a child of PID 1
 * (shutdown.c), which says in shared memory what it is at: when that hangs, PID 1 starts another child that leaves
 * the stuck one out.
 */
#pragma once

#include "lib/control.h"

/* How many stuck steps are worth another attempt at the rest. */
#define UNMOUNT_STUCK_MAX 16

/* The child writes, PID 1 reads; torn texts end by their last byte, which stays 0. */
struct unmount_progress {
	volatile uint32_t steps; /* grows with every step */
	volatile uint32_t
		key;     /* of the step that is being done: a mount's ID, or one of unmount.c's */
	char device[24]; /* "major:minor" of the disk that it may have to write to, or "" */
	char what[112];  /* for people */
};

struct unmount_plan {
	enum boot_mode mode;
	const char *data; /* mount point of the data disk */
	uint32_t stuck[UNMOUNT_STUCK_MAX];
	unsigned int stuck_count;
	struct unmount_progress *progress;     /* or NULL */
	char data_device[24], root_device[24]; /* unmount_all()'s own */
};

/* Page that parent and child share, or NULL without memory. Before the loop. */
struct unmount_progress *unmount_share(void);

/* Swap off, everything of ours unmounted in passes until no progress, loop devices on the data disk detached, what
 * stays busy remounted read-only, all written out. Ours is, in VM mode, everything but the API file systems, /run
 * and `/` (which becomes read-only), under WSL what is below the data disk's and the engine's directories. Returns
 * how many file systems could be neither unmounted nor made read-only. Allocates, blocks. */
unsigned int unmount_all(struct unmount_plan *plan);

/* Pure, for tests. Is this mount point to be taken away? */
bool unmount_is_ours(enum boot_mode mode, const char *data, const char *point);

struct unmount_entry {
	uint32_t id;
	char device[24]; /* "major:minor" */
	char point[4096];
};

/* Pure: one line of mountinfo (proc(5)), ended by "\n" or NUL, into `entry`, escapes undone. False if it is none, or its
 * mount point is longer than any path. */
bool unmount_parse_line(const char *line, struct unmount_entry *entry);
