/* SPDX-License-Identifier: MIT
 *
 * relay.h - bytes both ways between two connected stream sockets, with half-close.
 *
 * What always holds:
 *  - An end of input on one side becomes shutdown(SHUT_WR) on the other, after everything that was
 *    read before it; the other direction goes on (Docker's attach and exec need that).
 *  - A side that takes nothing stops the reading of its peer: at most RELAY_CHUNK bytes wait for it.
 *  - A side that is gone (not just half-closed) ends its direction at once, also while nothing flows.
 *  - An idle relay costs no buffer: bytes pass through one shared chunk, and a side gets a
 *    buffer of its own only when it could not take all at once.
 */
#pragma once

#include "lib/base.h"
#include "lib/loop.h"

#define RELAY_CHUNK (64 * 1024)

struct relay;

/* Called once, when both directions are over; the sockets are closed, the memory is the callee's. */
typedef void relay_done_fn(void *ctx);

struct relay_side {
	struct relay *relay;
	struct relay_side *peer;
	int fd;
	struct loop_source source;
	bool read_done;  /* nothing more comes from it */
	bool write_done; /* nothing more can or shall be written to it */
	char *waiting;   /* RELAY_CHUNK bytes, mapped at the first need; NULL until then */
	size_t waiting_start, waiting_len;
};

struct relay {
	struct loop *loop;
	struct relay_side side[2];
	uint64_t bytes[2]; /* written to side 0 and side 1 */
	relay_done_fn *fn;
	void *ctx;
};

/* Takes both descriptors (non-blocking), also when it fails. 0 or -errno. `fn` is never called
 * from inside this function. */
int relay_start(struct relay *relay, struct loop *loop, int fd0, int fd1, relay_done_fn *fn,
	void *ctx) MUST_CHECK;
/* Closes both sides at once and frees the buffers; `fn` is not called. */
void relay_abort(struct relay *relay);
