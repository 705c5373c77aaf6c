/* SPDX-License-Identifier: MIT
 *
 * clock_edge.h - the exact time out of a clock that shows whole seconds: read again and again until its second changes.
 * Pure.
 */
#pragma once

#include "lib/base.h"

/* Good enough; a reader that was held up longer waits for another edge, three at most. */
#define CLOCK_EDGE_UNCERTAINTY_US 25000
#define CLOCK_EDGES_MAX           3

/* Begin with a zeroed one. */
struct clock_edge {
	bool primed;
	int64_t seconds, before_us; /* of the reading before */
	unsigned int edges;         /* seen so far */
	int64_t offset_us;          /* of the best of them: that clock minus ours */
	uint64_t uncertainty_us;
};

/* One reading: `seconds` was shown at some time between `before_us` and `after_us` of our clock. True when
 * offset_us is as good as it gets. */
bool clock_edge_take(struct clock_edge *edge, int64_t before_us, int64_t seconds, int64_t after_us);
