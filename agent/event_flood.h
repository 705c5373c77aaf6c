/* SPDX-License-Identifier: MIT
 *
 * event_flood.h - how many events of a kind that something outside can make at will are told: a burst, then one now and then, with
 * a count of what was left out. So the ring, which is everybody's, spans hours. Pure. Users: event_kernel.c, event_oom.c.
 */
#pragma once

#include "lib/base.h"
#include "lib/clock.h"

#define EVENT_FLOOD_BURST     16                  /* at once */
#define EVENT_FLOOD_REFILL_US (30 * USEC_PER_SEC) /* one more after each such time */

struct event_flood {
	unsigned int tokens;
	uint64_t refilled_us;
	uint64_t left_out; /* not told of yet */
};

void event_flood_init(struct event_flood *flood, uint64_t now_us);
/* May one be told now? It takes its place then. */
bool event_flood_take(struct event_flood *flood, uint64_t now_us) MUST_CHECK;
/* When the next one may be, if none may now. */
uint64_t event_flood_next_us(const struct event_flood *flood);
