/* SPDX-License-Identifier: MIT
 *
 * disk_watch.h - the mounted data disk, watched by events: the kernel's notices of block devices (it grew, it went
 * away), its table of mounts (somebody unmounted it), its notices of errors in the file system (fanotify, FAN_FS_ERROR), its log (/dev/kmsg). No polling.
 * (ext4 does notify pollers of /sys/fs/ext4/NAME/errors_count, but not when it becomes read-only by the error.)
 *
 * What cannot be watched (no sysfs, no log) is told once and left out: the other sources remain.
 */
#pragma once

#include <sys/types.h>

#include "agent/common/disk_facts.h"
#include "agent/kmsg_reader.h"
#include "lib/base.h"
#include "lib/loop.h"

/* The facts have changed. */
typedef void disk_watch_fn(void *ctx);

struct disk_watch {
	struct loop *loop;
	struct disk_seen *seen;
	disk_watch_fn *fn;
	void *ctx;
	char mountpoint[64];
	dev_t device;  /* 0: unmounted before the watch began */
	char disk[32]; /* the whole device, of which seen->kernel may be a partition */
	struct loop_source uevents, errors, mounts;
	struct kmsg_reader kmsg;
	bool told; /* the kernel's log has changed a fact, which was not passed on yet */
	struct loop_timer again; /* an error is told before it is counted */
	unsigned int looks;
	/* The kernel's log says so. Linux 6.12 to 6.14 refuse writes after an error and show it nowhere else. */
	bool told_read_only;
};

void disk_watch_init(struct disk_watch *watch, struct loop *loop, struct disk_seen *seen,
	disk_watch_fn *fn, void *ctx);
/* Begins with what is there now; `seen` is filled in. 0 or -errno; -ENXIO: what is mounted is a device that is gone;
 * -ENOMEDIUM: nothing is mounted, which `seen` tells; once it is, `fn` is called, and the watch is to be started anew. */
int disk_watch_start(struct disk_watch *watch, const char *mountpoint) MUST_CHECK;
void disk_watch_stop(struct disk_watch *watch);

/* A number of /sys/fs/ext4/NAME, 0 if it is not there. */
uint64_t disk_watch_ext4_number(const struct disk_watch *watch, const char *name);
/* Does the device take discards? */
bool disk_watch_takes_discards(const struct disk_watch *watch);

/* The kernel's log, disk_kmsg.c: used by disk_watch.c only. 0 or -errno. */
int disk_kmsg_start(struct disk_watch *watch) MUST_CHECK;
void disk_kmsg_stop(struct disk_watch *watch);
/* Something is said to be wrong: looks at ext4's count and at the mount's options, now and for some seconds. */
void disk_watch_look_at_errors(struct disk_watch *watch);
