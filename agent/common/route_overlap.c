/* SPDX-License-Identifier: MIT
 *
 * route_overlap.c - see route_overlap.h. Caller: network_facts.c.
 */
#include "agent/common/route_overlap.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "agent/common/route_line.h"

/* A shorter one is a way out, split in two or more as VPNs do, and no network. */
#define MASK_MIN 8

static bool is_dockers(const struct route_line *route)
{
	return strcmp(route->interface, "docker0") == 0 ||
	       strncmp(route->interface, "br-", strlen("br-")) == 0;
}

static bool parse_route(const char *line, struct route_line *route)
{
	return route_line_parse(line, route) && __builtin_popcount(route->mask) >= MASK_MIN;
}

static void print_route(const struct route_line *route, char *text, size_t size)
{
	const struct in_addr ip = {.s_addr = route->destination};
	char address[INET_ADDRSTRLEN];

	(void)inet_ntop(AF_INET, &ip, address, sizeof(address));
	(void)snprintf(text, size, "%s (%s/%d)", route->interface, address,
		__builtin_popcount(route->mask));
}

static bool overlap(const struct route_line *a, const struct route_line *b)
{
	return is_dockers(a) && !is_dockers(b) &&
	       ((a->destination ^ b->destination) & a->mask & b->mask) == 0;
}

static size_t parse_table(const char *table, struct route_line routes[ROUTE_OVERLAP_MAX])
{
	size_t count = 0;

	for (const char *line = table; *line && count < ROUTE_OVERLAP_MAX;) {
		size_t len = strcspn(line, "\n");

		count += parse_route(line, &routes[count]) ? 1 : 0;
		line += len + (line[len] == '\n' ? 1 : 0);
	}
	return count;
}

const char *route_overlap_find(const char *table, char text[ROUTE_OVERLAP_TEXT])
{
	struct route_line routes[ROUTE_OVERLAP_MAX];
	size_t count = parse_table(table, routes);
	char ours[48], other[48];

	text[0] = '\0';
	for (size_t i = 0; i < count * count; i++) {
		const struct route_line *a = &routes[i / count], *b = &routes[i % count];

		if (!overlap(a, b))
			continue;
		print_route(a, ours, sizeof(ours));
		print_route(b, other, sizeof(other));
		(void)snprintf(text, ROUTE_OVERLAP_TEXT, "%s shares addresses with %s", ours,
			other);
		break;
	}
	return text;
}
