/* SPDX-License-Identifier: MIT
 *
 * shell_quote.h - text as one word of a POSIX shell. Pure.
 */
#pragma once

#include "lib/base.h"

/* As it is where every shell takes it so, else in single quotes. 0 or -ENAMETOOLONG (it does not fit). */
int shell_quote(const char *text, char *buffer, size_t size) MUST_CHECK;
