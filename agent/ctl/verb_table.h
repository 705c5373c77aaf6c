/* SPDX-License-Identifier: MIT
 *
 * verb_table.h - what keelctl understands: its verbs and options with their help. The one source of parsing, help and
 * completion; the manual page is checked against it.
 */
#pragma once

#include "agent/ctl/ctl.h"

enum ctl_option {
	CTL_OPTION_END, /* of a verb's list */
	CTL_OPTION_VM,
	CTL_OPTION_API_PORT,
	CTL_OPTION_DOCKER_PORT,
	CTL_OPTION_COLOR,
	CTL_OPTION_HELP,
	CTL_OPTION_VERSION,
	CTL_OPTION_TIMEOUT,
	CTL_OPTION_JSON,
	CTL_OPTION_BRIEF,
	CTL_OPTION_WATCH,
	CTL_OPTION_ONCE,
	CTL_OPTION_FOLLOW,
	CTL_OPTION_LINES,
	CTL_OPTION_KINDS,
	CTL_OPTION_SINCE,
	CTL_OPTION_UUID,
	CTL_OPTION_NO_BLOCK,
	CTL_OPTION_READY_FD,
	CTL_OPTION_OUTPUT,
	CTL_OPTION_TTY,
	CTL_OPTION_NO_TTY,
	CTL_OPTIONS
};

struct ctl_option_row {
	const char *name;     /* long, without dashes */
	const char *argument; /* its name in the help; NULL: takes none */
	const char *wants; /* what the argument must be, for the complaint: "a number from 1 on" */
	const char *
		values; /* for completion, between spaces; one that ends in : goes on. NULL: nothing to offer */
	const char *
		help; /* every verb takes the option; NULL: only those that list it, with their own help */
	char letter; /* short, 0: none */
};

/* An option that a verb takes, with what it means there. */
struct ctl_use {
	enum ctl_option option;
	const char *help;
};

/* A word that can be the first operand. */
struct ctl_word {
	const char *word, *help;
	const char *next; /* words that can follow it, between spaces; NULL: none */
};

/* What the operands are, for completion, besides `words`. */
enum ctl_operands { CTL_OPERANDS_NONE, CTL_OPERANDS_UNITS, CTL_OPERANDS_LISTEN, CTL_OPERANDS_VERB };

#define CTL_MANY 255

struct ctl_verb {
	const char *word, *operands, *help;
	int (*fn)(const struct ctl *ctl);
	unsigned char least, most; /* operands; CTL_MANY: no limit */
	bool guest_only;           /* refused with --vm */
	bool verbatim; /* what follows the first operand is not looked at: a command with its own options */
	enum ctl_operands kind;
	const struct ctl_word *words; /* up to one without a word; NULL: none */
	const struct ctl_use
		*options;  /* up to CTL_OPTION_END; NULL: only those that every verb takes */
	const char *about; /* more for `keelctl help VERB`, one paragraph; NULL: nothing */
};

/* Up to the one without a word. The order is that of the help. */
extern const struct ctl_verb ctl_verbs[];
extern const struct ctl_option_row ctl_options[CTL_OPTIONS];

/* NULL if there is none. */
const struct ctl_verb *ctl_find_verb(const char *word);
/* What the option means to the verb (NULL: no verb yet); NULL if it does not take it. */
const char *ctl_option_help(const struct ctl_verb *verb, enum ctl_option option);
