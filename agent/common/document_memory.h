/* SPDX-License-Identifier: MIT
 *
 * document_memory.h - the health document's part about memory, and how a document tells times. Used by document.c only.
 */
#pragma once

#include <yyjson.h>

#include "agent/common/facts.h"
#include "agent/common/system.h"

/* Milliseconds with three decimals, as the schema says. */
void document_add_ms(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, uint64_t us);
/* Fills `item` in. `asked`: pressure and the samples too, which are for who asks, not for every report. */
void document_fill_memory(yyjson_mut_doc *doc, yyjson_mut_val *item, const struct facts *facts,
	const struct system_facts *system, bool asked);
