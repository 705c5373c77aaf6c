/* SPDX-License-Identifier: MIT
 *
 * budget.c - see budget.h. Caller: collector.c.
 */
#include "agent/log/budget.h"

uint64_t budget_end_us(const struct budget *budget)
{
	return budget->start_us + BUDGET_WINDOW_US;
}

static bool window_open(const struct budget *budget, uint64_t now_us)
{
	return budget->start_us != 0 && now_us < budget_end_us(budget);
}

bool budget_spent(const struct budget *budget, uint64_t now_us)
{
	return window_open(budget, now_us) && budget->used >= BUDGET_BYTES;
}

bool budget_take(struct budget *budget, uint64_t now_us, size_t bytes)
{
	if (!window_open(budget, now_us))
		*budget = (struct budget){.start_us = now_us};
	if (bytes > BUDGET_BYTES - budget->used) {
		budget->used = BUDGET_BYTES;
		return false;
	}
	budget->used += bytes;
	return true;
}
