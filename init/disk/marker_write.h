/* SPDX-License-Identifier: MIT
 *
 * marker_write.h - gives a mounted file system its marker: adoption of a disk that keel did not make.
 */
#pragma once

#include "init/disk/marker.h"

/* Writes MOUNTPOINT/.keel-disk for the file system of that UUID and makes it durable beyond the journal, because it is read
 * without replaying one. Stopped before its end the disk has no marker, or has it: never half of one. 0 or -errno. */
int marker_write(const char *mountpoint, const char *uuid) MUST_CHECK;
