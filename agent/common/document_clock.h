/* SPDX-License-Identifier: MIT
 *
 * document_clock.h - the health document's part about the wall clock. Used by document.c only.
 */
#pragma once

#include <yyjson.h>

#include "agent/common/clock_facts.h"

/* Fills `item` in, but for the clocks themselves; its texts lie in `seen` until the document is written. */
void document_fill_clock(yyjson_mut_doc *doc, yyjson_mut_val *item, const struct clock_seen *seen);
