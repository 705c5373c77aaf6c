/* SPDX-License-Identifier: MIT
 *
 * net_apply.c - settings to kernel and resolv.conf; the same for static configuration (main.c) and
 * leases (lease.c). May be repeated with the same or other settings: everything is replaced.
 */
#include "init/net/net_apply.h"

#include <stdio.h>
#include <string.h>

#include "init/net/resolv.h"
#include "lib/control.h"
#include "lib/log.h"

#define RESOLV_CONF "/etc/resolv.conf"

static int fail(const char *what, const struct rtnl_link *link, int rc)
{
	stage_report_send(STAGE_STATE_DEGRADED, NULL, "%s on %s: %s", what, link->name,
		strerror(-rc));
	return rc;
}

int net_apply_settings(struct rtnl *rtnl, const struct rtnl_link *link,
	const struct net_settings *settings, const char *origin)
{
	char address[NET_IP_TEXT];
	int rc;

	if (settings->mtu > 0) {
		rc = rtnl_set_link_mtu(rtnl, link->index, settings->mtu);
		if (rc < 0) /* the driver knows better: go on with its own */
			log_warning("set MTU %u on %s: %s", settings->mtu, link->name,
				strerror(-rc));
	}
	rc = rtnl_set_address(rtnl, link->index, &settings->address, settings->prefix);
	if (rc < 0)
		return fail("set the address", link, rc);
	if (settings->gateway.family != AF_UNSPEC) {
		bool onlink = !net_ip_in_network(&settings->address, settings->prefix,
			&settings->gateway);

		rc = rtnl_set_default_route(rtnl, link->index, &settings->gateway, onlink);
		if (rc < 0)
			return fail("set the default route", link, rc);
	}
	rc = resolv_write(RESOLV_CONF, settings);
	if (rc < 0)
		return fail("write " RESOLV_CONF " for the resolvers", link, rc);
	stage_report_send(STAGE_STATE_DONE, NULL, "%s/%u%s on %s",
		net_ip_format(&settings->address, address), settings->prefix, origin, link->name);
	return 0;
}
