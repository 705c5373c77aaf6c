/* SPDX-License-Identifier: MIT
 *
 * events.c - see events.h. Callers: agent.c, event_watch.c, api.c.
 */
#include "agent/events.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "agent/event_cursor.h"
#include "lib/clock.h"

/* So often a silent stream gives a sign of life: a peer that is gone without a word is found, and so is the agent's end. */
#define BEAT_US (15 * USEC_PER_SEC)

struct event_stream {
	struct events *events;
	struct event_cursor cursor;
	bool follow;
	unsigned int beat; /* the last that was given */
};

static struct event_time now(void)
{
	struct timespec real;

	(void)clock_gettime(CLOCK_REALTIME, &real);
	return (struct event_time){.boot_us = clock_now_us(),
		.real_us = (uint64_t)real.tv_sec * USEC_PER_SEC + (uint64_t)real.tv_nsec / 1000};
}

static void on_wake(struct loop_timer *timer)
{
	struct events *events = timer->ctx;

	http_server_wake(events->server);
}

/* ---- one stream ---------------------------------------------------------------------------- */

static void on_beat(struct loop_timer *timer)
{
	struct events *events = timer->ctx;

	events->beat++;
	http_server_wake(events->server);
	if (events->followers > 0)
		loop_timer_set(events->loop, timer, clock_now_us() + BEAT_US, on_beat, events);
}

static ssize_t read_stream(void *ctx, char *buffer, size_t size)
{
	struct event_stream *stream = ctx;
	const struct event_ring *ring = &stream->events->ring;
	struct event_time time = now();
	size_t len = event_cursor_write(&stream->cursor, ring, &time, buffer, size);

	if (len == 0 && !stream->follow)
		return -ENODATA;
	if (len == 0 && stream->beat != stream->events->beat)
		len = event_cursor_write_beat(&stream->cursor, ring, buffer, size);
	stream->beat = stream->events->beat;
	return (ssize_t)len;
}

static void close_stream(void *ctx)
{
	struct event_stream *stream = ctx;
	struct events *events = stream->events;

	events->followers--;
	if (events->followers == 0) {
		loop_timer_cancel(events->loop, &events->keep_alive);
		loop_timer_cancel(events->loop, &events->wake);
	}
	free(stream);
}

static const struct http_stream ops = {.read = read_stream, .close = close_stream};

void events_answer(struct events *events, const struct http_request *request,
	struct http_response *response)
{
	struct event_query query;
	struct event_stream *stream;

	if (event_query_parse(request, &query) < 0) {
		http_response_problem(response, 400, "bad_query",
			"the query may have kinds=KIND,KIND, last_event_id=ID or since=ID, last=NUMBER, "
			"follow=0 or 1; kinds are status, service, stage, engine, disk, memory, oom, clock, kernel");
		return;
	}
	stream = malloc(sizeof(*stream));
	if (!stream) {
		http_response_problem(response, 503, "events_unavailable",
			"there is no memory for one more stream");
		return;
	}
	*stream = (struct event_stream){
		.events = events, .follow = query.follow, .beat = events->beat};
	event_cursor_init(&stream->cursor, &events->ring, &query);
	if (events->followers++ == 0)
		loop_timer_set(events->loop, &events->keep_alive, clock_now_us() + BEAT_US, on_beat,
			events);
	*response = (struct http_response){
		.status = 200, .type = "text/event-stream", .stream = &ops, .stream_ctx = stream};
}

/* ---- all of them --------------------------------------------------------------------------- */

/* The start to the millisecond, which is unique within a boot, and chance for the boots. */
static uint64_t make_life(void)
{
	uint32_t chance = 0;

	(void)!getrandom(&chance, sizeof(chance), GRND_NONBLOCK);
	return clock_now_us() / USEC_PER_MSEC << 24 | (chance & 0xffffff);
}

void events_init(struct events *events, struct loop *loop, struct http_server *server)
{
	events->loop = loop;
	events->server = server;
	event_ring_init(&events->ring, make_life());
}

void events_add(struct events *events, enum event_kind kind, const char *json, size_t len)
{
	struct event_time time = now();

	event_ring_add(&events->ring, kind, &time, json, len);
	/* Not from here: the caller may be in the middle of a request. */
	if (events->followers > 0 && events->wake.at_us == 0)
		loop_timer_set(events->loop, &events->wake, time.boot_us, on_wake, events);
}

void events_stop(struct events *events)
{
	loop_timer_cancel(events->loop, &events->wake);
	http_server_wake(events->server);
}
