/* SPDX-License-Identifier: MIT
 *
 * superblock_test.h - an ext4 superblock as mke2fs writes it, for tests. The numbers are those of the format, not of the parser.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "init/disk/crc32c.h"
#include "init/disk/superblock.h"

#define SUPERBLOCK_UUID "1b4e28ba-2fa1-41d2-883f-0016d3cca427"

static inline void put_u16(unsigned char *bytes, size_t at, uint32_t value)
{
	bytes[at] = (unsigned char)value;
	bytes[at + 1] = (unsigned char)(value >> 8);
}

static inline void put_u32(unsigned char *bytes, size_t at, uint32_t value)
{
	put_u16(bytes, at, value);
	put_u16(bytes, at + 2, value >> 16);
}

static inline void seal(unsigned char *bytes)
{
	put_u32(bytes, 0x3fc, crc32c_update(~0U, bytes, 0x3fc));
}

/* 320 MiB in blocks of 4 KiB, labelled keel-data. */
static inline void make_superblock(unsigned char bytes[SUPERBLOCK_BYTES])
{
	memset(bytes, 0, SUPERBLOCK_BYTES);
	put_u32(bytes, 0x04, 81920); /* blocks */
	put_u32(bytes, 0x18, 2);     /* 1024 << 2 */
	put_u32(bytes, 0x20, 32768); /* blocks per group */
	put_u16(bytes, 0x38, 0xef53);
	put_u16(bytes, 0x3a, 1);
	put_u32(bytes, 0x4c, 1);
	put_u16(bytes, 0x58, 256);
	put_u32(bytes, 0x60, 0x2 | 0x40 | 0x80 | 0x200); /* filetype, extents, 64bit, flex_bg */
	put_u32(bytes, 0x64, 0x1 | 0x2 | 0x400); /* sparse_super, large_file, metadata_csum */
	memcpy(bytes + 0x68, "\x1b\x4e\x28\xba\x2f\xa1\x41\xd2\x88\x3f\x00\x16\xd3\xcc\xa4\x27",
		16);
	memcpy(bytes + 0x78, "keel-data", 9);
	bytes[0x175] = 1; /* CRC32C */
	seal(bytes);
}
