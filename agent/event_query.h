/* SPDX-License-Identifier: MIT
 *
 * event_query.h - GET /v1/events?kinds=K,K&last_event_id=ID&since=ID&last=N&follow=0 and the header Last-Event-ID. Pure;
 * fuzzed.
 *
 * The header is of a client that has come back, and newer than what is in the address it was once given: it wins. Of a
 * header nothing is refused, because the client cannot help it (WHATWG HTML): what is no id of ours is one of another life.
 */
#pragma once

#include "agent/event_ring.h"
#include "agent/http_request.h"
#include "lib/base.h"

#define EVENT_QUERY_ALL ((1U << EVENT_KINDS) - 1)

enum event_start {
	EVENT_START_LAST,    /* with the last `number` that are kept */
	EVENT_START_AFTER,   /* behind the event LIFE-NUMBER */
	EVENT_START_FOREIGN, /* the client came with an id that we never give */
};

struct event_query {
	unsigned int kinds; /* bits: 1 << enum event_kind */
	bool follow;        /* go on with what comes */
	enum event_start start;
	uint64_t life, number;
};

/* 0; -EINVAL: a key, kind or value that is not known. */
int event_query_parse(const struct http_request *request, struct event_query *query) MUST_CHECK;
