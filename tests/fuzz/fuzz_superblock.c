/* SPDX-License-Identifier: MIT
 *
 * fuzz_superblock.c - ext4 superblocks of untrusted disks. Input: a byte that chooses where on the device, then the
 * superblock; its checksum is put right, which no mutation would.
 */
#include <string.h>

#include "init/disk/crc32c.h"
#include "init/disk/superblock.h"
#include "tests/fuzz/fuzz.h"

static void check_text(const char *text, size_t size)
{
	FUZZ_CHECK(memchr(text, '\0', size) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char bytes[SUPERBLOCK_BYTES] = {0};
	struct superblock superblock;
	uint64_t offset;
	uint32_t sum;

	if (size == 0)
		return 0;
	offset = data[0] == 0 ? SUPERBLOCK_OFFSET : superblock_backup_offset(data[0] - 1U);
	memcpy(bytes, data + 1, size - 1 < sizeof(bytes) ? size - 1 : sizeof(bytes));
	sum = crc32c_update(~0U, bytes, 0x3fc);
	bytes[0x3fc] = (unsigned char)sum;
	bytes[0x3fd] = (unsigned char)(sum >> 8);
	bytes[0x3fe] = (unsigned char)(sum >> 16);
	bytes[0x3ff] = (unsigned char)(sum >> 24);
	superblock_parse(bytes, offset, &superblock);
	check_text(superblock.label, sizeof(superblock.label));
	check_text(superblock.uuid, sizeof(superblock.uuid));
	check_text(superblock.first_error, sizeof(superblock.first_error));
	check_text(superblock.last_error, sizeof(superblock.last_error));
	if (!superblock.valid)
		return 0;
	FUZZ_CHECK(superblock.block_size >= 1024 && superblock.block_size <= 65536);
	FUZZ_CHECK(superblock.size_bytes > 0 && superblock.size_bytes % superblock.block_size == 0);
	FUZZ_CHECK(superblock.offset == offset && strlen(superblock.uuid) == 36);
	return 0;
}
