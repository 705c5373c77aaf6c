/* SPDX-License-Identifier: MIT
 *
 * report.h - health pushed to the host: one connection from the guest, one JSON object a line (docs/api.md).
 *
 * What always holds: after "hello" comes the whole state, then the whole state at every change, and a
 * heartbeat when there was none. At most one message waits: a host that does not read makes
 * nothing grow, and gets the newest state when it reads again. A lost connection is renewed with backoff.
 */
#pragma once

#include "agent/common/facts.h"
#include "agent/common/transport.h"
#include "lib/base.h"
#include "lib/loop.h"

#define REPORT_MESSAGE_MAX    (256 * 1024)
#define REPORT_BACKOFF_MIN_MS 200
#define REPORT_BACKOFF_MAX_MS 10000
/* One line for each so many milliseconds, at most this late, and well within the 50 ms in which a host is to know: it bounds
 * what a storm of changes costs. What usually comes together (a service ends, starts, is up) is a burst and waits for nothing. */
#define REPORT_GAP_MS 20
#define REPORT_BURST  4
/* A connection that lives shorter is a failure: a host that closes at once is not knocked at for ever. */
#define REPORT_STABLE_MS REPORT_BACKOFF_MAX_MS

struct report {
	struct loop *loop;
	struct address address;
	const struct facts *facts;
	unsigned int heartbeat_s;
	struct transport transport;
	struct loop_source source;
	struct loop_timer timer; /* heartbeat while connected, else the next attempt */
	struct loop_timer gap;   /* armed: a change waits for it */
	int fd;                  /* -1: not connected */
	bool started, said_hello, dirty, complained;
	bool flapping;         /* the last connection did not last */
	unsigned int failures; /* connections in a row that could not be had, or did not last */
	uint64_t connected_us,
		paced_us;  /* since when; when all lines so far would be out, one each gap */
	uint64_t connects; /* so far */
	size_t start, len; /* of the message that waits */
	char message[REPORT_MESSAGE_MAX];
};

/* An address "none" makes every function here do nothing. */
void report_init(struct report *report, struct loop *loop, const struct address *address,
	const struct facts *facts, unsigned int heartbeat_s);
void report_start(struct report *report);
/* The facts changed. */
void report_send_change(struct report *report);
/* Something changed that makes an attempt worth while now (the vsock module is loaded). */
void report_retry_now(struct report *report);
/* Says the last state, for at most `timeout_ms` (blocking), and closes. */
void report_finish(struct report *report, unsigned int timeout_ms);

/* Pure: the wait before the next attempt. Doubles from the minimum to the maximum; `random` takes
 * away up to half, so that many guests do not knock in step. */
unsigned int report_backoff_ms(unsigned int failures, uint32_t random);
