/* SPDX-License-Identifier: MIT
 *
 * command_line.h - the words of a command line to a verb, its options and its operands. Pure, but for the environment
 * variable that the caller hands in.
 *
 * Options may stand anywhere; "--" ends them; they are never shortened; what the verb does not take is refused.
 */
#pragma once

#include "agent/ctl/verb_table.h"

struct command_line {
	struct ctl ctl; /* its operands: in `argv` of the caller, brought together at its front */
	const struct ctl_verb *verb; /* NULL: none was named */
	char word[48];               /* ctl.word */
	char problem[256];           /* after -EINVAL: a sentence */
};

/* `vm`: $KEEL_VM or NULL. With --help or --version the operands are not counted. 0 or -EINVAL. */
int command_line_parse(struct command_line *line, int argc, char **argv, const char *vm) MUST_CHECK;
/* The value of --vm. 0 or -EINVAL. */
int command_line_parse_vm(const char *text, struct address *vm) MUST_CHECK;
