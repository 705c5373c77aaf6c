/* SPDX-License-Identifier: MIT
 *
 * top_view.h - the page of `keelctl top`, from the API's documents. Pure: JSON in, text out.
 */
#pragma once

#include <yyjson.h>

#include "agent/ctl/container_names.h"
#include "agent/ctl/memory_view.h"

#define TOP_SAMPLES 120

enum top_sort { TOP_SORT_MEMORY, TOP_SORT_CACHE, TOP_SORT_NAME };

/* What was seen of pressure, oldest first: parts of a thousand, -1: not known. In the API's order: cpu, memory, io. */
struct top_history {
	unsigned int count;
	int pressure[TOP_SAMPLES][3];
};

struct top_view {
	struct memory_view view;
	unsigned int rows; /* that there are */
	enum top_sort sort;
	const struct container_names *names;
	const struct top_history *history;
};

/* Adds what a memory document (GET /v1/memory) says now; the oldest sample goes when there are TOP_SAMPLES. */
void top_history_add(struct top_history *history, yyjson_val *memory);
/* `health`: the health document; the rest is from `memory`. */
void top_view_page(const struct top_view *top, yyjson_val *health, yyjson_val *memory);
/* True if a container of the document has no name in `names`. */
bool top_view_lacks_name(const struct container_names *names, yyjson_val *memory);
