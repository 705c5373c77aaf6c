/* SPDX-License-Identifier: MIT
 *
 * budget.h - how much of what a service writes is kept: so many bytes in a window of time. Pure.
 *
 * A window begins with the first line after the last one has passed, so that a service that is quiet
 * most of the time has all of it for its burst.
 */
#pragma once

#include "lib/base.h"

#define BUDGET_BYTES     ((size_t)512 * 1024)
#define BUDGET_WINDOW_US UINT64_C(10000000)

struct budget {
	uint64_t start_us; /* of the window, 0: none yet */
	size_t used;
};

/* May a line of so many bytes be kept? If so, it counts. What does not fit closes the window: a short line
 * after a long one that was dropped would look like the one that followed. */
bool budget_take(struct budget *budget, uint64_t now_us, size_t bytes);
/* Nothing more in this window. */
bool budget_spent(const struct budget *budget, uint64_t now_us);
/* When the window ends. */
uint64_t budget_end_us(const struct budget *budget);
