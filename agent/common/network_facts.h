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
};

struct network_facts {
	struct resolv_conf resolvers;
	enum network_dns dns;
	char overlap[ROUTE_OVERLAP_TEXT]; /* "" or which network of dockerd's is in the way */
	struct proxy_settings proxies;    /* of the running dockerd; passwords are masked */
};

void network_read_facts(struct network_facts *network, const struct facts *facts);
/* "direct" */
const char *network_dns_name(enum network_dns dns);
