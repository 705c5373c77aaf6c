/* SPDX-License-Identifier: MIT
 *
 * memory_watch.h - the events that memory is looked at for: a control group below containers came or went (inotify on the
 * directories), the last process of all containers ended (cgroup.events), somebody waits for memory (a PSI trigger, only
 * while an episode is under way), memory was added or removed (uevents of the subsystem "memory").
 */
#pragma once

#include "agent/memory/memory_gather.h"
#include "lib/base.h"
#include "lib/loop.h"

enum memory_watch_event { MEMORY_WATCH_ENDED, MEMORY_WATCH_STALL, MEMORY_WATCH_SIZE };

typedef void memory_watch_fn(void *ctx, enum memory_watch_event event);

struct memory_watch {
	struct loop *loop;
	const struct memory_paths *paths;
	struct loop_source groups, stall[2], size; /* stall: containers, engine */
	memory_watch_fn *fn;
	void *ctx;
	/* More as it needs. */
};

void memory_watch_init(struct memory_watch *watch, struct loop *loop,
	const struct memory_paths *paths, memory_watch_fn *fn, void *ctx);
/* What cannot be watched is logged once, and done without. */
void memory_watch_start(struct memory_watch *watch);
void memory_watch_arm_stall(struct memory_watch *watch, bool armed);
void memory_watch_stop(struct memory_watch *watch);
