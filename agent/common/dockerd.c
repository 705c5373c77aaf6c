/* SPDX-License-Identifier: MIT
 *
 * dockerd.c - see dockerd.h. Callers: keel-dns, network_facts.c, keelctl proxy.
 */
#include "agent/common/dockerd.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "agent/common/resolv_conf.h"
#include "lib/file.h"

#define JSON_MAX 65536

bool dockerd_json_has(const char *key)
{
	static char text[JSON_MAX];
	char quoted[32];

	(void)snprintf(quoted, sizeof(quoted), "\"%s\"", key);
	return file_read(DOCKERD_JSON, text, sizeof(text)) > 0 && strstr(text, quoted);
}

static int open_environ(pid_t pid)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int (*dockerd_open_environ)(pid_t pid) = open_environ;

ssize_t dockerd_environment(pid_t pid, char block[DOCKERD_ENVIRON_MAX])
{
	_cleanup_close_ int fd = -1;
	size_t len = 0;
	ssize_t n;

	if (pid <= 0)
		return -ESRCH;
	fd = dockerd_open_environ(pid);
	if (fd < 0)
		return fd;
	while ((n = read(fd, block + len, DOCKERD_ENVIRON_MAX - 1 - len)) > 0)
		len += (size_t)n;
	block[len] = '\0';
	if (n < 0)
		return -errno;
	return len == DOCKERD_ENVIRON_MAX - 1 ? -EFBIG : (ssize_t)len;
}

bool dockerd_asks_keel_dns(const char *block, size_t len)
{
	while (len > 0) {
		size_t entry = strnlen(block, len);

		if (entry == strlen(RESOLV_OPTION) && memcmp(block, RESOLV_OPTION, entry) == 0)
			return true;
		entry += entry < len ? 1 : 0;
		block += entry;
		len -= entry;
	}
	return false;
}
