/* SPDX-License-Identifier: MIT
 *
 * metrics_memory.h - what the agent knows of memory and of reclaim, as metrics. Pure.
 */
#pragma once

#include "agent/common/memory_facts.h"
#include "agent/metrics_text.h"

/* What is not known is left out. */
void metrics_put_memory(struct metrics_text *text, const struct memory_seen *seen);
