/* SPDX-License-Identifier: MIT
 *
 * metrics_clock.h - the wall clock as metrics. Pure.
 */
#pragma once

#include "agent/common/clock_facts.h"
#include "agent/metrics_text.h"

/* What is not known is left out. */
void metrics_put_clock(struct metrics_text *text, const struct clock_seen *seen);
