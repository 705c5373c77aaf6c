/* SPDX-License-Identifier: MIT
 *
 * crc32c.c - bit by bit: a table would be larger than the time that it saves on a KiB a disk. Pure; used by
 * superblock.c, format_intent.c and for the identity of disks that have none.
 */
#include "init/disk/crc32c.h"

#define POLYNOMIAL_REFLECTED 0x82f63b78U

uint32_t crc32c_update(uint32_t crc, const void *data, size_t len)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < len; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (POLYNOMIAL_REFLECTED & -(crc & 1));
	}
	return crc;
}
