/* SPDX-License-Identifier: MIT
 *
 * data_disk.h - what is done to the chosen disk: check, mount, grow, bind. All of it blocks; a reason is one sentence for
 * the report. Making the file system is disk_format.h's, the marker marker_write.h's.
 */
#pragma once

#include "init/disk/disk_policy.h"

typedef void data_disk_progress_fn(void *ctx, unsigned int permille);

/* A whole e2fsck -p. `status` gets what command_run() answered. Killed on the way the check is to be done again: the
 * error flag that led to it is cleared at its end only. */
enum disk_check data_disk_check(const char *device, data_disk_progress_fn *progress, void *ctx,
	int *status) MUST_CHECK;

/* Mounts the device; the kernel replays the journal. `rescue`: read-only, and without replaying, so that not one byte of the
 * device changes. 0 or -errno. */
int data_disk_mount(const char *device, const char *mountpoint, bool rescue) MUST_CHECK;

/* Enlarges the mounted file system to the size of its device. The kernel does it in journaled steps: after a power cut it has
 * the old size, the new one, or one between, and growth goes on from there. 0 or -errno. */
int data_disk_grow(const char *mountpoint, uint64_t device_bytes) MUST_CHECK;

/* Makes MOUNTPOINT/docker and MOUNTPOINT/containerd and binds them to /var/lib/docker and
 * /var/lib/containerd. What is bound already is verified and left. 0 or -errno. */
int data_disk_bind(const char *mountpoint, char *reason, size_t reason_size) MUST_CHECK;

/* The three directories, which were made immutable before something was mounted on them, can be written again: data is on
 * the root file system from now on. */
void data_disk_unguard(const char *mountpoint);
