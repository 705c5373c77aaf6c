/* SPDX-License-Identifier: MIT
 *
 * dockerd.c - see dockerd.h. Callers: keel-dns, network_facts.c, keelctl proxy.
 */
#include "agent/common/dockerd.h"

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

ssize_t dockerd_environment(pid_t pid, char block[DOCKERD_ENVIRON_MAX])
{
	char path[64];

	if (pid <= 0)
		return -ESRCH;
	(void)snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	return file_read(path, block, DOCKERD_ENVIRON_MAX);
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
