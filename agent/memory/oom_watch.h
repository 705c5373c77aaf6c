/* SPDX-License-Identifier: MIT
 *
 * oom_watch.h - who was killed for want of memory: from the kernel's log, with the container's name as dockerd knows it
 * at that time. The log is read from its beginning, so that the agent's restart forgets nothing of this boot.
 */
#pragma once

#include "agent/common/memory_facts.h"
#include "agent/kmsg_reader.h"
#include "agent/memory/container_name.h"
#include "lib/base.h"
#include "lib/loop.h"

/* There is a kill more, or the name of one is known now. */
typedef void oom_watch_fn(void *ctx);

struct oom_watch {
	struct loop *loop;
	struct memory_seen *seen; /* oom_kills, oom_kept and oom_kill[] are ours to fill in */
	const char *base;         /* as the kernel says it, "" for the root; stays the caller's */
	struct kmsg_reader kmsg;
	struct container_name question;
	uint64_t asked; /* so many of the kills have had their name asked for */
	bool fresh;     /* changed since it was last told */
	bool caught_up; /* what comes now is new: worth a line in our own log */
	oom_watch_fn *fn;
	void *ctx;
};

void oom_watch_init(struct oom_watch *watch, struct loop *loop, const char *base,
	const struct address *dockerd, struct memory_seen *seen, oom_watch_fn *fn, void *ctx);
/* Without the kernel's log (a namespace) it is logged, and nothing is ever told. */
void oom_watch_start(struct oom_watch *watch);
void oom_watch_stop(struct oom_watch *watch);

/* Of oom_watch_start, for tests: one record of the log, NULL after the last one for now. */
void oom_watch_take(struct oom_watch *watch, const char *record, size_t len);
