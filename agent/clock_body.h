/* SPDX-License-Identifier: MIT
 *
 * clock_body.h - the body of POST /v1/clock, strictly read. Pure; fuzzed.
 */
#pragma once

#include "lib/base.h"

#define CLOCK_BODY_UNCERTAINTY_MS_MAX 60000

/* {"realtime_ms":NUMBER} (fractions are kept to the microsecond) or {"realtime_us":INTEGER}, since 1970; with
 * "uncertainty_ms":NUMBER or without. 0, or -EINVAL and in *why a sentence that says what is expected. */
int clock_body_parse(const char *body, size_t len, int64_t *realtime_us, uint64_t *uncertainty_us,
	const char **why) MUST_CHECK;
