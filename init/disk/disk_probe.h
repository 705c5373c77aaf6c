/* SPDX-License-Identifier: MIT
 *
 * disk_probe.h - what is on a block device: libblkid, ext4's superblocks, our own
 * record, and the proof of blankness. Everything here reads untrusted content, and only reads.
 */
#pragma once

#include "init/disk/disk_policy.h"

/* Fills in content, type, label, uuid, superblock, backup and format_intent of disk->device; size_bytes is known. Never
 * fails: what cannot be read is DISK_CONTENT_UNREADABLE. */
void disk_probe_content(struct disk_facts *disk);

/* Reads the first and the last 16 MiB of the device and 64 pieces of 1 MiB spread evenly between
 * (all of it if it is not larger than that), bypassing the page cache. Blocks for as long as that
 * takes: about 96 MiB. */
enum disk_blank disk_probe_blank(const char *device, uint64_t size_bytes);
