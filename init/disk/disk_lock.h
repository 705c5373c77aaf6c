/* SPDX-License-Identifier: MIT
 *
 * disk_lock.h - who works on a block device holds a BSD lock on its node (the convention of systemd and udev,
 * https://systemd.io/BLOCK_DEVICE_LOCKING): the stage's helper while it checks, formats or mounts, a job of keel-disk for
 * as long as it lasts. Death releases it.
 */
#pragma once

#include "lib/base.h"

/* `job`: opened for writing, so that its close is an event for a helper that waits (device_watch.h). The helper itself does
 * not want to be woken by its own and opens for reading. Returns the descriptor, -EWOULDBLOCK if another process
 * has the lock, or -errno. */
int disk_lock_take(const char *device, bool job) MUST_CHECK;
