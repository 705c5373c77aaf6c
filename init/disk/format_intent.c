/* SPDX-License-Identifier: MIT
 *
 * format_intent.c - encodes and decodes the record. Pure; written by what formats, read by disk_probe.c.
 *
 * Layout, little-endian: 16 bytes of magic, u64 device size, 37 bytes of UUID with NUL, zeroes, u32 CRC32C of all before it.
 */
#include "init/disk/format_intent.h"

#include <endian.h>
#include <string.h>

#include "init/disk/crc32c.h"

enum {
	SIZE_OFFSET = 16,
	UUID_OFFSET = 24,
	ZERO_OFFSET = UUID_OFFSET + UUID_TEXT_SIZE,
	CHECKSUM_OFFSET = FORMAT_INTENT_BYTES - 4,
};

static const unsigned char magic[SIZE_OFFSET] = "keel-format v1\n";

static uint32_t checksum(const unsigned char *record)
{
	return htole32(~crc32c_update(~0U, record, CHECKSUM_OFFSET));
}

void format_intent_encode(const struct format_intent *intent,
	unsigned char record[FORMAT_INTENT_BYTES])
{
	const uint64_t size = htole64(intent->device_bytes);
	uint32_t sum;

	memset(record, 0, FORMAT_INTENT_BYTES);
	memcpy(record, magic, sizeof(magic));
	memcpy(record + SIZE_OFFSET, &size, sizeof(size));
	memcpy(record + UUID_OFFSET, intent->uuid, strnlen(intent->uuid, UUID_TEXT_SIZE - 1));
	sum = checksum(record);
	memcpy(record + CHECKSUM_OFFSET, &sum, sizeof(sum));
}

bool format_intent_decode(const unsigned char record[FORMAT_INTENT_BYTES], uint64_t device_bytes,
	struct format_intent *intent)
{
	const char *uuid = (const char *)record + UUID_OFFSET;
	const uint32_t sum = checksum(record);
	uint64_t size;

	memset(intent, 0, sizeof(*intent));
	memcpy(&size, record + SIZE_OFFSET, sizeof(size));
	if (memcmp(record, magic, sizeof(magic)) != 0 ||
		memcmp(record + CHECKSUM_OFFSET, &sum, sizeof(sum)) != 0 ||
		le64toh(size) != device_bytes ||
		!uuid_text_valid(uuid, strnlen(uuid, UUID_TEXT_SIZE), intent->uuid))
		return false;
	intent->device_bytes = device_bytes;
	return true;
}
