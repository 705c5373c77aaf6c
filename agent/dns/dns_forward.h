/* SPDX-License-Identifier: MIT
 *
 * dns_forward.h - DNS for containers: what arrives on RESOLV_FORWARD_IP is asked of resolv.conf's resolvers, from
 * this network namespace, in which they can be reached. Messages pass as they are.
 *
 * What always holds:
 *  - Only what came in by a bridge or by loopback is answered: no other network is offered a resolver.
 *  - Each query has a socket of its own, so that only the asked resolver can answer, on a port nobody can guess.
 *  - Memory and descriptors are fixed: the oldest query or connection makes room for the newest, and one client's
 *    own makes room for its next before it can take all (dns_slot.h).
 */
#pragma once

#include "agent/common/relay.h"
#include "agent/common/resolv_conf.h"
#include "agent/dns/dns_slot.h"
#include "lib/base.h"
#include "lib/loop.h"

#define DNS_QUERIES_MAX    256
#define DNS_QUERIES_OF_ONE 64   /* client address */
#define DNS_QUERY_BYTES    1500 /* of a query by UDP; answers may be larger */
#define DNS_STREAMS_MAX    32
#define DNS_STREAMS_OF_ONE 8

struct dns_forward;

struct dns_query {
	struct dns_forward *forward;
	struct loop_source answer; /* fd -1: not in use */
	struct loop_timer patience;
	struct sockaddr_in client;
	unsigned int next; /* of the resolvers to ask */
	size_t len;
	uint8_t data[DNS_QUERY_BYTES];
};

struct dns_stream {
	struct dns_forward *forward;
	struct loop_source connecting;
	struct loop_timer patience;
	struct relay relay;
	int client_fd; /* until the relay has it */
	bool used, relaying;
	unsigned int next;
	uint64_t end_us, bytes; /* relayed when it was last looked at */
};

struct dns_forward {
	struct loop *loop;
	struct resolv_conf conf; /* may be replaced at any time */
	struct loop_source udp, tcp;
	uint64_t number; /* of the next query or connection */
	struct dns_slot query_slots[DNS_QUERIES_MAX], stream_slots[DNS_STREAMS_MAX];
	struct dns_query queries[DNS_QUERIES_MAX];
	struct dns_stream streams[DNS_STREAMS_MAX];
};

void dns_forward_init(struct dns_forward *forward, struct loop *loop);
/* Listens on ip:port, UDP and TCP. 0 or -errno; nothing is open then. */
int dns_forward_open(struct dns_forward *forward, const char *ip, unsigned int port) MUST_CHECK;
bool dns_forward_is_open(const struct dns_forward *forward);
void dns_forward_close(struct dns_forward *forward);
