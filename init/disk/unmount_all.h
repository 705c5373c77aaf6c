/* SPDX-License-Identifier: MIT
 *
 * unmount_all.h - unmounts a block device wherever it is mounted in our namespace, and what is mounted below, containers'
 * overlays for example.
 */
#pragma once

#include "lib/base.h"

/* From the last mount to the first. `lazy`: the device is dead and its file system cannot be written any more; whoever
 * still uses it keeps a file system that answers with errors. 0, or -errno with a sentence that names the
 * mount. Killed on the way: what is unmounted stays so, and the stage's helper mounts it again. */
int unmount_all(unsigned int major, unsigned int minor, bool lazy, char *reason,
	size_t reason_size) MUST_CHECK;

/* The device that is mounted on `target`. 0 or -ENOENT. */
int unmount_find(const char *target, unsigned int *major, unsigned int *minor) MUST_CHECK;
