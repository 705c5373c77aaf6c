/* SPDX-License-Identifier: MIT
 *
 * uuid.h - the text form of a UUID (RFC 9562, section 4): 8-4-4-4-12 hexadecimal digits.
 */
#pragma once

#include "lib/base.h"

#define UUID_TEXT_SIZE 37 /* with NUL */

/* True for 36 characters of a UUID in either case; `lower` (may be NULL) gets it in lower case. */
bool uuid_text_valid(const char *text, size_t len, char lower[UUID_TEXT_SIZE]);
