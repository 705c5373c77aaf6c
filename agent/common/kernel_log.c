/* SPDX-License-Identifier: MIT
 *
 * kernel_log.c - see kernel_log.h.
 */
#include "agent/common/kernel_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

int kernel_log_open(void)
{
	_cleanup_close_ int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat info;

	if (fd < 0 || fstat(fd, &info) < 0)
		return -errno;
	if (!S_ISCHR(info.st_mode) || info.st_rdev != makedev(1, 11))
		return -ENODEV;
	return TAKE_FD(fd);
}
