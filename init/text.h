/* SPDX-License-Identifier: MIT
 *
 * text.h - text that goes into control records: always terminated, UTF-8 without control characters.
 */
#pragma once

#include "lib/base.h"

/* Copies at most size-1 bytes; control characters and bytes that are no UTF-8 (a character that is cut
 * at the end included) become '?'. `to` and `from` do not overlap. The rest of `to` is zeroed, so that two
 * equal texts are equal records. */
void text_copy(char *to, size_t size, const char *from);
