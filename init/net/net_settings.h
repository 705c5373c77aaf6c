/* SPDX-License-Identifier: MIT
 *
 * net_settings.h - what an interface is to get, from the configuration or from a DHCP lease. Pure
 * parsing: a lease comes from the network.
 */
#pragma once

#include <netinet/in.h>

#include "lib/base.h"
#include "lib/config.h"

#define NET_DNS_MAX 3 /* MAXNS of resolv.conf(5) */
#define NET_IP_TEXT INET6_ADDRSTRLEN

struct net_ip {
	sa_family_t family;      /* AF_INET, AF_INET6, or AF_UNSPEC = none */
	unsigned char bytes[16]; /* network order; the first 4 for AF_INET */
};

struct net_settings {
	struct net_ip address;
	unsigned int prefix;
	struct net_ip gateway; /* AF_UNSPEC: no default route */
	size_t dns_count;
	struct net_ip dns[NET_DNS_MAX]; /* more are dropped */
	unsigned int mtu;               /* 0: the driver's */
};

/* "192.0.2.1", "2001:db8::1". 0 or -EINVAL. */
int net_ip_parse(const char *text, struct net_ip *ip) MUST_CHECK;
/* `text` holds NET_IP_TEXT bytes. Returns it. */
const char *net_ip_format(const struct net_ip *ip, char *text);
/* True if `peer` is in the network of address/prefix. */
bool net_ip_in_network(const struct net_ip *address, unsigned int prefix,
	const struct net_ip *peer);

/* From [net] address, gateway, dns. 0, or -EINVAL; then *bad is the offending key. */
int net_settings_from_config(const struct config *config, struct net_settings *settings,
	const char **bad) MUST_CHECK;

/* From the variables that udhcpc gives its script (`get` is getenv): ip, mask (a prefix length) or
 * subnet, router, dns, mtu. What is optional and malformed is left out. 0 or -EINVAL (no usable
 * address). */
int net_settings_from_lease(char *(*get)(const char *name),
	struct net_settings *settings) MUST_CHECK;
