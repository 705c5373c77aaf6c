/* SPDX-License-Identifier: MIT
 *
 * route_line.h - a line of /proc/net/route (proc(5)). Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct route_line {
	char interface[16];
	uint32_t destination, gateway, mask; /* network byte order, as the kernel writes them */
	unsigned int flags;                  /* RTF_ of linux/route.h */
};

/* False if it is none, as the heading, or of a route that is not up. Ends at a newline or NUL. */
bool route_line_parse(const char *line, struct route_line *route);
