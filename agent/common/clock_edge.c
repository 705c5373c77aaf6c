/* SPDX-License-Identifier: MIT
 *
 * clock_edge.c - see clock_edge.h. Caller: clock_keeper.c.
 */
#include "agent/common/clock_edge.h"

#include "lib/clock.h"

/* The edge lies between the start of the last reading that showed the old second and the end of this one. */
static void take_edge(struct clock_edge *edge, int64_t seconds, int64_t after_us)
{
	uint64_t half = after_us > edge->before_us ? (uint64_t)(after_us - edge->before_us) / 2 : 0;

	if (edge->edges++ > 0 && half >= edge->uncertainty_us)
		return;
	edge->uncertainty_us = half;
	edge->offset_us = seconds * (int64_t)USEC_PER_SEC - (edge->before_us + (int64_t)half);
}

bool clock_edge_take(struct clock_edge *edge, int64_t before_us, int64_t seconds, int64_t after_us)
{
	/* Two seconds at once: the reader was away for so long that this says little. */
	if (edge->primed && seconds == edge->seconds + 1)
		take_edge(edge, seconds, after_us);
	edge->primed = true;
	edge->seconds = seconds;
	edge->before_us = before_us;
	return edge->edges > 0 && (edge->uncertainty_us <= CLOCK_EDGE_UNCERTAINTY_US ||
					  edge->edges >= CLOCK_EDGES_MAX);
}
