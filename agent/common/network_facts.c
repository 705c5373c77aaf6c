/* SPDX-License-Identifier: MIT
 *
 * network_facts.c - see network_facts.h. Caller: system.c.
 */
#include "agent/common/network_facts.h"

#include <string.h>

#include "agent/common/dockerd.h"
#include "lib/file.h"

#define ROUTES_MAX 16384

enum network_dns network_judge_dns(const struct network_dns_facts *facts)
{
	if (facts->own)
		return NETWORK_DNS_DOCKERD;
	if (facts->told)
		return facts->answered ? NETWORK_DNS_FORWARDED : NETWORK_DNS_UNANSWERED;
	switch (facts->reach) {
	case RESOLV_REACH_NONE:
		return NETWORK_DNS_PUBLIC;
	case RESOLV_REACH_DIRECT:
		return NETWORK_DNS_DIRECT;
	case RESOLV_REACH_LOCAL:
		break;
	}
	return NETWORK_DNS_DOCKERD;
}

/* `environment`: of the running dockerd; NULL: none runs, and the next one's counts. */
static void read_dns(struct network_facts *network, const struct facts *facts,
	const char *environment, size_t len)
{
	static char text[RESOLV_CONF_TEXT];
	const struct control_service *service = facts_find_service(facts, "keel-dns.service");
	struct network_dns_facts dns = {.own = dockerd_json_has("dns"),
		.answered = service && service->state == SERVICE_STATE_ACTIVE &&
			    strncmp(service->status, RESOLV_STATUS_ANSWERS,
				    strlen(RESOLV_STATUS_ANSWERS)) == 0};

	dns.told = environment ? dockerd_asks_keel_dns(environment, len)
			       : file_read(RESOLV_ENVIRONMENT, text, sizeof(text)) > 0;
	if (file_read(RESOLV_CONF, text, sizeof(text)) == -ENOENT)
		text[0] = '\0';
	resolv_conf_parse(text, &network->resolvers);
	dns.reach = resolv_conf_reach(&network->resolvers);
	network->dns = network_judge_dns(&dns);
}

void network_show_proxies(const char *block, size_t len, struct proxy_settings *shown)
{
	struct proxy_settings settings;

	*shown = (struct proxy_settings){0};
	if (proxy_settings_from_environment(block, len, &settings) < 0)
		return;
	for (size_t i = 0; i < PROXY_KINDS; i++) {
		(void)proxy_settings_mask(settings.value[i], shown->value[i]);
		text_sanitize(shown->value[i]);
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

/* Asked for once in a dockerd's life, as it is a question to the runner: from READY=1 on what it was started with is what it has. */
static ssize_t read_environment(const struct facts *facts, const char **environment)
{
	static char block[DOCKERD_ENVIRON_MAX];
	static struct {
		ssize_t len; /* 0: none is known */
		int32_t pid;
		uint64_t ready_us;
	} known;
	const struct control_service *dockerd = facts_find_service(facts, DOCKERD_UNIT);
	const bool active = dockerd && dockerd->state == SERVICE_STATE_ACTIVE;

	*environment = block;
	if (active && known.len > 0 && known.pid == dockerd->pid &&
		known.ready_us == dockerd->ready_us)
		return known.len;
	known.len = dockerd_environment(dockerd ? dockerd->pid : 0, block);
	known.pid = active ? dockerd->pid : 0;
	known.ready_us = active ? dockerd->ready_us : 0;
	return known.len;
}

void network_read_facts(struct network_facts *network, const struct facts *facts)
{
	const char *block;
	ssize_t len = read_environment(facts, &block);

	*network = (struct network_facts){.dns = NETWORK_DNS_DIRECT};
	read_dns(network, facts, len < 0 ? NULL : block, len < 0 ? 0 : (size_t)len);
	read_routes(network);
	if (len >= 0)
		network_show_proxies(block, (size_t)len, &network->proxies);
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
	case NETWORK_DNS_UNANSWERED:
		return "unanswered";
	}
	return "?";
}
