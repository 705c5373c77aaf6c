/* SPDX-License-Identifier: MIT
 *
 * identity.c - see identity.h. Called by verb_init.c and disk_list.c. Only reads.
 */
#include "init/disk/identity.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "init/disk/crc32c.h"

#define EDGE_BYTES (UINT64_C(1) << 20)

static int add_range(int fd, uint64_t offset, uint64_t len, uint32_t *sum)
{
	static unsigned char buffer[EDGE_BYTES];

	for (uint64_t done = 0; done < len;) {
		ssize_t n = pread(fd, buffer, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		*sum = crc32c_update(*sum, buffer, (size_t)n);
		done += (uint64_t)n;
	}
	return 0;
}

int identity_read(const struct disk_facts *disk, char text[IDENTITY_TEXT])
{
	const uint64_t edge = disk->size_bytes < EDGE_BYTES ? disk->size_bytes : EDGE_BYTES;
	_cleanup_close_ int fd = -1;
	uint32_t sum = ~0U;
	int rc;

	(void)snprintf(text, IDENTITY_TEXT, "%s", disk->uuid);
	if (text[0])
		return 0;
	fd = open(disk->device, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	sum = crc32c_update(sum, &disk->size_bytes, sizeof(disk->size_bytes));
	rc = add_range(fd, 0, edge, &sum);
	if (rc == 0)
		rc = add_range(fd, disk->size_bytes - edge, edge, &sum);
	if (rc == 0)
		(void)snprintf(text, IDENTITY_TEXT, "content-%08x", ~sum);
	return rc;
}
