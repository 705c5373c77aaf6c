/* SPDX-License-Identifier: MIT
 *
 * memory_plot.h - bars and a plot over time out of characters: memory in use below, cache above it. Used by
 * memory_view.c only.
 */
#pragma once

#include "agent/ctl/memory_view.h"

/* One line: the whole width is `total`. */
void memory_plot_bar(const struct memory_view *view, unsigned int width, uint64_t total,
	uint64_t used, uint64_t cache);
/* Samples [at_ms, used with cache, cache], oldest first. Nothing for fewer than two. As high as it has to be. */
void memory_plot_history(const struct memory_view *view, unsigned int width, uint64_t total,
	yyjson_val *history);
