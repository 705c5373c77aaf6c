/* SPDX-License-Identifier: MIT
 *
 * route_line.c - see route_line.h. Callers: route_overlap.c, keelctl's guest_network.c.
 */
#include "agent/common/route_line.h"

#include <net/route.h>
#include <stdio.h>

bool route_line_parse(const char *line, struct route_line *route)
{
	/* Iface Destination Gateway Flags RefCnt Use Metric Mask ..., numbers in hex but these three. */
	return sscanf(line, "%15s %8x %8x %4x %*d %*d %*d %8x", route->interface,
		       &route->destination, &route->gateway, &route->flags, &route->mask) == 5 &&
	       (route->flags & RTF_UP) != 0;
}
