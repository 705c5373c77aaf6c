/* SPDX-License-Identifier: MIT
 *
 * relay.h - bytes both ways between two connected stream sockets, with half-close.
 *
 * What always holds:
 *  - An end of input on one side becomes shutdown(SHUT_WR) on the other, after everything that was
 *    read before it; the other direction goes on (Docker's attach and exec need that).
 *  - A side that takes nothing stops the reading of its peer: at most RELAY_CHUNK bytes wait for it.
 *  - A side that is gone (not just half-closed) is noticed at once, also while nothing flows. What it said before is
 *    still passed on.
 *  - An idle relay costs no buffer: bytes pass through one shared chunk or a shared pipe, and a side gets a
 *    buffer or a pipe of its own only while it could not take all at once.
 *
 * Bulk is not copied: a direction whose last read brought RELAY_BULK bytes goes through a pipe by splice(2), and
 * back to copies when a read brings less. Between two unix sockets (Linux 6.18, writes of 32 KiB) splice takes
 * 0.08 to 0.11 s of our CPU for a GB where a copy takes 0.22, and moves 4 to 5.8 GB/s where copies move 3 to 3.2; with
 * writes of 4 KiB it is 0.21 to 0.29 against 0.31 to 0.37. With writes of 100 bytes a copy is the better one (8 s/GB
 * against 10): one copy gathers what fills many pages of a pipe. Larger chunks (256 KiB, 1 MiB) gave neither of them more than
 * the noise. From unix to TCP splice takes less CPU (0.21 against 0.27 s/GB) but is a quarter slower on an idle machine.
 *
 * A unix socket that gets bulk also gets a deep buffer: it reports room when three quarters of it are free (unix_writable),
 * and a reader that has emptied the rest before we were scheduled waits for us. With 416 KiB, which is what the usual
 * wmem_max gives, instead of 208, docker load on two busy cores went from 0.88 to 1.04 of a direct connection, with half of
 * the wake-ups.
 *
 * The program ignores SIGPIPE (lib/stop_signals.h): splice(2) knows no MSG_NOSIGNAL.
 */
#pragma once

#include "agent/common/relay_pipe.h"
#include "lib/base.h"
#include "lib/loop.h"

#define RELAY_CHUNK (64 * 1024) /* also what a pipe holds: pipe(7) */
#define RELAY_BULK  (16 * 1024)
/* Asked of SO_SNDBUF; the kernel gives twice as much, at most twice net.core.wmem_max (socket(7)). */
#define RELAY_SNDBUF (1024 * 1024)

struct relay;

/* Called once, when both directions are over; the sockets are closed, the memory is the callee's. */
typedef void relay_done_fn(void *ctx);
/* Called with the first bytes that a side says after the other one spoke, before they are passed on. */
typedef void relay_turn_fn(void *ctx, int side, const char *data, size_t len);

struct relay_side {
	struct relay *relay;
	struct relay_side *peer;
	int fd;
	struct loop_source source;
	bool read_done;         /* nothing more comes from it */
	bool write_done;        /* nothing more can or shall be written to it */
	bool bulk;              /* its last read brought much */
	bool deep;              /* its socket has RELAY_SNDBUF */
	bool copies;            /* splice(2) cannot read it, or not write to its peer */
	char *waiting;          /* RELAY_CHUNK bytes, mapped at the first need; NULL until then */
	struct relay_pipe pipe; /* if it has one, what waits is in there */
	size_t waiting_start, waiting_len;
};

struct relay {
	struct loop *loop;
	struct relay_side side[2];
	struct relay_side *speaker; /* who was read last, NULL: nobody yet */
	uint64_t moved_us;          /* when that was */
	uint64_t bytes[2];          /* written to side 0 and side 1 */
	relay_turn_fn *turn;        /* NULL after relay_start */
	relay_done_fn *fn;
	void *ctx;
};

/* Takes both descriptors (non-blocking), also when it fails. 0 or -errno. `fn` is never called
 * from inside this function. */
int relay_start(struct relay *relay, struct loop *loop, int fd0, int fd1, relay_done_fn *fn,
	void *ctx) MUST_CHECK;
/* Ends what is said to a side, as if its peer had ended it; the other direction goes on. Does nothing while bytes wait for
 * it. `fn` may be called. */
void relay_end_input(struct relay *relay, int side);
/* Closes both sides at once and frees the buffers; `fn` is not called. */
void relay_abort(struct relay *relay);
