/* SPDX-License-Identifier: MIT
 *
 * disk_space.h - how full the data disk is: statfs(2) as often as space_policy.h says. Calm, it wakes nobody: it looks
 * when the agent is awake anyway (disk_tick), and by itself only if that does not come. After a look that failed nothing
 * is known until one that works.
 */
#pragma once

#include "agent/common/disk_facts.h"
#include "lib/base.h"
#include "lib/loop.h"

/* It was looked; `word`: the forecast is another one, or whether it is known. */
typedef void disk_space_fn(void *ctx, bool word);

struct disk_space {
	struct loop *loop;
	struct space_policy policy;
	struct disk_seen *seen;
	disk_space_fn *fn;
	void *ctx;
	struct space_state state;
	struct loop_timer timer;
	const char *mountpoint; /* NULL: nothing is mounted */
	uint64_t device;        /* st_dev of the disk: another's room is not its own */
};

void disk_space_init(struct disk_space *space, struct loop *loop, const struct space_policy *policy,
	struct disk_seen *seen, disk_space_fn *fn, void *ctx);
/* `mountpoint` must stay valid until disk_space_stop. Takes the first sample. */
void disk_space_start(struct disk_space *space, const char *mountpoint, uint64_t device);
/* Takes a sample now: something happened. */
void disk_space_look(struct disk_space *space);
/* Takes one if the last one is as old as that. */
void disk_space_refresh(struct disk_space *space, uint64_t age_us);
/* From here on nothing is known. */
void disk_space_stop(struct disk_space *space);
