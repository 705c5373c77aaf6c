/* SPDX-License-Identifier: MIT
 *
 * event_cursor.c - see event_cursor.h. Caller: events.c.
 */
#include "agent/event_cursor.h"

#include <stdio.h>

static uint64_t last_start(const struct event_ring *ring, uint64_t count)
{
	uint64_t first = event_ring_first(ring);

	return count < ring->next - first ? ring->next - count : first;
}

void event_cursor_init(struct event_cursor *cursor, const struct event_ring *ring,
	const struct event_query *query)
{
	*cursor = (struct event_cursor){.kinds = query->kinds};
	switch (query->start) {
	case EVENT_START_LAST:
		cursor->next = last_start(ring, query->number);
		return;
	case EVENT_START_AFTER:
		/* One of this life that was not given yet was never given. */
		if (query->life == ring->life && query->number < ring->next) {
			cursor->next = query->number + 1;
			return;
		}
		break;
	case EVENT_START_FOREIGN:
		break;
	}
	cursor->next = event_ring_first(ring);
	cursor->reset = true;
}

/* The text that id, kind and data make. Everything up to `number` is known to who reads it. */
static size_t write_message(const struct event_ring *ring, uint64_t number, const char *kind,
	const char *data, char *buffer, size_t size)
{
	char id[EVENT_ID_MAX];

	event_id_write(id, ring->life, number);
	return (size_t)snprintf(buffer, size, "id: %s\nevent: %s\ndata: %s\n\n", id, kind, data);
}

static size_t write_greeting(const struct event_cursor *cursor, const struct event_ring *ring,
	char *buffer, size_t size)
{
	char id[EVENT_ID_MAX];

	/* Without data it is no event, and sets the id all the same: who is cut off before the first one misses nothing. */
	event_id_write(id, ring->life, cursor->next - 1);
	return (size_t)snprintf(buffer, size, "retry: %d\nid: %s\n\n", EVENT_RETRY_MS, id);
}

static size_t write_reset(const struct event_cursor *cursor, const struct event_ring *ring,
	const struct event_time *time, char *buffer, size_t size)
{
	char data[EVENT_TIME_MAX + 64];
	size_t len = event_time_write(data, sizeof(data), time);

	(void)snprintf(data + len, sizeof(data) - len, ",\"kept\":%llu}",
		(unsigned long long)(ring->next - cursor->next));
	return write_message(ring, cursor->next - 1, "reset", data, buffer, size);
}

static size_t write_lost(const struct event_ring *ring, uint64_t number, uint64_t count,
	const char *reason, const struct event_time *time, char *buffer, size_t size)
{
	char data[EVENT_TIME_MAX + 64];
	size_t len = event_time_write(data, sizeof(data), time);

	(void)snprintf(data + len, sizeof(data) - len, ",\"count\":%llu,\"reason\":\"%s\"}",
		(unsigned long long)count, reason);
	return write_message(ring, number, "lost", data, buffer, size);
}

/* One step: at most one message. */
static size_t write_next(struct event_cursor *cursor, const struct event_ring *ring,
	const struct event_time *time, char *buffer, size_t size)
{
	uint64_t first = event_ring_first(ring), lost;
	const struct event *event;

	if (!cursor->greeted) {
		cursor->greeted = true;
		return write_greeting(cursor, ring, buffer, size);
	}
	if (cursor->next < first) {
		lost = first - cursor->next;
		cursor->next = first;
		if (!cursor->reset) /* it knows nothing of this life that it could have lost */
			return write_lost(ring, first - 1, lost, "overrun", time, buffer, size);
	}
	if (cursor->reset) {
		cursor->reset = false;
		return write_reset(cursor, ring, time, buffer, size);
	}
	event = event_ring_get(ring, cursor->next++);
	if (!(cursor->kinds & 1U << event->kind))
		return 0;
	if (event->len == 0)
		return write_lost(ring, cursor->next - 1, 1, "too_long", time, buffer, size);
	return write_message(ring, cursor->next - 1, event_kind_name(event->kind), event->json,
		buffer, size);
}

static bool has_more(const struct event_cursor *cursor, const struct event_ring *ring)
{
	return !cursor->greeted || cursor->reset || cursor->next < ring->next;
}

size_t event_cursor_write(struct event_cursor *cursor, const struct event_ring *ring,
	const struct event_time *time, char *buffer, size_t size)
{
	size_t len = 0;

	while (has_more(cursor, ring) && size - len >= EVENT_MESSAGE_MAX)
		len += write_next(cursor, ring, time, buffer + len, size - len);
	return len;
}

size_t event_cursor_write_beat(const struct event_cursor *cursor, const struct event_ring *ring,
	char *buffer, size_t size)
{
	char id[EVENT_ID_MAX];

	event_id_write(id, ring->life, cursor->next - 1);
	return (size_t)snprintf(buffer, size, ":\nid: %s\n\n", id);
}
