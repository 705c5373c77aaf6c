/* SPDX-License-Identifier: MIT
 *
 * mount_flags.h - can a mounted file system still be written? Pure.
 */
#pragma once

#include "lib/base.h"

enum mount_flags {
	MOUNT_FLAGS_OTHER, /* the line is another mount's */
	MOUNT_FLAGS_WRITABLE,
	MOUNT_FLAGS_READ_ONLY,
};

/* One line of /proc/self/mountinfo (proc_pid_mountinfo(5)), NUL-terminated. `device` is "8:16". ext4 says with an
 * option of its own that it gave up writing (since Linux 6.15 it is no longer "ro" then). */
enum mount_flags mount_flags_read(const char *line, const char *device, const char *mountpoint);
