/* SPDX-License-Identifier: MIT
 *
 * event_flood.c - see event_flood.h.
 */
#include "agent/event_flood.h"

static void refill(struct event_flood *flood, uint64_t now_us)
{
	uint64_t count = (now_us - flood->refilled_us) / EVENT_FLOOD_REFILL_US;

	flood->refilled_us += count * EVENT_FLOOD_REFILL_US;
	if (count > EVENT_FLOOD_BURST - flood->tokens)
		flood->tokens = EVENT_FLOOD_BURST;
	else
		flood->tokens += (unsigned int)count;
}

void event_flood_init(struct event_flood *flood, uint64_t now_us)
{
	*flood = (struct event_flood){.tokens = EVENT_FLOOD_BURST, .refilled_us = now_us};
}

bool event_flood_take(struct event_flood *flood, uint64_t now_us)
{
	refill(flood, now_us);
	if (flood->tokens == 0)
		return false;
	flood->tokens--;
	return true;
}

uint64_t event_flood_next_us(const struct event_flood *flood)
{
	return flood->refilled_us + EVENT_FLOOD_REFILL_US;
}
