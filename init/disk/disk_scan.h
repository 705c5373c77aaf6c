/* SPDX-License-Identifier: MIT
 *
 * disk_scan.h - the facts about every block device, as the policy wants them.
 */
#pragma once

#include "init/disk/disk_policy.h"

#define DISK_SCAN_MAX \
	128 /* devices; more are logged and left out, and then nothing is formatted \
	     */
#define DISK_ONLY_MAX 8

struct disk_scan_options {
	const char *label;
	const char *uuid; /* pinned, "" = not */
	const char *mountpoint;
	/* Not empty: only these devices ("/dev/loop3") are candidates, and loop devices among them
	 * count as disks. */
	size_t only_count;
	const char *only[DISK_ONLY_MAX];
};

struct disk_scan {
	size_t count;
	bool overflow;           /* there were more than DISK_SCAN_MAX */
	char mounted_source[64]; /* what is mounted on the mount point, "" = nothing */
	struct disk_facts disks[DISK_SCAN_MAX];
};

/* Reads /sys/class/block, /proc/self/mountinfo, the signatures on every device that has a medium, and the marker of those that
 * may be ours. `blank` is left unchecked. 0, or -errno if /sys/class/block cannot be read. */
int disk_scan_run(const struct disk_scan_options *options, struct disk_scan *scan) MUST_CHECK;
