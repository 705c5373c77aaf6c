/* SPDX-License-Identifier: MIT
 *
 * group_kind.c - see group_kind.h.
 */
#include "agent/memory/group_kind.h"

#include <stdio.h>

#include "agent/common/memory_read.h"
#include "lib/file.h"

/* 0 or -errno; a file that is longer than thought is cut. */
static int read_group_file(int dir_fd, const char *name, const char *file, char text[256])
{
	char path[320];
	ssize_t len;

	(void)snprintf(path, sizeof(path), "%s/%s", name, file);
	len = file_read_at(dir_fd, path, text, 256);
	return len < 0 && len != -EFBIG ? (int)len : 0;
}

enum memory_group_kind memory_group_kind(int dir_fd, const char *name, unsigned int depth)
{
	char text[256];
	uint64_t populated;
	int rc = read_group_file(dir_fd, name, "cgroup.events", text);

	if (rc == -ENODEV || rc == -ENOENT)
		return MEMORY_GROUP_EMPTY;
	if (rc == 0 && memory_read_key(text, "populated", &populated) == 0 && populated == 0)
		return MEMORY_GROUP_EMPTY;
	if (depth >= MEMORY_GROUP_DEPTH || memory_is_container_id(name))
		return MEMORY_GROUP_LIVING;
	/* One that hands the memory controller down can have no process of its own (cgroup-v2.rst, "No Internal
	 * Process Constraint"). */
	rc = read_group_file(dir_fd, name, "cgroup.subtree_control", text);
	return rc == 0 && strstr(text, "memory") ? MEMORY_GROUP_PARENT : MEMORY_GROUP_LIVING;
}
