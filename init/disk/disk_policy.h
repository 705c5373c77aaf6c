/* SPDX-License-Identifier: MIT
 *
 * disk_policy.h - what to do about the data disk, decided from facts alone: no I/O, no clock. The
 * facts come from disk_scan.h; disk_stage.c carries the decisions out and comes back with what came of it.
 */
#pragma once

#include "init/disk/marker.h"
#include "init/disk/superblock.h"
#include "lib/base.h"
#include "lib/control.h"

#define DISK_SIZE_MIN (UINT64_C(64) << 20) /* less than this is no place for containers */
#define DISK_SIZE_MAX (UINT64_C(64) << 40) /* the largest VHDX ([MS-VHDX] 2.6.2.1) */
#define DISK_GROW_MIN (UINT64_C(16) << 20) /* a device larger by less than that is not grown into */

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
	DISK_BLANK_ZERO, /* all that was read is zero: disk_probe.h says how much that is */
	DISK_BLANK_NOT_ZERO,
	DISK_BLANK_READ_ERROR, /* never counts as blank */
};

/* /.keel-disk of an ext4, read without mounting. */
enum disk_marker {
	DISK_MARKER_UNCHECKED, /* not an ext4 that could be ours */
	DISK_MARKER_NONE,
	DISK_MARKER_VALID,
	DISK_MARKER_NEWER, /* a later schema */
	DISK_MARKER_BAD,   /* there, but no marker; or of another UUID; or it cannot be read */
};

/* What this run found out by doing; forgotten when somebody else writes to the device. */
enum disk_check {
	DISK_CHECK_NONE,
	DISK_CHECK_PASSED,
	DISK_CHECK_NEEDS_DECISION, /* e2fsck -p left errors */
	DISK_CHECK_CANNOT_RUN,     /* not started, killed, or an operational error */
};

struct disk_facts {
	char device[32]; /* "/dev/sda" */
	uint64_t size_bytes;
	uint32_t logical_block_size;
	bool partition;
	bool at_mountpoint; /* mounted on the configured mount point */
	bool mounted_read_only; /* there, read-only (rescue, or remounted by the kernel after an error) */
	/* A format of ours began here and did not end: proven blank then (format_intent.h). Also set beside a whole file
	 * system of ours; then the record is to be zeroed before that is mounted. */
	bool format_intent;
	enum disk_exclusion exclusion;
	enum disk_content content;
	enum disk_blank blank;
	enum disk_marker marker;
	struct superblock superblock; /* .valid only where an ext superblock is (superblock.h) */
	struct superblock backup; /* .valid if libblkid knows nothing and only this one is usable */
	struct marker marker_content; /* VALID and NEWER */
	enum disk_check check;
	int check_status; /* exit status of e2fsck, of NEEDS_DECISION and CANNOT_RUN */
	int mount_error;  /* errno of the last attempt to mount since the last check, 0: none */
	int grow_error;   /* the same of growing */
	char exclusion_detail[64];
	char type[24];
	char label[24];
	char uuid[40];
};

struct disk_policy_input {
	const char *label; /* never "" */
	const char *uuid;  /* pinned, "" = not */
	const char *mountpoint;
	const char *mounted_source; /* what is mounted there, "" = nothing */
	bool format_blank;          /* configuration allows formatting */
	bool rescue_read_only;      /* disk.damaged=read-only */
	bool settled;               /* no block device came or went for a while */
	bool deadline_passed;
	const struct disk_facts *disks;
	size_t count;
};

enum disk_action {
	DISK_ACTION_WAIT,
	DISK_ACTION_KEEP, /* is mounted where it belongs already, and as large as its device */
	DISK_ACTION_GROW, /* mounted where it belongs; the device is larger than the file system */
	DISK_ACTION_MOUNT,
	DISK_ACTION_REPLAY_AND_MOUNT, /* the journal is dirty: the kernel replays it while mounting */
	DISK_ACTION_CHECK_AND_MOUNT, /* e2fsck -p first */
	DISK_ACTION_CHECK_BLANK,     /* find out `blank` of disks[index], then decide again */
	DISK_ACTION_FORMAT,
	DISK_ACTION_RESCUE, /* mount read-only, do not start the engine */
	DISK_ACTION_REFUSE, /* wait on: what changes may help */
};

#define DISK_INDEX_NONE SIZE_MAX

struct disk_decision {
	enum disk_action action;
	enum disk_situation situation;
	size_t index; /* of the disk in question, DISK_INDEX_NONE if there is no single one */
	char reason[CONTROL_REASON_MAX]; /* one sentence; for WAIT and REFUSE with the way out */
};

/* Rules, the first match wins:
 * 1. Something is mounted on the mount point: our disk is kept (and grown), anything else refused.
 * 2. Two disks claim to be ours (disk_judge.h): refused, whatever else is known of them.
 * 3. One does: the list in disk_judge_found() says what is done with it.
 * 4. None does: waited for; after the deadline refused. Only if the configuration says so, no UUID is pinned, there
 *    is exactly one unused device and no unreadable one, it is a whole disk on which libblkid knows nothing and no
 *    backup superblock is found, and it is proven blank, it is formatted. */
void disk_policy_decide(const struct disk_policy_input *input, struct disk_decision *decision);

/* "mount", "replay+mount", "check+mount", "grow", "format", "wait", "refuse", ... */
const char *disk_action_name(enum disk_action action);
/* "read-only", "mounted", ... */
const char *disk_exclusion_name(enum disk_exclusion exclusion);
