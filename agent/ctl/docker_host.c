/* SPDX-License-Identifier: MIT
 *
 * docker_host.c - see docker_host.h. Callers: forward.c, docker_context.c.
 */
#include "agent/ctl/docker_host.h"

#include <stdio.h>

int docker_host_format(const struct address *address, char *buffer, size_t size)
{
	char directory[1024], tcp[ADDRESS_TEXT_MAX];
	int len;

	switch (address->kind) {
	case ADDRESS_UNIX:
		directory[0] = '\0';
		if (address->path[0] != '/' && !getcwd(directory, sizeof(directory)))
			return -errno;
		len = snprintf(buffer, size, "unix://%s%s%s", directory, directory[0] ? "/" : "",
			address->path);
		return (size_t)len < size ? 0 : -ENAMETOOLONG;
	case ADDRESS_TCP:
		len = snprintf(buffer, size, "tcp://%s",
			address_format(address, tcp, sizeof(tcp)) + sizeof("tcp:") - 1);
		return (size_t)len < size ? 0 : -ENAMETOOLONG;
	case ADDRESS_NONE:
	case ADDRESS_VSOCK:
	case ADDRESS_HVSOCK:
		break;
	}
	return -EINVAL;
}
