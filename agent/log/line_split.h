/* SPDX-License-Identifier: MIT
 *
 * line_split.h - where lines end in what a service wrote. Pure; fuzzed.
 */
#pragma once

#include "lib/base.h"

/* Looks at the first line of `data`, which begins at the begin of a line. Returns how many bytes belong to
 * it, newline included, and its length without; 0 if its end has not come yet. A line of more than
 * LOG_TEXT_MAX bytes is cut there, between characters of UTF-8. `ended`: nobody will go on with what has
 * no newline. */
size_t line_split(const char *data, size_t len, bool ended, size_t *line_len);
