/* SPDX-License-Identifier: MIT
 *
 * superblock.c - parses ext4 superblocks. Pure; called by disk_probe.c with bytes of untrusted disks. Every number is checked
 * before it is used to compute with.
 */
#include "init/disk/superblock.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "init/disk/crc32c.h"

/* Offsets of fields: struct ext2_super_block in e2fsprogs' lib/ext2fs/ext2_fs.h. */
enum {
	BLOCKS_COUNT = 0x04,
	FIRST_DATA_BLOCK = 0x14,
	LOG_BLOCK_SIZE = 0x18,
	BLOCKS_PER_GROUP = 0x20,
	MAGIC = 0x38,
	STATE = 0x3a,
	REVISION = 0x4c,
	INODE_SIZE = 0x58,
	GROUP = 0x5a,
	INCOMPAT = 0x60,
	RO_COMPAT = 0x64,
	UUID = 0x68,
	LABEL = 0x78,
	LAST_ORPHAN = 0xe8,
	BLOCKS_COUNT_HIGH = 0x150,
	CHECKSUM_TYPE = 0x175,
	ERROR_COUNT = 0x194,
	FIRST_ERROR_TIME = 0x198,
	FIRST_ERROR_FUNCTION = 0x1a8,
	LAST_ERROR_TIME = 0x1cc,
	LAST_ERROR_FUNCTION = 0x1e0,
	FIRST_ERROR_TIME_HIGH = 0x278,
	LAST_ERROR_TIME_HIGH = 0x279,
	CHECKSUM = 0x3fc,
};

enum {
	MAGIC_VALUE = 0xef53,
	STATE_CLEAN = 1,
	STATE_ERROR = 2,
	STATE_ORPHANS = 4,
	LOG_BLOCK_SIZE_MAX = 6, /* 64 KiB */
	CHECKSUM_CRC32C = 1,
	INODE_SIZE_MIN = 128,
	GROUPS_MAX = 1 << 20,
};

/* Feature bits: the same file. Known is what both may read and write: Linux 6.6 (EXT4_FEATURE_INCOMPAT_SUPP and
 * EXT4_FEATURE_RO_COMPAT_SUPP in fs/ext4/ext4.h; nothing was added up to 6.18) and e2fsprogs 1.47 (EXT2_LIB_FEATURE_*_SUPP in
 * lib/ext2fs/ext2fs.h). `read-only` (0x1000) and `shared_blocks` (0x4000) are left out on purpose: such a file system cannot be
 * written. Unknown bits of the third word, compat, hinder nobody but e2fsck. */
enum {
	INCOMPAT_FILETYPE = 0x2,
	INCOMPAT_RECOVER = 0x4,
	INCOMPAT_META_BG = 0x10,
	INCOMPAT_EXTENTS = 0x40,
	INCOMPAT_64BIT = 0x80,
	INCOMPAT_MMP = 0x100,
	INCOMPAT_FLEX_BG = 0x200,
	INCOMPAT_EA_INODE = 0x400,
	INCOMPAT_CSUM_SEED = 0x2000,
	INCOMPAT_LARGEDIR = 0x4000,
	INCOMPAT_INLINE_DATA = 0x8000,
	INCOMPAT_ENCRYPT = 0x10000,
	INCOMPAT_CASEFOLD = 0x20000,
	INCOMPAT_KNOWN = INCOMPAT_FILETYPE | INCOMPAT_RECOVER | INCOMPAT_META_BG |
			 INCOMPAT_EXTENTS | INCOMPAT_64BIT | INCOMPAT_MMP | INCOMPAT_FLEX_BG |
			 INCOMPAT_EA_INODE | INCOMPAT_CSUM_SEED | INCOMPAT_LARGEDIR |
			 INCOMPAT_INLINE_DATA | INCOMPAT_ENCRYPT | INCOMPAT_CASEFOLD,

	RO_SPARSE_SUPER = 0x1,
	RO_LARGE_FILE = 0x2,
	RO_HUGE_FILE = 0x8,
	RO_GDT_CSUM = 0x10,
	RO_DIR_NLINK = 0x20,
	RO_EXTRA_ISIZE = 0x40,
	RO_QUOTA = 0x100,
	RO_BIGALLOC = 0x200,
	RO_METADATA_CSUM = 0x400,
	RO_PROJECT = 0x2000,
	RO_VERITY = 0x8000,
	RO_ORPHAN_PRESENT = 0x10000,
	RO_KNOWN = RO_SPARSE_SUPER | RO_LARGE_FILE | RO_HUGE_FILE | RO_GDT_CSUM | RO_DIR_NLINK |
		   RO_EXTRA_ISIZE | RO_QUOTA | RO_BIGALLOC | RO_METADATA_CSUM | RO_PROJECT |
		   RO_VERITY | RO_ORPHAN_PRESENT,
};

static uint32_t read_u32(const unsigned char *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return le32toh(value);
}

static uint32_t read_u16(const unsigned char *bytes)
{
	return bytes[0] | (uint32_t)bytes[1] << 8;
}

static void copy_printable(const unsigned char *bytes, char *text, size_t size)
{
	size_t i;

	for (i = 0; i < size - 1 && bytes[i] != 0; i++)
		text[i] = bytes[i] >= ' ' && bytes[i] <= '~' ? (char)bytes[i] : '?';
	text[i] = '\0';
}

static void format_uuid(const unsigned char *bytes, char text[37])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*text++ = '-';
		*text++ = digits[bytes[i] >> 4];
		*text++ = digits[bytes[i] & 15];
	}
	*text = '\0';
}

static bool checksum_right(const unsigned char *bytes)
{
	if ((read_u32(bytes + RO_COMPAT) & RO_METADATA_CSUM) == 0)
		return true;
	return bytes[CHECKSUM_TYPE] == CHECKSUM_CRC32C &&
	       read_u32(bytes + CHECKSUM) == crc32c_update(~0U, bytes, CHECKSUM);
}

/* The inode size of revision 0 is fixed, and its feature words mean nothing; no ext4 is that old. */
static bool geometry_sane(const unsigned char *bytes)
{
	uint32_t inode_size = read_u16(bytes + INODE_SIZE);

	return read_u32(bytes + REVISION) == 1 &&
	       read_u32(bytes + LOG_BLOCK_SIZE) <= LOG_BLOCK_SIZE_MAX &&
	       read_u32(bytes + FIRST_DATA_BLOCK) <= 1 && read_u32(bytes + BLOCKS_PER_GROUP) > 0 &&
	       inode_size >= INODE_SIZE_MIN && (inode_size & (inode_size - 1)) == 0 &&
	       inode_size <= UINT32_C(1024) << read_u32(bytes + LOG_BLOCK_SIZE);
}

/* False if the file system's size is 0 or more than fits a number, or if its groups are more than 64 TiB need: whoever reads the
 * file system allocates for each. */
static bool parse_size(const unsigned char *bytes, struct superblock *superblock)
{
	uint64_t blocks = read_u32(bytes + BLOCKS_COUNT);

	if (read_u32(bytes + INCOMPAT) & INCOMPAT_64BIT)
		blocks |= (uint64_t)read_u32(bytes + BLOCKS_COUNT_HIGH) << 32;
	superblock->block_size = UINT32_C(1024) << read_u32(bytes + LOG_BLOCK_SIZE);
	if (blocks == 0 || blocks > UINT64_MAX / superblock->block_size)
		return false;
	superblock->size_bytes = blocks * superblock->block_size;
	return blocks / read_u32(bytes + BLOCKS_PER_GROUP) < GROUPS_MAX;
}

/* Each backup knows its group: an old superblock that lies about, of an image in a file say, is none of this device. */
static bool belongs_here(const unsigned char *bytes, uint32_t block_size, uint64_t offset)
{
	uint64_t block = read_u32(bytes + FIRST_DATA_BLOCK) +
			 (uint64_t)read_u16(bytes + GROUP) * read_u32(bytes + BLOCKS_PER_GROUP);

	if (offset == SUPERBLOCK_OFFSET)
		return true;
	return read_u16(bytes + GROUP) != 0 && block * block_size == offset;
}

static void parse_state(const unsigned char *bytes, struct superblock *superblock)
{
	uint32_t state = read_u16(bytes + STATE);
	uint32_t incompat = read_u32(bytes + INCOMPAT), ro_compat = read_u32(bytes + RO_COMPAT);

	superblock->clean = (state & STATE_CLEAN) != 0;
	superblock->error = (state & STATE_ERROR) != 0;
	superblock->orphans = (state & STATE_ORPHANS) != 0 || read_u32(bytes + LAST_ORPHAN) != 0 ||
			      (ro_compat & RO_ORPHAN_PRESENT) != 0;
	superblock->needs_recovery = (incompat & INCOMPAT_RECOVER) != 0;
	superblock->meta_bg = (incompat & INCOMPAT_META_BG) != 0;
	superblock->unknown_incompat = incompat & ~(uint32_t)INCOMPAT_KNOWN;
	superblock->unknown_ro = ro_compat & ~(uint32_t)RO_KNOWN;
}

static void parse_errors(const unsigned char *bytes, struct superblock *superblock)
{
	superblock->error_count = read_u32(bytes + ERROR_COUNT);
	superblock->first_error_s =
		read_u32(bytes + FIRST_ERROR_TIME) | (uint64_t)bytes[FIRST_ERROR_TIME_HIGH] << 32;
	superblock->last_error_s =
		read_u32(bytes + LAST_ERROR_TIME) | (uint64_t)bytes[LAST_ERROR_TIME_HIGH] << 32;
	copy_printable(bytes + FIRST_ERROR_FUNCTION, superblock->first_error,
		sizeof(superblock->first_error));
	copy_printable(bytes + LAST_ERROR_FUNCTION, superblock->last_error,
		sizeof(superblock->last_error));
}

void superblock_parse(const unsigned char bytes[SUPERBLOCK_BYTES], uint64_t offset,
	struct superblock *superblock)
{
	memset(superblock, 0, sizeof(*superblock));
	if (read_u16(bytes + MAGIC) != MAGIC_VALUE || !checksum_right(bytes) ||
		!geometry_sane(bytes) || !parse_size(bytes, superblock) ||
		!belongs_here(bytes, superblock->block_size, offset)) {
		memset(superblock, 0, sizeof(*superblock));
		return;
	}
	superblock->valid = true;
	superblock->offset = offset;
	parse_state(bytes, superblock);
	parse_errors(bytes, superblock);
	memcpy(superblock->label, bytes + LABEL, sizeof(superblock->label) - 1);
	format_uuid(bytes + UUID, superblock->uuid);
}

uint64_t superblock_backup_offset(size_t n)
{
	/* Backups lie in groups 1 and 3, 5, 7 and their powers; a group has 8 blocks for each byte of a block, and
	 * with blocks of 1 KiB the first block is number 1. */
	static const uint64_t offsets[] = {
		UINT64_C(32768) * 4096,
		UINT64_C(3) * 32768 * 4096,
		UINT64_C(5) * 32768 * 4096,
		UINT64_C(7) * 32768 * 4096,
		UINT64_C(8193) * 1024,
		UINT64_C(24577) * 1024,
		UINT64_C(40961) * 1024,
		UINT64_C(16384) * 2048,
		UINT64_C(49152) * 2048,
		UINT64_C(65528) * 8192,
	};

	return n < ARRAY_SIZE(offsets) ? offsets[n] : 0;
}
