/* SPDX-License-Identifier: MIT
 *
 * network_facts.c - see network_facts.h. Caller: system.c.
 */
#include "agent/common/network_facts.h"

#include <stdio.h>
#include <string.h>

#include "lib/file.h"

#define ENVIRON_MAX 65536
#define ROUTES_MAX  16384

static void read_dns(struct network_facts *network)
{
	static char text[RESOLV_CONF_TEXT];

	if (file_read(RESOLV_ENVIRONMENT, text, sizeof(text)) > 0)
		network->dns = NETWORK_DNS_FORWARDED;
	if (file_read(RESOLV_CONF, text, sizeof(text)) == -ENOENT)
		text[0] = '\0';
	resolv_conf_parse(text, &network->resolvers);
	if (network->dns == NETWORK_DNS_FORWARDED)
		return;
	switch (resolv_conf_reach(&network->resolvers)) {
	case RESOLV_REACH_NONE:
		network->dns = NETWORK_DNS_PUBLIC;
		break;
	case RESOLV_REACH_DIRECT:
		break;
	case RESOLV_REACH_LOCAL:
		network->dns = NETWORK_DNS_DOCKERD;
		break;
	}
}

static void read_proxies(struct network_facts *network, const struct facts *facts)
{
	static char block[ENVIRON_MAX];
	const struct control_service *dockerd = facts_find_service(facts, "docker.service");
	char path[64], masked[PROXY_SETTINGS_VALUE];
	ssize_t len;

	if (!dockerd || dockerd->pid <= 0)
		return;
	(void)snprintf(path, sizeof(path), "/proc/%d/environ", (int)dockerd->pid);
	len = file_read(path, block, sizeof(block));
	if (len < 0 || proxy_settings_from_environment(block, (size_t)len, &network->proxies) < 0)
		return;
	for (size_t i = 0; i < PROXY_KINDS; i++) {
		char *value = network->proxies.value[i];

		(void)proxy_settings_mask(value, masked);
		memcpy(value, masked, sizeof(masked));
		text_sanitize(value);
	}
}

static void read_routes(struct network_facts *network)
{
	static char table[ROUTES_MAX];
	ssize_t len = file_read("/proc/net/route", table, sizeof(table));

	if (len < 0 && len != -EFBIG)
		return;
	(void)route_overlap_find(table, network->overlap);
	text_sanitize(network->overlap);
}

void network_read_facts(struct network_facts *network, const struct facts *facts)
{
	*network = (struct network_facts){.dns = NETWORK_DNS_DIRECT};
	read_dns(network);
	read_routes(network);
	read_proxies(network, facts);
}

const char *network_dns_name(enum network_dns dns)
{
	switch (dns) {
	case NETWORK_DNS_DIRECT:
		return "direct";
	case NETWORK_DNS_FORWARDED:
		return "forwarded";
	case NETWORK_DNS_PUBLIC:
		return "public";
	case NETWORK_DNS_DOCKERD:
		return "dockerd";
	}
	return "?";
}
