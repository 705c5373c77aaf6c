/* SPDX-License-Identifier: MIT
 *
 * net_apply.h - gives a link its settings.
 */
#pragma once

#include "init/net/rtnl.h"

/* Sets MTU, address, default route and /etc/resolv.conf, in this order, and reports the stage as
 * DONE
 * ("192.0.2.7/24 from DHCP on eth0"), or as DEGRADED with what did not work. 0 or -errno. `origin`
 * is " from DHCP" or "". */
int net_apply_settings(struct rtnl *rtnl, const struct rtnl_link *link,
	const struct net_settings *settings, const char *origin) MUST_CHECK;
