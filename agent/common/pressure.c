/* SPDX-License-Identifier: MIT
 *
 * pressure.c - see pressure.h. Caller: engine.c, before a daemon that misses its probes is called hung.
 */
#include "agent/common/pressure.h"

#include <stdio.h>
#include <string.h>

#include "lib/file.h"

int pressure_parse(const char *text)
{
	static const char prefix[] = "some avg10=";
	int percent = 0;

	if (strncmp(text, prefix, sizeof(prefix) - 1) != 0)
		return -EPROTO;
	text += sizeof(prefix) - 1;
	if (*text < '0' || *text > '9')
		return -EPROTO;
	for (; *text >= '0' && *text <= '9'; text++) {
		percent = percent * 10 + (*text - '0');
		if (percent > 100)
			return -EPROTO;
	}
	return *text == '.' ? percent : -EPROTO;
}

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
	char path[512], text[256];
	ssize_t len;

	(void)snprintf(path, sizeof(path), "/sys/fs/cgroup%s/%s.pressure", group, resource);
	len = file_read(path, text, sizeof(text));
	return len > 0 && pressure_parse(text) >= PRESSURE_STALLED_PERCENT;
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
