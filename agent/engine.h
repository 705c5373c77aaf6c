/* SPDX-License-Identifier: MIT
 *
 * engine.h - asks dockerd whether it is there: GET /_ping on its socket, with a deadline, never blocking.
 *
 * When: at once when its service becomes active, then every `calm_s` seconds; after a failure again
 * after 0.25 s, 0.5 s, ... up to `calm_s`. Never while the service is not active.
 */
#pragma once

#include "agent/common/facts.h"
#include "agent/common/transport.h"
#include "lib/base.h"
#include "lib/loop.h"

/* A loaded machine may keep dockerd busy for seconds; one that does not answer for this long is of
 * no use to anybody. */
#define ENGINE_DEADLINE_MS 10000
#define ENGINE_ANSWER_MAX  2048

/* Called when the engine facts changed. */
typedef void engine_fn(void *ctx);

struct engine {
	struct loop *loop;
	struct address address;
	struct facts_engine *facts;
	unsigned int calm_s;
	uint64_t since_us; /* the service is active since then; 0: it is not */
	unsigned int failures;
	struct transport transport;
	struct loop_source source;
	struct loop_timer timer; /* deadline of a probe under way, else the next probe */
	int fd;                  /* of a probe under way, -1 */
	char answer[ENGINE_ANSWER_MAX];
	size_t answer_len;
	engine_fn *fn;
	void *ctx;
};

void engine_init(struct engine *engine, struct loop *loop, const struct address *address,
	struct facts_engine *facts, unsigned int calm_s, engine_fn *fn, void *ctx);
/* Tells since when the service is active (any number that changes with a restart), 0 if it is not. A
 * change sets the facts to UNKNOWN and starts or ends the probing; `fn` is not called from in here. */
void engine_set_active(struct engine *engine, uint64_t since_us);
void engine_stop(struct engine *engine);

/* Pure: reads a complete or incomplete answer to the ping. Returns 0 (the engine is well; the API version,
 * if told, is in `version`), -EAGAIN (incomplete), -EPROTO (not HTTP), or -EREMOTEIO with the HTTP status
 * in *status. */
int engine_parse_answer(const char *text, size_t len, int *status, char *version,
	size_t version_size) MUST_CHECK;
