/* SPDX-License-Identifier: MIT
 *
 * memory_view.h - what the API says about memory, for people. Pure: JSON in, text out. A field that is missing is shown
 * as empty or left out.
 */
#pragma once

#include <stdio.h>
#include <yyjson.h>

#include "lib/base.h"

#define MEMORY_VIEW_WIDTH_MIN 40
#define MEMORY_VIEW_WIDTH_MAX 160

struct memory_view {
	FILE *out;
	unsigned int width; /* columns, brought between the limits above */
	bool colour, utf8;  /* else ASCII only */
};

/* The page of `keelctl memory`: the body of GET /v1/memory. */
void memory_view_page(const struct memory_view *view, yyjson_val *memory);
/* What is set at run time, one line: the same body. */
void memory_view_settings(FILE *out, yyjson_val *memory);
/* What a request gave: the body of POST /v1/memory/reclaim. */
void memory_view_answer(FILE *out, yyjson_val *answer);
