/* SPDX-License-Identifier: MIT
 *
 * disk_pick.h - which disk a verb is about.
 */
#pragma once

#include "init/disk/job.h"

/* The device that the command line names, after a look at it alone. NULL: told, the exit status is in `status`. */
const struct disk_facts *disk_pick_named(struct job *job, int *status) MUST_CHECK;

/* The data disk: the named device, or the one that is mounted where it belongs, or the only one with our identity, from whatever
 * superblock is left. With --uuid it must have that. NULL: told. */
const struct disk_facts *disk_pick_data(struct job *job, int *status) MUST_CHECK;

/* The mounted data disk. NULL: told. */
const struct disk_facts *disk_pick_mounted(struct job *job, int *status) MUST_CHECK;

/* The UUID of a file system, of its backup superblock if the first is gone, or "". */
const char *disk_pick_uuid(const struct disk_facts *disk);
