/* SPDX-License-Identifier: MIT
 *
 * marker_write.c - see marker_write.h. Called by disk_stage.c for a disk that the configuration names by its UUID, and by
 * verb_adopt.c.
 */
#include "init/disk/marker_write.h"

#include <fcntl.h>
#include <linux/ext4.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "lib/file.h"

#define MARKER_NEW MARKER_NAME ".new"

static int write_new(int directory, const char *text, size_t len)
{
	_cleanup_close_ int fd = openat(directory, MARKER_NEW,
		O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0)
		return -errno;
	if (file_write_all(fd, text, len) < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

int marker_write(const char *mountpoint, const char *uuid)
{
	struct marker marker = {.made_s = (uint64_t)time(NULL), .by = KEEL_VERSION};
	_cleanup_close_ int directory = open(mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char text[MARKER_BYTES_MAX];
	uint32_t flags = 0;
	ssize_t len;
	int rc;

	if (directory < 0)
		return -errno;
	if (!uuid_text_valid(uuid, strlen(uuid), marker.uuid))
		return -EINVAL;
	len = marker_format(&marker, text);
	if (len < 0)
		return (int)len;
	rc = write_new(directory, text, (size_t)len);
	if (rc < 0)
		return rc;
	if (renameat(directory, MARKER_NEW, directory, MARKER_NAME) < 0 || fsync(directory) < 0)
		return -errno;
	/* Empties the journal into the file system. Freezing would do that too, but whoever is killed between freeze and
	 * thaw leaves a disk on which every write hangs. */
	return ioctl(directory, EXT4_IOC_CHECKPOINT, &flags) < 0 ? -errno : 0;
}
