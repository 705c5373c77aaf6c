/* SPDX-License-Identifier: MIT
 *
 * identity.h - what is to be typed back before a disk is overwritten: proof that its present content was looked at.
 */
#pragma once

#include "init/disk/disk_policy.h"

#define IDENTITY_TEXT 40

/* The UUID of what is on the device. What has none (unknown or partitioned content, nothing) gets a word "content-xxxxxxxx"
 * from its size and its first and last MiB. 0, or -errno if it cannot be read. */
int identity_read(const struct disk_facts *disk, char text[IDENTITY_TEXT]) MUST_CHECK;
