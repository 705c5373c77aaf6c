/* SPDX-License-Identifier: MIT
 *
 * pressure.c - see pressure.h. Caller: engine.c, before a daemon that misses its probes is called hung.
 */
#include "agent/common/pressure.h"

#include <stdio.h>
#include <string.h>

#include "agent/common/memory_read.h"
#include "lib/file.h"

int pressure_find_group(const char *text, char *path, size_t size)
{
	const char *line = text;
	size_t len;

	if (strncmp(text, "0::/", 4) == 0) {
		line += strlen("0::");
	} else {
		line = strstr(text, "\n0::/");
		if (!line)
			return -ENOENT;
		line += strlen("\n0::");
	}
	len = strcspn(line, "\n");
	if (len >= size)
		return -ENAMETOOLONG;
	memcpy(path, line, len);
	path[len] = '\0';
	return 0;
}

static bool is_stalled(const char *group, const char *resource)
{
	struct memory_pressure pressure;
	char path[512], text[256];

	(void)snprintf(path, sizeof(path), "/sys/fs/cgroup%s/%s.pressure", group, resource);
	return file_read(path, text, sizeof(text)) > 0 &&
	       memory_read_pressure(text, &pressure) == 0 &&
	       pressure.some_avg10_permille >= PRESSURE_STALLED_PERMILLE;
}

bool pressure_is_stalled(int pid)
{
	char path[32], text[1024], group[256];

	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	if (file_read(path, text, sizeof(text)) < 0 ||
		pressure_find_group(text, group, sizeof(group)) < 0)
		return false;
	return is_stalled(group, "cpu") || is_stalled(group, "io") || is_stalled(group, "memory");
}
