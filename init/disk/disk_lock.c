/* SPDX-License-Identifier: MIT
 *
 * disk_lock.c - see disk_lock.h.
 */
#include "init/disk/disk_lock.h"

#include <fcntl.h>
#include <sys/file.h>

int disk_lock_take(const char *device, bool job)
{
	_cleanup_close_ int fd = open(device, (job ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	return TAKE_FD(fd);
}
