/* SPDX-License-Identifier: MIT
 *
 * advice.h - what to try next, from a health document. Pure.
 */
#pragma once

#include <yyjson.h>

#include "lib/base.h"

#define ADVICE_MAX 6

struct advice {
	char command[72];
	const char *about; /* what the command does, or says */
};

/* Fills at most ADVICE_MAX pieces, the nearest first; how many. `agent_silent`: the document is PID 1's. 0 for a guest
 * that is ready without a blemish. */
size_t advice_give(yyjson_val *document, bool agent_silent, struct advice advice[ADVICE_MAX]);
