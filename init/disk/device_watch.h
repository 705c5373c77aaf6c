/* SPDX-License-Identifier: MIT
 *
 * device_watch.h - notices that somebody wrote to a block device: inotify(7) on device nodes.
 *
 * A repair, an mke2fs or a dd by hand makes no uevent. It opens the node for writing and closes it again, and that close
 * is the event. Reading, as every probe does, is none; neither is mounting. Writes by another name of the device (a node
 * made elsewhere with mknod(1)) are not seen.
 */
#pragma once

#include "init/disk/disk_scan.h"

struct device_watch {
	int fd;
	size_t count;
	struct {
		int wd;
		char device[32];
	} watched[DISK_SCAN_MAX];
};

/* Sets watch->fd (non-blocking, the caller's to close). 0 or -errno. */
int device_watch_open(struct device_watch *watch) MUST_CHECK;

/* Watches exactly those devices of the scan that could become ours by being written to: unused or busy ones, and what is there
 * but was refused. True if one is watched now that was not before: look at the devices once more, what was written between
 * the look and the watch made no event. */
bool device_watch_set(struct device_watch *watch, const struct disk_scan *scan) MUST_CHECK;

/* Reads all that is queued; `written` is called for each device that was written to. Returns true if there was one. */
bool device_watch_drain(struct device_watch *watch, void (*written)(void *ctx, const char *device),
	void *ctx);
