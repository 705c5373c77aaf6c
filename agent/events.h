/* SPDX-License-Identifier: MIT
 *
 * events.h - what happens in the guest, as it happens: GET /v1/events, a stream of server-sent events (WHATWG HTML,
 * "Server-sent events") with replay from a ring.
 *
 * Nobody who reads slowly holds anything up: each follower has a place in the ring and is told how many it missed.
 */
#pragma once

#include "agent/event_ring.h"
#include "agent/http.h"
#include "lib/base.h"
#include "lib/loop.h"

struct events {
	struct loop *loop;
	struct http_server *server; /* woken when there is something */
	struct event_ring ring;
	struct loop_timer wake;
	struct loop_timer keep_alive; /* only while somebody follows */
	unsigned int beat;            /* counts keep-alives */
	unsigned int followers;
};

/* Begins a life: ids of another are recognised. */
void events_init(struct events *events, struct loop *loop, struct http_server *server);
/* `json`: one object on a single line, without times, which are added; it is copied. What is too long (EVENT_JSON_MAX) is
 * dropped and counted. May be called from anywhere in the loop: followers get it in its next turn. */
void events_add(struct events *events, enum event_kind kind, const char *json, size_t len);
/* GET /v1/events: 200 with a stream, or a problem. */
void events_answer(struct events *events, const struct http_request *request,
	struct http_response *response);
/* The last words are out, as far as the followers take them: for the end of the agent. */
void events_stop(struct events *events);
