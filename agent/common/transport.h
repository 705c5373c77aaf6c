/* SPDX-License-Identifier: MIT
 *
 * transport.h - a connection being made: connect, the hybrid-vsock handshake where the address needs one, a
 * deadline, one answer. Never blocks (but transport_connect, for command lines).
 *
 * This and address.h are all that knows kinds of sockets: what is behind the answer's descriptor is a stream. HACKING.md has
 * "A transport more".
 */
#pragma once

#include "agent/common/address.h"
#include "lib/base.h"
#include "lib/loop.h"

/* The answer: fd >= 0 (non-blocking, now the callee's) and error 0, or fd -1 and error -errno
 * (-ETIMEDOUT at the deadline; -ECONNREFUSED also when the hypervisor closed instead of
 * saying OK, or said something else; -EPROTO: a line without end). */
typedef void transport_fn(void *ctx, int fd, int error);

struct transport {
	struct loop *loop;
	struct address address;
	struct loop_source source;
	struct loop_timer deadline, retry;
	int fd; /* -1: nothing under way */
	bool busy, said_hello;
	char line[64]; /* the handshake's answer */
	size_t line_len;
	transport_fn *fn;
	void *ctx;
};

/* Starts. The answer may come before this returns. `transport` is free for reuse once it came. */
void transport_start(struct transport *transport, struct loop *loop, const struct address *address,
	unsigned int timeout_ms, transport_fn *fn, void *ctx);
/* Gives up without an answer; nothing happens if none is under way. */
void transport_cancel(struct transport *transport);

/* Blocking: 0 and a non-blocking *fd, or -errno. */
int transport_connect(const struct address *address, unsigned int timeout_ms, int *fd) MUST_CHECK;
