/* SPDX-License-Identifier: MIT
 *
 * event_ring.c - see event_ring.h. Callers: events.c, event_cursor.c, event_query.c.
 */
#include "agent/event_ring.h"

#include <stdio.h>
#include <string.h>

#include "lib/clock.h"

#define LIFE_DIGITS 16

void event_ring_init(struct event_ring *ring, uint64_t life)
{
	ring->life = life;
	ring->next = 1;
	ring->dropped = 0;
}

size_t event_time_write(char *buffer, size_t size, const struct event_time *time)
{
	return (size_t)snprintf(buffer, size, "{\"at_ms\":%llu.%03llu,\"realtime_ms\":%llu",
		(unsigned long long)(time->boot_us / USEC_PER_MSEC),
		(unsigned long long)(time->boot_us % USEC_PER_MSEC),
		(unsigned long long)(time->real_us / USEC_PER_MSEC));
}

static bool is_object_line(const char *json, size_t len)
{
	if (len < 2 || json[0] != '{' || json[len - 1] != '}')
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)json[i] < ' ')
			return false;
	return true;
}

void event_ring_add(struct event_ring *ring, enum event_kind kind, const struct event_time *time,
	const char *json, size_t len)
{
	struct event *event = &ring->slot[ring->next % EVENT_RING_SLOTS];
	size_t head;

	ring->next++;
	event->kind = kind;
	event->len = 0;
	head = event_time_write(event->json, sizeof(event->json), time);
	if (!is_object_line(json, len) || len > sizeof(event->json) - 1 - head) {
		ring->dropped++;
		return;
	}
	if (len > 2) /* it has members of its own */
		event->json[head++] = ',';
	memcpy(event->json + head, json + 1, len - 1);
	event->len = (uint16_t)(head + len - 1);
	event->json[event->len] = '\0';
}

uint64_t event_ring_first(const struct event_ring *ring)
{
	return ring->next > EVENT_RING_SLOTS ? ring->next - EVENT_RING_SLOTS : 1;
}

const struct event *event_ring_get(const struct event_ring *ring, uint64_t number)
{
	return &ring->slot[number % EVENT_RING_SLOTS];
}

/* The line that event_ring_write makes of one, 0 for one that was dropped; its length, as snprintf has it. */
static size_t write_line(const struct event_ring *ring, uint64_t number, char *buffer, size_t size)
{
	const struct event *event = event_ring_get(ring, number);
	char id[EVENT_ID_MAX];

	if (event->len == 0)
		return 0;
	event_id_write(id, ring->life, number);
	return (size_t)snprintf(buffer, size, "{\"id\":\"%s\",\"event\":\"%s\",%s\n", id,
		event_kind_name(event->kind), event->json + 1);
}

size_t event_ring_write(const struct event_ring *ring, char *buffer, size_t size)
{
	uint64_t first = ring->next;
	size_t sum = 1, len = 0; /* snprintf wants room for a NUL */
	char none[1];

	while (first > event_ring_first(ring)) {
		sum += write_line(ring, first - 1, none, 0);
		if (sum > size)
			break;
		first--;
	}
	for (; first < ring->next; first++)
		len += write_line(ring, first, buffer + len, size - len);
	return len;
}

static const char *const kind_names[] = {
	[EVENT_STATUS] = "status",
	[EVENT_SERVICE] = "service",
	[EVENT_STAGE] = "stage",
	[EVENT_ENGINE] = "engine",
	[EVENT_DISK] = "disk",
	[EVENT_MEMORY] = "memory",
	[EVENT_OOM] = "oom",
	[EVENT_CLOCK] = "clock",
	[EVENT_KERNEL] = "kernel",
};

const char *event_kind_name(enum event_kind kind)
{
	return kind < EVENT_KINDS ? kind_names[kind] : "";
}

int event_kind_find(const char *word, size_t len, enum event_kind *kind)
{
	for (unsigned int i = 0; i < EVENT_KINDS; i++) {
		if (strlen(kind_names[i]) != len || memcmp(kind_names[i], word, len) != 0)
			continue;
		*kind = (enum event_kind)i;
		return 0;
	}
	return -ENOENT;
}

void event_id_write(char text[EVENT_ID_MAX], uint64_t life, uint64_t number)
{
	(void)snprintf(text, EVENT_ID_MAX, "%016llx-%llu", (unsigned long long)life,
		(unsigned long long)number);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int event_id_parse(const char *text, size_t len, uint64_t *life, uint64_t *number)
{
	char again[EVENT_ID_MAX];

	/* 19 digits always fit, and no agent lives as long. */
	if (len < LIFE_DIGITS + 2 || len > LIFE_DIGITS + 20 || text[LIFE_DIGITS] != '-')
		return -EINVAL;
	*life = *number = 0;
	for (size_t i = 0; i < LIFE_DIGITS; i++) {
		if (hex_digit(text[i]) < 0)
			return -EINVAL;
		*life = *life << 4 | (uint64_t)hex_digit(text[i]);
	}
	for (size_t i = LIFE_DIGITS + 1; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		*number = *number * 10 + (uint64_t)(text[i] - '0');
	}
	event_id_write(again, *life, *number);
	return strlen(again) == len ? 0 : -EINVAL; /* no leading zeros: one number, one text */
}
