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

int resolv_write(const char *path, const struct net_settings *settings)
{
	char text[64 + NET_DNS_MAX * (NET_IP_TEXT + 12)] = "# Written by keel-net.\n";
	char ip[NET_IP_TEXT];

	if (settings->dns_count == 0 || belongs_to_wsl(path))
		return 0;
	for (size_t i = 0; i < settings->dns_count; i++) {
		size_t used = strlen(text);

		(void)snprintf(text + used, sizeof(text) - used, "nameserver %s\n",
			net_ip_format(&settings->dns[i], ip));
	}
	return file_replace(path, text);
}
