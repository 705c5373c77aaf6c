/* SPDX-License-Identifier: MIT
 *
 * clock_view.h - the guest's clock for people. Pure: everything printed comes from the API's documents.
 */
#pragma once

#include <stdio.h>
#include <yyjson.h>

#include "lib/base.h"

/* The body of GET /v1/clock. */
void clock_view_page(FILE *out, yyjson_val *clock);
/* The body of POST /v1/clock, and what the host itself measured before and after: guest minus host, in microseconds. */
void clock_view_sync(FILE *out, yyjson_val *answer, int64_t before_us, int64_t after_us,
	int64_t rtt_us);
