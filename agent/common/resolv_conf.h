/* SPDX-License-Identifier: MIT
 *
 * resolv_conf.h - what resolv.conf(5) says, and how far dockerd gets with it. Pure.
 */
#pragma once

#include <netinet/in.h>

#include "lib/base.h"

#define RESOLV_CONF        "/etc/resolv.conf"
#define RESOLV_SERVERS     3 /* MAXNS of resolv.conf(5): more are not asked */
#define RESOLV_SERVER_TEXT 64
#define RESOLV_CONF_TEXT   8192 /* of the file; what is beyond is not read */
#define RESOLV_FORWARD_IP \
	"10.255.255.253" /* where keel-dns listens for containers, see docs/network.md */
#define RESOLV_FORWARD_PORT 53
/* dockerd's option for it, an EnvironmentFile=; empty or missing: containers get what resolv.conf says. */
#define RESOLV_ENVIRONMENT "/run/keel/docker-dns.env"
#define RESOLV_OPTION      "KEEL_DNS=--dns=" RESOLV_FORWARD_IP
/* What keel-dns's status begins with while it answers there. */
#define RESOLV_STATUS_ANSWERS "containers ask " RESOLV_FORWARD_IP ","

struct resolv_server {
	sa_family_t family;
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
	char scope[16];                /* of a link-local address, "" if it has none */
	char text[RESOLV_SERVER_TEXT]; /* as written */
};

struct resolv_conf {
	unsigned int count;
	struct resolv_server servers[RESOLV_SERVERS];
};

/* dockerd hands a container on its default bridge only IPv4 resolvers outside of 127.0.0.0/8. If none is left it takes
 * public ones (8.8.8.8) without a word. */
enum resolv_reach {
	RESOLV_REACH_NONE,   /* resolv.conf names no resolver */
	RESOLV_REACH_DIRECT, /* at least one is for containers too */
	RESOLV_REACH_LOCAL,  /* all are for this network namespace only: loopback, or IPv6 */
};

/* The text is NUL-terminated; a line that is none is skipped, as is RESOLV_FORWARD_IP, also as ::ffff:: it
 * would ask itself. */
void resolv_conf_parse(const char *text, struct resolv_conf *conf);
enum resolv_reach resolv_conf_reach(const struct resolv_conf *conf);
/* The names, separated by blanks, for people. Returns `text`. */
const char *resolv_conf_list(const struct resolv_conf *conf, char *text, size_t size);
