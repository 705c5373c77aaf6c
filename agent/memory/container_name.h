/* SPDX-License-Identifier: MIT
 *
 * container_name.h - asks dockerd for the name that belongs to a container's id (Docker's API: "Inspect a container").
 * One question at a time, never blocking, before a deadline. Caller: oom_watch.c.
 */
#pragma once

#include "agent/common/transport.h"
#include "lib/base.h"
#include "lib/loop.h"

#define CONTAINER_ID_MAX   72
#define CONTAINER_NAME_MAX 80
#define CONTAINER_ANSWER_MAX \
	(64 << 10) /* labels and environment are in it; a longer one is given up */

/* `name`: "" if it could not be found out. The question is free for reuse. */
typedef void container_name_fn(void *ctx, const char *id, const char *name);

struct container_name {
	struct loop *loop;
	struct address address; /* dockerd's */
	struct transport transport;
	struct loop_source source;
	struct loop_timer deadline;
	int fd; /* -1: not connected */
	bool busy;
	char id[CONTAINER_ID_MAX];
	char answer[CONTAINER_ANSWER_MAX];
	size_t answer_len;
	container_name_fn *fn;
	void *ctx;
};

void container_name_init(struct container_name *question, struct loop *loop,
	const struct address *address, container_name_fn *fn, void *ctx);
/* Not while it is busy. The answer may come before this returns. `id` has hexadecimal digits only. */
void container_name_ask(struct container_name *question, const char *id);
/* Gives up without an answer. */
void container_name_cancel(struct container_name *question);

/* Pure: the name in a whole answer, without its slash and clean. 0, or -EPROTO. */
int container_name_parse(const char *answer, size_t len, char *name, size_t size) MUST_CHECK;
