/* SPDX-License-Identifier: MIT
 *
 * marker_read.h - the marker of an ext4 that is not mounted.
 */
#pragma once

#include "init/disk/disk_policy.h"

/* Reads /.keel-disk of the ext4 on `device`, whose superblock names the UUID `uuid`. Only reads: no journal is replayed, nothing
 * is locked. What cannot be read is DISK_MARKER_BAD. `marker` is filled in for VALID, and its schema for NEWER. */
enum disk_marker marker_read(const char *device, const char *uuid, struct marker *marker);
