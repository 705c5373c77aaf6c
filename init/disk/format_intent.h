/* SPDX-License-Identifier: MIT
 *
 * format_intent.h - the record that makes formatting survive a power cut.
 *
 * Half an mke2fs is neither blank nor a file system, and a machine that stopped in between would refuse its own disk
 * for ever. So before mke2fs this record is written and synced: it says that the whole device was proven blank. It is
 * zeroed, and synced, after mke2fs has ended and before the file system is mounted for the first time. Found with a valid
 * file system beside it, it only is to be zeroed; found on a device on which libblkid knows nothing, it is the proof that
 * nobody's data is lost by formatting again.
 *
 * It lies in the boot block, after the ext4 superblock and before the end of the first 4 KiB: no file system's content
 * can ever be placed there, so nobody who writes files can forge it. mke2fs as it is wiped these bytes first; ours leaves
 * them (image-build/recipes/e2fsprogs.sh).
 */
#pragma once

#include "init/disk/marker.h"
#include "lib/base.h"

#define FORMAT_INTENT_OFFSET 2048
#define FORMAT_INTENT_BYTES  512

struct format_intent {
	char uuid[UUID_TEXT_SIZE]; /* of the file system to be */
	uint64_t device_bytes;
};

void format_intent_encode(const struct format_intent *intent,
	unsigned char record[FORMAT_INTENT_BYTES]);

/* False if the bytes are no such record, not whole, or for a device of another size. */
bool format_intent_decode(const unsigned char record[FORMAT_INTENT_BYTES], uint64_t device_bytes,
	struct format_intent *intent);
