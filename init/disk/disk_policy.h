/* SPDX-License-Identifier: MIT
 *
 * disk_policy.h - what to do about the data disk, decided from facts alone: no I/O, no clock. The
 * facts come from disk_scan.h; disk_stage.c carries the decisions out.
 */
#pragma once

#include "lib/base.h"
#include "lib/control.h"

#define DISK_SIZE_MIN (UINT64_C(64) << 20) /* less than this is no place for containers */

/* Why a block device is not a candidate. Recorded for all, so that `keel-disk list` can tell. */
enum disk_exclusion {
	DISK_EXCLUSION_NONE,
	DISK_EXCLUSION_VIRTUAL,   /* ram, zram, or a loop device without our label */
	DISK_EXCLUSION_EMPTY,     /* no medium, size 0 */
	DISK_EXCLUSION_NOT_NAMED, /* the command line limits the choice to other devices */
	DISK_EXCLUSION_SMALL,     /* below DISK_SIZE_MIN */
	DISK_EXCLUSION_READ_ONLY,
	DISK_EXCLUSION_REMOVABLE,
	DISK_EXCLUSION_MOUNTED, /* detail: where */
	DISK_EXCLUSION_BUSY, /* swap, device mapper, or mounted in a namespace that we do not see */
};

/* What libblkid says about the content. */
enum disk_content {
	DISK_CONTENT_NOTHING,    /* no known signature; says nothing about being blank */
	DISK_CONTENT_DATA,       /* `type` is a file system, swap, LUKS, RAID member, ... */
	DISK_CONTENT_PARTITIONS, /* `type` is the kind of partition table */
	DISK_CONTENT_AMBIVALENT, /* more than one signature */
	DISK_CONTENT_UNREADABLE,
};

/* Only looked at when it matters: it reads much. */
enum disk_blank {
	DISK_BLANK_UNCHECKED,
	DISK_BLANK_ZERO, /* all that was read is zero: disk_blank.h says how much that is */
	DISK_BLANK_NOT_ZERO,
	DISK_BLANK_READ_ERROR, /* never counts as blank */
};

struct disk_facts {
	char device[32]; /* "/dev/sda" */
	uint64_t size_bytes;
	bool partition;
	bool at_mountpoint; /* mounted on the configured mount point */
	bool ext4_error;    /* the kernel or e2fsck left the error flag in the superblock */
	enum disk_exclusion exclusion;
	enum disk_content content;
	enum disk_blank blank;
	char exclusion_detail[64];
	char type[24];
	char label[24];
	char uuid[40];
};

struct disk_policy_input {
	const char *label;
	const char *uuid; /* "" = any */
	const char *mountpoint;
	const char *mounted_source; /* what is mounted there, "" = nothing */
	bool format_blank;          /* configuration allows formatting */
	bool settled;               /* no block device came or went for a while */
	bool deadline_passed;
	const struct disk_facts *disks;
	size_t count;
};

enum disk_action {
	DISK_ACTION_WAIT,
	DISK_ACTION_KEEP, /* is mounted where it belongs already */
	DISK_ACTION_MOUNT,
	DISK_ACTION_CHECK_AND_MOUNT, /* e2fsck -p first */
	DISK_ACTION_CHECK_BLANK,     /* find out `blank` of disks[index], then decide again */
	DISK_ACTION_FORMAT,
	DISK_ACTION_REFUSE, /* wait on: what changes may help */
};

#define DISK_INDEX_NONE SIZE_MAX

struct disk_decision {
	enum disk_action action;
	size_t index; /* of the disk in question, DISK_INDEX_NONE if there is no single one */
	char reason[CONTROL_REASON_MAX]; /* one sentence; for WAIT and REFUSE with the way out */
};

/* Rules, first match wins:
 * 1. Something is mounted on the mount point: our disk is kept, anything else refused.
 * 2. Two devices with our identity (label, and UUID if pinned): refused, whatever else is known of
 * them.
 * 3. One: mounted if it is an unused ext4 (checked before if it carries the error flag), else
 * refused.
 * 4. None: waited for; after the deadline refused. Only if the configuration says so, no UUID is
 *    pinned, and there is exactly one unused device, a whole disk on which libblkid knows nothing,
 * and it is proven blank, it is formatted. */
void disk_policy_decide(const struct disk_policy_input *input, struct disk_decision *decision);

/* Whether the file system may be mounted after `e2fsck -p` ended with this exit status (e2fsck(8):
 * 0 clean, 1 corrected, 2 reboot needed, 4 left uncorrected, 8 and up operational). */
bool disk_policy_check_passed(int exit_status);

/* The error flag (s_state & 2) of an ext4 superblock, the 1024 bytes at offset 1024 of the device
 * (Documentation/filesystems/ext4/super.rst). False for anything that is no ext superblock. */
bool disk_policy_superblock_error(const unsigned char superblock[1024]);

/* "read-only", "mounted", ... */
const char *disk_exclusion_name(enum disk_exclusion exclusion);
