/* SPDX-License-Identifier: MIT
 *
 * tar.c - see tar.h. Caller: diagnostics.c.
 */
#include "agent/common/tar.h"

#include <string.h>

/* The fields that are used; the others stay zero (IEEE 1003.1, pax, "ustar Interchange Format"). */
enum tar_field {
	TAR_NAME = 0,
	TAR_MODE = 100,
	TAR_UID = 108,
	TAR_GID = 116,
	TAR_SIZE = 124,
	TAR_MTIME = 136,
	TAR_CHECKSUM = 148,
	TAR_TYPE = 156,
	TAR_MAGIC = 257,
	TAR_USER = 265,
	TAR_GROUP = 297,
};

static void put_octal(char *field, size_t digits, uint64_t value)
{
	for (size_t i = digits; i-- > 0; value >>= 3)
		field[i] = (char)('0' + (value & 7));
}

int tar_header(char block[TAR_BLOCK], const char *name, uint64_t size, uint64_t mtime_s)
{
	size_t len = strlen(name);
	uint64_t sum = 0;

	if (len == 0)
		return -EINVAL;
	if (len > TAR_NAME_MAX)
		return -ENAMETOOLONG;
	if (size > TAR_SIZE_MAX || mtime_s > TAR_SIZE_MAX)
		return -EFBIG;
	memset(block, 0, TAR_BLOCK);
	memcpy(block + TAR_NAME, name, len);
	put_octal(block + TAR_MODE, 7, 0600);
	put_octal(block + TAR_UID, 7, 0);
	put_octal(block + TAR_GID, 7, 0);
	put_octal(block + TAR_SIZE, 11, size);
	put_octal(block + TAR_MTIME, 11, mtime_s);
	memset(block + TAR_CHECKSUM, ' ', 8); /* what it is summed up with */
	block[TAR_TYPE] = '0';
	memcpy(block + TAR_MAGIC, "ustar\00000", 8);
	memcpy(block + TAR_USER, "root", 4);
	memcpy(block + TAR_GROUP, "root", 4);
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += (unsigned char)block[i];
	put_octal(block + TAR_CHECKSUM, 6, sum);
	block[TAR_CHECKSUM + 6] = '\0';
	return 0;
}

size_t tar_padding(uint64_t size)
{
	return (size_t)((TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
}
