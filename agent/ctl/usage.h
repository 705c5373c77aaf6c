/* SPDX-License-Identifier: MIT
 *
 * usage.h - keelctl's help, from the table of verbs.
 */
#pragma once

#include <stdio.h>

#include "agent/ctl/verb_table.h"

/* Everything in short: the verbs, and the options that all take. `width`: columns. */
void usage_print(FILE *out, unsigned int width);
/* A verb's words and options. */
void usage_print_verb(FILE *out, const struct ctl_verb *verb, unsigned int width);
