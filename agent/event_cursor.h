/* SPDX-License-Identifier: MIT
 *
 * event_cursor.h - one reader's place in the ring, and what it is sent: a text/event-stream (WHATWG HTML, "Server-sent
 * events"). Pure.
 *
 * What a reader missed is told by an event `lost` with its count; that its id is of another life, by an event `reset`. Both
 * are numbered like the last event before what follows, so that an id always means: everything up to here.
 */
#pragma once

#include "agent/event_query.h"
#include "agent/event_ring.h"
#include "lib/base.h"

#define EVENT_MESSAGE_MAX (EVENT_JSON_MAX + EVENT_ID_MAX + 40) /* of one, with its lines */
#define EVENT_RETRY_MS    1000 /* what clients are asked to wait before they come back */

struct event_cursor {
	uint64_t next; /* the number that comes next */
	unsigned int kinds;
	bool greeted;
	bool reset; /* is to be told so */
};

void event_cursor_init(struct event_cursor *cursor, const struct event_ring *ring,
	const struct event_query *query);
/* What there is, as far as it fits whole (`size` of at least 2 * EVENT_MESSAGE_MAX). The length; 0: nothing now. `time` is
 * that of what is said about the stream itself. */
size_t event_cursor_write(struct event_cursor *cursor, const struct event_ring *ring,
	const struct event_time *time, char *buffer, size_t size);
/* A sign of life that is no event; it also says how far the ring was looked through for this reader. */
size_t event_cursor_write_beat(const struct event_cursor *cursor, const struct event_ring *ring,
	char *buffer, size_t size);
