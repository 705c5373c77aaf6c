/* SPDX-License-Identifier: MIT
 *
 * fuzz_events.c - both ends of GET /v1/events. The first byte says which.
 *
 * Replay: the second and third byte say how full the ring is, how far behind; then come the query and, behind a newline, the
 * header Last-Event-ID, in which "@" stands for an id of this life. What the reader is sent is read back by keelctl's parser:
 * each event of its kinds once, in order, or counted as lost.
 * Stream: any bytes, cut into pieces whose size is the second byte; what comes out is shown.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/ctl/event_view.h"
#include "agent/ctl/sse.h"
#include "agent/event_cursor.h"
#include "tests/fuzz/fuzz.h"

#define LIFE UINT64_C(0xfedcba9876543210)

static struct event_ring ring;
static const struct event_time now = {.boot_us = 1000, .real_us = 2000};

/* ---- the replay ------------------------------------------------------------------------------------- */

struct reading {
	uint64_t last;      /* the number of the last id */
	uint64_t accounted; /* events told or counted as lost */
	unsigned int resets, kinds;
};

static int check_event(void *ctx, const struct sse_event *event)
{
	struct reading *reading = ctx;
	char line[EVENT_VIEW_MAX];
	uint64_t life, number;
	enum event_kind kind;

	FUZZ_CHECK(event_id_parse(event->id, strlen(event->id), &life, &number) == 0);
	FUZZ_CHECK(life == LIFE && number < ring.next);
	FUZZ_CHECK(event_view_line(event->name, event->data, event->data_len, line) == 0);
	if (strcmp(event->name, "reset") == 0) {
		FUZZ_CHECK(reading->resets++ == 0 && reading->accounted == 0);
	} else {
		FUZZ_CHECK(number > reading->last);
		if (strcmp(event->name, "lost") == 0) {
			const char *count = strstr(event->data, "\"count\":");

			FUZZ_CHECK(count != NULL);
			reading->accounted += strtoull(count + 8, NULL, 10);
		} else {
			FUZZ_CHECK(event_kind_find(event->name, strlen(event->name), &kind) == 0);
			FUZZ_CHECK((reading->kinds & 1U << kind) != 0);
			reading->accounted++;
		}
	}
	reading->last = number;
	return 0;
}

static void fill(unsigned int count)
{
	event_ring_init(&ring, LIFE);
	for (unsigned int i = 0; i < count; i++)
		event_ring_add(&ring, (enum event_kind)(i % EVENT_KINDS), &now,
			i % 7 == 0 ? "bad" : "{\"a\":\"b\"}", i % 7 == 0 ? 3 : 9);
}

/* What is there is sent in pieces; `more` events come behind the first. Returns where the reader began. */
static uint64_t replay(const struct event_query *query, unsigned int more, struct reading *reading)
{
	static char text[4 * EVENT_MESSAGE_MAX];
	static struct sse sse;
	struct event_cursor cursor;
	uint64_t began;
	size_t len;

	memset(&sse, 0, sizeof(sse));
	sse_begin(&sse);
	event_cursor_init(&cursor, &ring, query);
	began = cursor.next;
	FUZZ_CHECK(began >= 1 && began <= ring.next);
	while ((len = event_cursor_write(&cursor, &ring, &now, text, sizeof(text))) > 0) {
		FUZZ_CHECK(len <= sizeof(text));
		FUZZ_CHECK(sse_take(&sse, text, len, check_event, reading) == 0);
		while (more > 0) {
			event_ring_add(&ring, EVENT_OOM, &now, "{}", 2);
			more--;
		}
	}
	len = event_cursor_write_beat(&cursor, &ring, text, sizeof(text));
	FUZZ_CHECK(sse_take(&sse, text, len, check_event, reading) == 0);
	FUZZ_CHECK(sse.retry_ms == EVENT_RETRY_MS && sse.dropped == 0);
	FUZZ_CHECK(cursor.next == ring.next);
	return began;
}

/* "@" becomes an id of this life with the number that follows. malloc'ed, as long as its text. */
static char *expand(const char *text, size_t len, size_t *out_len)
{
	char id[EVENT_ID_MAX], *out = malloc(len + EVENT_ID_MAX);
	const char *at = memchr(text, '@', len);
	size_t head = at ? (size_t)(at - text) : len;

	if (!out)
		abort();
	memcpy(out, text, head);
	*out_len = head;
	if (at) {
		event_id_write(id, LIFE, 0);
		memcpy(out + head, id, 17); /* with the "-" */
		memcpy(out + head + 17, at + 1, len - head - 1);
		*out_len = len + 16;
	}
	return out;
}

static void check_replay(const char *text, size_t len)
{
	const char *newline;
	struct http_request request = {0};
	struct event_query query;
	struct reading reading = {0};
	char *first, *second = NULL;
	uint64_t began;

	if (len < 2)
		return;
	newline = memchr(text + 2, '\n', len - 2);
	first = expand(text + 2, newline ? (size_t)(newline - text - 2) : len - 2,
		&request.query_len);
	request.query = first;
	if (newline) {
		second = expand(newline + 1, len - (size_t)(newline + 1 - text),
			&request.last_event_id_len);
		request.last_event_id = second;
	}
	fill((unsigned char)text[0] * 2U);
	if (event_query_parse(&request, &query) == 0) {
		FUZZ_CHECK(query.kinds != 0 && query.kinds <= EVENT_QUERY_ALL);
		reading.kinds = query.kinds;
		began = replay(&query, (unsigned char)text[1] * 2U, &reading);
		if (query.kinds == EVENT_QUERY_ALL && reading.resets == 0)
			FUZZ_CHECK(reading.accounted == ring.next - began);
	}
	free(first);
	free(second);
}

/* ---- the stream ------------------------------------------------------------------------------------- */

static int show(void *ctx, const struct sse_event *event)
{
	char line[EVENT_VIEW_MAX];

	(void)ctx;
	FUZZ_CHECK(strlen(event->id) < SSE_WORD_MAX && strlen(event->name) < SSE_WORD_MAX);
	FUZZ_CHECK(event->name[0] && event->data_len < SSE_DATA_MAX);
	FUZZ_CHECK(event->data[event->data_len] == '\0');
	if (event_view_line(event->name, event->data, event->data_len, line) < 0)
		return 0;
	FUZZ_CHECK(strlen(line) < EVENT_VIEW_MAX);
	for (const char *p = line; *p; p++)
		FUZZ_CHECK((unsigned char)*p >= ' ' && *p != 0x7f);
	return 0;
}

static void check_stream(const char *text, size_t len)
{
	static struct sse sse;
	size_t piece = len > 0 ? (size_t)(unsigned char)text[0] + 1 : 1;

	memset(&sse, 0, sizeof(sse));
	sse_begin(&sse);
	for (size_t at = 1; at < len; at += piece)
		FUZZ_CHECK(sse_take(&sse, text + at, piece < len - at ? piece : len - at, show,
				   NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy;

	if (size < 1)
		return 0;
	/* As long as the input, so that the sanitizer sees every byte read beyond it. */
	copy = malloc(size);
	if (!copy)
		return 0;
	memcpy(copy, data + 1, size - 1);
	if (data[0] == 's')
		check_stream(copy, size - 1);
	else
		check_replay(copy, size - 1);
	free(copy);
	return 0;
}
