/* SPDX-License-Identifier: MIT
 *
 * memory_watch.h - the events that memory is looked at for: a control group below containers went away (inotify on the
 * directories), the last process of all containers ended (cgroup.events), somebody waits for memory (a PSI trigger, only
 * while an episode is under way), memory was added or removed (uevents of the subsystem "memory"). No polling.
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
	uint64_t stall_us; /* waited for memory in a second: as much is told */
	memory_watch_fn *fn;
	void *ctx;
	struct loop_source groups, size, stall[2]; /* stall: containers, engine */
	int containers,
		events; /* inotify's marks: the directory, its cgroup.events; < 0: not watched */
	bool complained;
};

void memory_watch_init(struct memory_watch *watch, struct loop *loop,
	const struct memory_paths *paths, uint64_t stall_us, memory_watch_fn *fn, void *ctx);
/* Watches what is not watched yet. What cannot be watched is logged once, and done without until the next call. */
void memory_watch_start(struct memory_watch *watch);
void memory_watch_arm_stall(struct memory_watch *watch, bool armed);
void memory_watch_stop(struct memory_watch *watch);
