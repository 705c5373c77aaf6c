/* SPDX-License-Identifier: MIT
 *
 * advice.h - what to try next, from a health document. Pure; the commands are hint.h's.
 */
#pragma once

#include <yyjson.h>

#include "agent/common/hint.h"
#include "lib/base.h"

/* Fills `hints`, the nearest first. `agent_silent`: the document is PID 1's. None for a guest that is ready without a
 * blemish. */
void advice_give(yyjson_val *document, bool agent_silent, struct hints *hints);
