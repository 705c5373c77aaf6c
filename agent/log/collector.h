/* SPDX-License-Identifier: MIT
 *
 * collector.h - one service's log: from its spool, line by line, within its budget, into its store.
 *
 * No lines are kept in memory: what has no newline yet stays in the spool.
 */
#pragma once

#include "agent/log/budget.h"
#include "agent/log/spool.h"
#include "agent/log/store.h"
#include "lib/base.h"
#include "lib/loop.h"

/* How long a line may be without its end before it is stored as it is (a prompt, a progress bar). */
#define COLLECTOR_PARTIAL_US (1 * USEC_PER_SEC)
/* More than this in the spool when the budget is spent, and it is dropped unread. */
#define COLLECTOR_BEHIND (2 * 1024 * 1024)

typedef void collector_wake_fn(void *ctx);

struct collector {
	char name[LOG_NAME_MAX]; /* "": free */
	struct spool spool;
	struct store store;
	struct budget budget;
	struct loop *loop;
	struct loop_timer partial, note; /* a line without end; drops to be told */
	uint64_t partial_at;             /* the position that `partial` is about */
	bool waiting;                    /* there is something to do: a pass is wanted */
	bool ended;                      /* what has no newline is a line */
	collector_wake_fn *wake;         /* a timer has set `waiting` */
	void *ctx;
};

/* 0 or -errno (the spool cannot be opened). */
int collector_open(struct collector *collector, struct loop *loop, int spool_dir, int log_dir,
	const char *name, collector_wake_fn *wake, void *ctx) MUST_CHECK;
void collector_close(struct collector *collector);

/* Takes a bounded amount. `waiting` says whether there is more. */
void collector_pass(struct collector *collector);
/* Tells now what was dropped (before the end). */
void collector_note(struct collector *collector);
