/* SPDX-License-Identifier: MIT
 *
 * document_components.h - the health document's part about components. Used by document.c only.
 */
#pragma once

#include <yyjson.h>

#include "agent/common/facts.h"

void document_fill_components(yyjson_mut_doc *doc, yyjson_mut_val *list, const struct facts *facts);
