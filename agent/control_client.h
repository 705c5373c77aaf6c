/* SPDX-License-Identifier: MIT
 *
 * control_client.h - the agent's subscription to PID 1 (lib/control.h): keeps the facts' records true.
 */
#pragma once

#include "agent/common/facts.h"
#include "lib/base.h"
#include "lib/control.h"
#include "lib/loop.h"

/* Called when the picture is whole and differs from the last one: after a burst of records, and when
 * the connection is lost for longer than one attempt to renew it. */
typedef void control_client_fn(void *ctx);

struct control_client {
	struct loop *loop;
	const char *path;
	struct facts *facts;
	struct loop_source source;
	struct loop_timer retry;
	unsigned int failures; /* attempts in a row */
	bool complained;       /* about the present row of failures */
	int fd;
	control_client_fn *fn;
	void *ctx;
};

/* `path` NULL: do not connect at all. Never fails: it tries again with backoff, 0.2 to 5 s. */
void control_client_start(struct control_client *client, struct loop *loop, const char *path,
	struct facts *facts, control_client_fn *fn, void *ctx);
/* Sends a request on the subscribed connection; `unit` NULL where the verb takes none. 0 or -errno; PID 1's
 * refusal is logged. */
int control_client_send(struct control_client *client, enum control_verb verb,
	const char *unit) MUST_CHECK;
void control_client_stop(struct control_client *client);
