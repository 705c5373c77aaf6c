/* SPDX-License-Identifier: MIT
 *
 * proxy.h - what is accepted here is connected there: the Docker API from vsock 701 to dockerd's
 * socket (agent), and from a local socket to a guest's port 701 (keelctl forward).
 *
 * When the target does not answer, the client gets a complete HTTP 503 with the reason, not a reset.
 *
 * A target that is told to stop waits for the streams that are open (dockerd: 5 s, for `docker events`, which never ends).
 * proxy_target_stops() has those ended that are quiet: the target is told that the client has nothing more to
 * say, ends its answer in order, and the client sees a complete one. Left alone are requests without an answer yet,
 * answers under way, and what was upgraded (HTTP 101: attach, exec, build): their end of input would be a container's.
 */
#pragma once

#include "agent/common/address.h"
#include "agent/common/listener.h"
#include "lib/base.h"
#include "lib/loop.h"

/* Twice as many descriptors, and a page of memory each. */
#define PROXY_CONNECTIONS_MAX 1024
/* What a program with one proxy may need: two each, RELAY_PIPES_MAX pipes, and some. */
#define PROXY_DESCRIPTORS 3072
/* Kept for the next connections when theirs are over. */
#define PROXY_SPARES_MAX 16
/* An answer of which nothing came for so long is not under way. */
#define PROXY_QUIET_US (UINT64_C(200) * 1000)

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
	struct proxy_connection *connections, *spares;
	unsigned int count, spare_count;
	struct loop_timer
		quiet_timer; /* armed while the target stops and there may be quiet answers */
	int dial_error;
	struct proxy_counts counts;
};

void proxy_init(struct proxy *proxy, struct loop *loop, const struct address *listen,
	unsigned int mode, const struct address *target, unsigned int timeout_ms,
	const char *unavailable);
/* Opens the listener; see listener_open. */
int proxy_open(struct proxy *proxy) MUST_CHECK;
/* A connection of our own, served as if the listener had accepted it, also beyond PROXY_CONNECTIONS_MAX and without a call
 * of on_unavailable. 0 and a non-blocking *fd, or -errno: also why there is no target, if that is known at once. */
int proxy_dial(struct proxy *proxy, int *fd) MUST_CHECK;
/* The target was told to stop, or is up again. May be called with the same word again. */
void proxy_target_stops(struct proxy *proxy, bool stops);
/* Adds what was passed on so far, to clients and to the target. */
void proxy_add_bytes(const struct proxy *proxy, uint64_t bytes[2]);
/* Closes the listener and every connection. */
void proxy_close(struct proxy *proxy);
