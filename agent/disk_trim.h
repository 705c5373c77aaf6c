/* SPDX-License-Identifier: MIT
 *
 * disk_trim.h - gathers what trim_policy.h decides by, and keeps count of trims. The job itself is disk.c's.
 */
#pragma once

#include "agent/common/facts.h"
#include "agent/common/job_line.h"
#include "agent/common/trim_policy.h"
#include "agent/disk_watch.h"
#include "lib/base.h"

struct disk_trim {
	bool enabled;
	struct facts *facts;
	bool possible, trimmed;
	unsigned int failures;
	uint64_t begun_us;        /* the last trim, or the mount */
	uint64_t peak;            /* the most that was used since */
	uint64_t freed, freed_us; /* less than the peak, and when that last grew */
	uint64_t written_kb;      /* ext4's lifetime count then */
};

void disk_trim_init(struct disk_trim *trim, bool enabled, struct facts *facts);
/* A disk was mounted. */
void disk_trim_start(struct disk_trim *trim, const struct disk_watch *watch);
/* After each sample of the space: true if a trim is to begin now; else why not is in the facts, and *again_us as
 * trim_policy. */
bool disk_trim_is_due(struct disk_trim *trim, const struct disk_watch *watch, bool job,
	uint64_t *again_us);
/* Any trim has begun or ended, whoever wanted it. */
void disk_trim_begin(struct disk_trim *trim, const struct disk_watch *watch);
void disk_trim_end(struct disk_trim *trim, const struct job_line *line);
