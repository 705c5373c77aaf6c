/* SPDX-License-Identifier: MIT
 *
 * data_disk.h - what is done to the chosen disk: format, check, mount, bind. All of it blocks; a
 * reason is one sentence for the report and names the way out.
 */
#pragma once

#include "lib/base.h"

/* Makes an ext4 of that label. The caller has proven that the device is blank. 0 or -errno. */
int data_disk_format(const char *device, const char *label, char *reason,
	size_t reason_size) MUST_CHECK;

/* e2fsck -p. 0 if the file system may be mounted, else -errno. */
int data_disk_check(const char *device, char *reason, size_t reason_size) MUST_CHECK;

/* Mounts the device, after e2fsck -p if `check` or if the first attempt fails. 0 or -errno. */
int data_disk_mount(const char *device, const char *mountpoint, bool check, char *reason,
	size_t reason_size) MUST_CHECK;

/* Makes MOUNTPOINT/docker and MOUNTPOINT/containerd and binds them to /var/lib/docker and
 * /var/lib/containerd. What is bound already is verified and left. 0 or -errno. */
int data_disk_bind(const char *mountpoint, char *reason, size_t reason_size) MUST_CHECK;
