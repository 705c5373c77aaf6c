/* SPDX-License-Identifier: MIT
 *
 * cmdline.h - the words of a kernel command line, as the kernel splits them: at spaces, quotes group (next_arg() of
 * lib/cmdline.c in Linux). Pure.
 */
#pragma once

#include "lib/base.h"

/* Takes the next word of `text`, which ends at `end`, a NUL or a newline, without its quotes into `word`, and moves *text
 * on. Words may be empty. One that does not fit is cut, which can only make its value a bad one. False: there is none. */
bool cmdline_next(const char **text, const char *end, char *word, size_t size);
