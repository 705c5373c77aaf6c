/* SPDX-License-Identifier: MIT
 *
 * metrics.h - GET /metrics: reads what the kernel counts and has it written with what the agent knows.
 */
#pragma once

#include "agent/common/facts.h"
#include "lib/base.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* The text, valid until the next call. NULL: it did not fit. */
const char *metrics_answer(const struct facts *facts, size_t *len);
