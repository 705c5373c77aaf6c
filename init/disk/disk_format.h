/* SPDX-License-Identifier: MIT
 *
 * disk_format.h - makes the file system of a data disk, so that it can be stopped anywhere.
 *
 * The order, and what a power cut or a SIGKILL leaves behind:
 *   1. the record of format_intent.h, synced      before: what was there; after: blank and the record
 *   2. mke2fs, which puts the marker into the     anything but a superblock, which mke2fs writes last and after
 *      new file system                            a sync; and the record: formatted again at the next start
 *   3. the record zeroed, synced                  a whole file system of ours, and perhaps the record: whoever mounts
 *                                                 it zeroes that first (disk_format_clear_intent())
 */
#pragma once

#include "init/disk/disk_policy.h"

/* The caller has proven that nothing on disk->device is wanted. `zero`: all of it reads as zero, as far as can be told; then
 * nothing is zeroed again. Without it the device's old content is discarded. `uuid` gets that of the new file
 * system. Blocks until the disk is durable. 0 or -errno with a sentence in `reason`. */
int disk_format_run(const struct disk_facts *disk, const char *label, bool zero,
	char uuid[UUID_TEXT_SIZE], char *reason, size_t reason_size) MUST_CHECK;

/* Zeroes the record and syncs. 0 or -errno. */
int disk_format_clear_intent(const char *device) MUST_CHECK;
