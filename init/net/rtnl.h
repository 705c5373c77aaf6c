/* SPDX-License-Identifier: MIT
 *
 * rtnl.h - links, addresses and routes of the kernel (rtnetlink(7)) through libmnl. All calls block
 * until the kernel has answered, which it does at once.
 */
#pragma once

#include <net/if.h>

#include "init/net/net_settings.h"
#include "lib/base.h"

struct rtnl; /* a socket */

struct rtnl_link {
	int index;
	unsigned int flags; /* IFF_* */
	bool ethernet;      /* hardware type Ethernet */
	bool software;      /* made by software: bridge, veth, dummy, tun, ... */
	char name[IFNAMSIZ];
};

/* Each ends with 0 or -errno. */
int rtnl_open(struct rtnl **rtnl) MUST_CHECK;
void rtnl_close_p(struct rtnl **rtnl);

int rtnl_set_link_up(struct rtnl *rtnl, int index) MUST_CHECK;
int rtnl_set_link_mtu(struct rtnl *rtnl, int index, unsigned int mtu) MUST_CHECK;

/* Makes address/prefix the only address of its family on the link, link-local ones aside. */
int rtnl_set_address(struct rtnl *rtnl, int index, const struct net_ip *address,
	unsigned int prefix) MUST_CHECK;
/* Removes all IPv4 addresses, and with them their routes. */
int rtnl_clear_addresses(struct rtnl *rtnl, int index) MUST_CHECK;

/* The default route of the gateway's family. `onlink`: the gateway is not in the link's network. */
int rtnl_set_default_route(struct rtnl *rtnl, int index, const struct net_ip *gateway,
	bool onlink) MUST_CHECK;

/* The link of that name, or with "" the first hardware Ethernet link. -ENODEV if there is none. */
int rtnl_find_link(struct rtnl *rtnl, const char *name, struct rtnl_link *link) MUST_CHECK;

/* A socket that becomes readable when a link changes; a plain descriptor of the caller. -errno. */
int rtnl_open_link_events(void) MUST_CHECK;
