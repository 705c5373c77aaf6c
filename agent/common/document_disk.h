/* SPDX-License-Identifier: MIT
 *
 * document_disk.h - the health document's part about the data disk. Used by document.c only.
 */
#pragma once

#include <yyjson.h>

#include "agent/common/facts.h"

/* Fills `item` in; its texts lie in `facts` until the document is written. */
void document_fill_disk(yyjson_mut_doc *doc, yyjson_mut_val *item, const struct facts *facts);
