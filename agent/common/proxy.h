/* SPDX-License-Identifier: MIT
 *
 * proxy.h - what is accepted here is connected there: the Docker API from vsock 701 to dockerd's
 * socket (agent), and from a local socket to a guest's port 701 (keelctl forward).
 *
 * When the target does not answer, the client gets a complete HTTP 503 with the reason, not a reset.
 */
#pragma once

#include "agent/common/address.h"
#include "agent/common/listener.h"
#include "lib/base.h"
#include "lib/loop.h"

#define PROXY_CONNECTIONS_MAX 256

struct proxy_connection;

/* Since the start, for metrics. */
struct proxy_counts {
	uint64_t accepted,
		unavailable; /* unavailable: of these, those for which the target did not answer */
	uint64_t bytes[2];   /* to clients, to the target: by connections that are over */
};

struct proxy {
	struct loop *loop;
	struct listener listener;
	struct address target;
	unsigned int timeout_ms; /* to connect to the target */
	const char *unavailable; /* what to tell the client when there is no target: one sentence */
	void (*on_unavailable)(void *ctx); /* called when there is none; NULL after proxy_init */
	void *ctx;
	struct proxy_connection *connections;
	unsigned int count;
	struct proxy_counts counts;
};

void proxy_init(struct proxy *proxy, struct loop *loop, const struct address *listen,
	unsigned int mode, const struct address *target, unsigned int timeout_ms,
	const char *unavailable);
/* Opens the listener; see listener_open. */
int proxy_open(struct proxy *proxy) MUST_CHECK;
/* Adds what was passed on so far, to clients and to the target. */
void proxy_add_bytes(const struct proxy *proxy, uint64_t bytes[2]);
/* Closes the listener and every connection. */
void proxy_close(struct proxy *proxy);
