/* SPDX-License-Identifier: MIT
 *
 * network_facts.h - what the network is to containers and to dockerd: resolvers, proxies. Read when somebody wants a document.
 */
#pragma once

#include "agent/common/facts.h"
#include "agent/common/proxy_settings.h"
#include "agent/common/resolv_conf.h"
#include "agent/common/route_overlap.h"
#include "lib/base.h"

/* Whom a container on dockerd's default bridge asks. */
enum network_dns {
	NETWORK_DNS_DIRECT,    /* the resolvers of resolv.conf */
	NETWORK_DNS_FORWARDED, /* keel-dns, which asks them */
	NETWORK_DNS_PUBLIC,    /* public ones: resolv.conf names none */
	NETWORK_DNS_DOCKERD, /* dockerd decides: its own `dns`, or public ones because keel-dns is not there */
	NETWORK_DNS_UNANSWERED, /* keel-dns, which does not answer */
};

/* What decides that. */
struct network_dns_facts {
	bool own;      /* daemon.json has `dns` */
	bool told;     /* dockerd was started with keel-dns's address, or will be */
	bool answered; /* keel-dns runs and listens */
	enum resolv_reach reach;
};

struct network_facts {
	struct resolv_conf resolvers;
	enum network_dns dns;
	char overlap[ROUTE_OVERLAP_TEXT]; /* "" or which network of dockerd's is in the way */
	struct proxy_settings proxies;    /* of the running dockerd; passwords are masked */
};

/* Pure. */
enum network_dns network_judge_dns(const struct network_dns_facts *facts);
/* From dockerd's environment, without what is not to be seen; none at all if one is not usable. Pure. */
void network_show_proxies(const char *block, size_t len, struct proxy_settings *shown);
void network_read_facts(struct network_facts *network, const struct facts *facts);
/* "direct" */
const char *network_dns_name(enum network_dns dns);
