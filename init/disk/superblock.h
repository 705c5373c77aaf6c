/* SPDX-License-Identifier: MIT
 *
 * superblock.h - what an ext4 superblock says (Documentation/filesystems/ext4/super.rst), parsed by us: libblkid gives label
 * and UUID only, and the rest is wanted before anything mounts, checks or writes.
 */
#pragma once

#include "lib/base.h"

#define SUPERBLOCK_OFFSET \
	1024 /* of the first one; backups are found by superblock_backup_offset() */
#define SUPERBLOCK_BYTES 1024

struct superblock {
	bool valid; /* false: nothing below means anything */
	bool clean; /* no check is due. A file system with a journal is always clean in this sense */
	bool needs_recovery; /* the journal holds what is to be replayed */
	bool error;   /* the kernel or e2fsck found it damaged, and nobody repaired it since */
	bool orphans; /* deleted files are to be freed at the next mount */
	bool meta_bg; /* grows without reserved descriptor blocks */
	uint32_t block_size;
	uint64_t size_bytes; /* of the file system */
	uint64_t
		offset; /* where on the device it was found: offset / block_size is what e2fsck -b wants */
	uint32_t
		unknown_incompat; /* features that Linux 6.6 or e2fsck 1.47 would refuse to read, or ... */
	uint32_t unknown_ro; /* ... to write; all bits that superblock.c does not list */
	uint32_t error_count;
	uint64_t first_error_s, last_error_s; /* seconds since 1970, 0: none recorded */
	char first_error[33]; /* the kernel function that noticed it, printable ASCII */
	char last_error[33];
	char label[17]; /* as it is on the disk: any bytes */
	char uuid[37];  /* lower case */
};

/* Parses the bytes found at `offset` of a device. Valid if they are a superblock (magic, checksum if the file system has them, sane
 * sizes) that belongs at this offset. */
void superblock_parse(const unsigned char bytes[SUPERBLOCK_BYTES], uint64_t offset,
	struct superblock *superblock);

/* Where the n-th (from 0) backup of file systems with mke2fs's usual group sizes may lie; 0: no more. */
uint64_t superblock_backup_offset(size_t n);
