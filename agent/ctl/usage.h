/* SPDX-License-Identifier: MIT
 *
 * usage.h - keelctl's help, from the table of verbs.
 */
#pragma once

#include "agent/ctl/verb_table.h"

/* On standard output: a verb's words and options; NULL: everything in short, the verbs and the options that all take. */
void usage_show(const struct ctl_verb *verb);
