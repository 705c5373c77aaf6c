/* SPDX-License-Identifier: MIT
 *
 * mount_table.h - what is mounted in our namespace: /proc/self/mountinfo (proc_pid_mountinfo(5)).
 */
#pragma once

#include "lib/base.h"

struct mount_entry {
	unsigned int major, minor;
	char root[256];   /* the mounted directory within the file system */
	char target[256]; /* the mount point */
	char type[32];
	char source[64];
	bool read_only; /* this mount, or the file system as a whole, or nothing can be written to it after an error */
};

/* Reads one line. Octal escapes are decoded; what is longer than its array is cut. 0 or -EINVAL. */
int mount_entry_parse(struct mount_entry *entry, const char *line) MUST_CHECK;

/* The last (topmost) mount on `target`. 0, -ENOENT, or -errno. */
int mount_table_find_target(const char *target, struct mount_entry *entry) MUST_CHECK;
/* Some mount of a block device. 0, -ENOENT, or -errno. */
int mount_table_find_device(unsigned int major, unsigned int minor,
	struct mount_entry *entry) MUST_CHECK;
