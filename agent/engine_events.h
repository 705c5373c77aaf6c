/* SPDX-License-Identifier: MIT
 *
 * engine_events.h - hears that something happened in dockerd: a connection to its event stream (Docker's API: "Monitor
 * events") that stays open. What came is not parsed: the filter in the request says what it can be.
 */
#pragma once

#include "agent/common/facts.h"
#include "agent/common/transport.h"
#include "lib/base.h"
#include "lib/loop.h"

/* {"event":[...]}, percent-encoded. */
#define ENGINE_EVENTS_REQUEST(names_)                                           \
	"GET /events?filters=%7B%22event%22%3A%5B" names_ "%5D%7D HTTP/1.1\r\n" \
	"Host: docker\r\nUser-Agent: keel-agent\r\n\r\n"
#define ENGINE_EVENT(name_) "%22" name_ "%22"

typedef void engine_events_fn(void *ctx);

struct engine_events {
	struct loop *loop;
	struct address address; /* dockerd's */
	const char *request;    /* ENGINE_EVENTS_REQUEST */
	const struct facts *facts;
	struct transport transport;
	struct loop_source source;
	int fd; /* -1: not connected */
	bool connecting;
	engine_events_fn *fn;
	void *ctx;
};

/* `fn` is called once when the stream is there (what came before is not known), then at one or more events. */
void engine_events_init(struct engine_events *events, struct loop *loop,
	const struct address *address, const char *request, const struct facts *facts,
	engine_events_fn *fn, void *ctx);
/* Connects if dockerd answers and the data disk is mounted; hangs up when it is told to stop, for it would wait 5 s for this
 * connection. To be called when that may have changed, and now and then
 * for a stream that broke. */
void engine_events_update(struct engine_events *events);
void engine_events_stop(struct engine_events *events);
