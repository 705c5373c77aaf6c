/* SPDX-License-Identifier: MIT
 *
 * resolv.c - writes resolv.conf(5). Called by net_apply.c. A reader sees the old file or the new
 * one.
 */
#include "init/net/resolv.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/file.h"

static bool belongs_to_wsl(const char *path)
{
	static const char prefix[] = "/mnt/wsl/";
	char target[256];
	ssize_t len = readlink(path, target, sizeof(target));

	return len >= (ssize_t)sizeof(prefix) - 1 &&
	       memcmp(target, prefix, sizeof(prefix) - 1) == 0;
}

static int write_file(const char *path, const char *text)
{
	_cleanup_close_ int fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0)
		return -errno;
	return file_write_all(fd, text, strlen(text));
}

int resolv_write(const char *path, const struct net_settings *settings)
{
	char text[64 + NET_DNS_MAX * (NET_IP_TEXT + 12)] = "# Written by keel-net.\n";
	char temporary[256], ip[NET_IP_TEXT];
	int rc;

	if (settings->dns_count == 0 || belongs_to_wsl(path))
		return 0;
	for (size_t i = 0; i < settings->dns_count; i++) {
		size_t used = strlen(text);

		(void)snprintf(text + used, sizeof(text) - used, "nameserver %s\n",
			net_ip_format(&settings->dns[i], ip));
	}
	(void)snprintf(temporary, sizeof(temporary), "%s.keel-net", path);
	rc = write_file(temporary, text);
	if (rc == 0 && rename(temporary, path) < 0)
		rc = -errno;
	if (rc < 0)
		(void)unlink(temporary);
	return rc;
}
