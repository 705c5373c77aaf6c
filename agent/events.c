/* SPDX-License-Identifier: MIT
 *
 * events.c - see events.h. Callers: agent.c, event_watch.c, api.c.
 */
#include "agent/events.h"

#include <time.h>

#include "lib/clock.h"

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

void events_init(struct events *events, struct loop *loop, struct http_server *server)
{
	*events = (struct events){.loop = loop, .server = server};
	event_ring_init(&events->ring, clock_now_us());
}

void events_add(struct events *events, enum event_kind kind, const char *json, size_t len)
{
	struct event_time time = now();

	event_ring_add(&events->ring, kind, &time, json, len);
	/* Not from here: the caller may be in the middle of a request. */
	if (events->followers > 0)
		loop_timer_set(events->loop, &events->wake, time.boot_us, on_wake, events);
}

void events_stop(struct events *events)
{
	loop_timer_cancel(events->loop, &events->wake);
	http_server_wake(events->server);
}
