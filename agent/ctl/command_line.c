/* SPDX-License-Identifier: MIT
 *
 * command_line.c - see command_line.h. Caller: main.c.
 */
#include "agent/ctl/command_line.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/common/facts.h"
#include "agent/ctl/logs.h"
#include "agent/ctl/nearest.h"
#include "agent/ctl/view.h"

struct reader {
	struct command_line *line;
	int argc, at; /* of the words, and the next one */
	char **argv;
	bool seen[CTL_OPTIONS];
};

PRINTF(2, 3)
static int complain(struct command_line *line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(line->problem, sizeof(line->problem), format, args);
	va_end(args);
	text_sanitize(line->problem);
	return -EINVAL;
}

/* ---- values --------------------------------------------------------------------------------------- */

int command_line_parse_vm(const char *text, struct address *vm)
{
	int rc = address_parse(text, vm);

	if (rc < 0 || vm->kind == ADDRESS_TCP)
		return -EINVAL;
	/* Here the only number of vsock:N is the machine; the port is the verb's. */
	if (vm->kind == ADDRESS_VSOCK)
		vm->cid = vm->port;
	return 0;
}

/* Up to nine digits. */
static int parse_number(const char *text, unsigned int least, unsigned int *number)
{
	size_t len = strspn(text, "0123456789");

	*number = 0;
	if (len == 0 || len > 9 || text[len])
		return -EINVAL;
	for (; *text; text++)
		*number = *number * 10 + (unsigned int)(*text - '0');
	return *number >= least ? 0 : -EINVAL;
}

static int take_option(struct ctl *ctl, enum ctl_option option, const char *value)
{
	unsigned int number = 0;
	int rc = 0;

	switch (option) {
	case CTL_OPTION_VM:
		return command_line_parse_vm(value, &ctl->vm);
	case CTL_OPTION_API_PORT:
		return parse_number(value, 1, &ctl->api_port);
	case CTL_OPTION_DOCKER_PORT:
		return parse_number(value, 1, &ctl->docker_port);
	case CTL_OPTION_COLOR:
		return view_set_colour(value);
	case CTL_OPTION_TIMEOUT:
		return parse_number(value, 1, &ctl->timeout_s);
	case CTL_OPTION_LINES:
		return logs_parse_lines(value, &ctl->lines);
	case CTL_OPTION_READY_FD:
		rc = parse_number(value, 0, &number);
		ctl->ready_fd = (int)number;
		return rc;
	case CTL_OPTION_KINDS:
		ctl->kinds = value;
		return 0;
	case CTL_OPTION_SINCE:
		ctl->since = value;
		return 0;
	case CTL_OPTION_OUTPUT:
		ctl->output = value;
		return 0;
	case CTL_OPTION_UUID:
		ctl->uuid = value;
		return 0;
	case CTL_OPTION_TTY:
		ctl->tty = true;
		return 0;
	case CTL_OPTION_NO_TTY:
		ctl->no_tty = true;
		return 0;
	case CTL_OPTION_HELP:
		ctl->help = true;
		return 0;
	case CTL_OPTION_VERSION:
		ctl->version = true;
		return 0;
	case CTL_OPTION_JSON:
		ctl->json = true;
		return 0;
	case CTL_OPTION_BRIEF:
		ctl->brief = true;
		return 0;
	case CTL_OPTION_WATCH:
		ctl->watch = true;
		return 0;
	case CTL_OPTION_ONCE:
		ctl->once = true;
		return 0;
	case CTL_OPTION_FOLLOW:
		ctl->follow = true;
		return 0;
	case CTL_OPTION_NO_BLOCK:
		ctl->no_block = true;
		return 0;
	case CTL_OPTION_END:
	case CTL_OPTIONS:
		break;
	}
	return -EINVAL;
}

/* ---- words ---------------------------------------------------------------------------------------- */

static enum ctl_option find_long(const char *name, size_t len)
{
	for (enum ctl_option i = CTL_OPTION_END + 1; i < CTL_OPTIONS; i++)
		if (strlen(ctl_options[i].name) == len &&
			memcmp(ctl_options[i].name, name, len) == 0)
			return i;
	return CTL_OPTION_END;
}

static enum ctl_option find_short(char letter)
{
	for (enum ctl_option i = CTL_OPTION_END + 1; i < CTL_OPTIONS; i++)
		if (ctl_options[i].letter && ctl_options[i].letter == letter)
			return i;
	return CTL_OPTION_END;
}

/* `value`: what was joined to the option, NULL if nothing was: then it is the next word. */
static int use_option(struct reader *reader, enum ctl_option option, const char *value)
{
	const struct ctl_option_row *row = &ctl_options[option];

	reader->seen[option] = true;
	if (row->argument && !value && reader->at < reader->argc)
		value = reader->argv[reader->at++];
	if (row->argument && !value)
		return complain(reader->line, "--%s: %s is missing", row->name, row->argument);
	if (take_option(&reader->line->ctl, option, value ? value : "") < 0)
		return complain(reader->line, "--%s %s: it must be %s", row->name, value,
			row->wants);
	return 0;
}

static int no_such_option(struct command_line *line, const char *word, size_t len)
{
	const char *near = NULL;
	unsigned int best = NEAREST_MOST;

	for (enum ctl_option i = CTL_OPTION_END + 1; len > 2 && i < CTL_OPTIONS; i++)
		nearest_take(word + 2, len - 2, ctl_options[i].name, &best, &near);
	return complain(line, "%.*s: no such option%s%s%s", (int)(len < 64 ? len : 64), word,
		near ? "; perhaps --" : "", near ? near : "", near ? "?" : "");
}

static int read_long(struct reader *reader, const char *word)
{
	const char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	enum ctl_option option = find_long(word + 2, len - 2);

	if (option == CTL_OPTION_END)
		return no_such_option(reader->line, word, len);
	if (equals && !ctl_options[option].argument)
		return complain(reader->line, "%.*s takes no value", (int)len, word);
	return use_option(reader, option, equals ? equals + 1 : NULL);
}

/* -f, -n5, -n 5, -fn5 */
static int read_short(struct reader *reader, const char *word)
{
	for (const char *letter = word + 1; *letter; letter++) {
		enum ctl_option option = find_short(*letter);
		bool takes = ctl_options[option].argument;
		int rc;

		if (option == CTL_OPTION_END)
			return complain(reader->line, "-%c: no such option", *letter);
		rc = use_option(reader, option, takes && letter[1] ? letter + 1 : NULL);
		if (rc < 0 || takes)
			return rc;
	}
	return 0;
}

static int name_verb(struct command_line *line, const char *word)
{
	const char *near = NULL;
	unsigned int best = NEAREST_MOST;

	line->verb = ctl_find_verb(word);
	if (line->verb)
		return 0;
	for (const struct ctl_verb *verb = ctl_verbs; verb->word; verb++)
		nearest_take(word, strlen(word), verb->word, &best, &near);
	return complain(line, "%.64s: no such verb%s%s%s", word, near ? "; perhaps " : "",
		near ? near : "", near ? "?" : "");
}

static int read_words(struct reader *reader)
{
	struct command_line *line = reader->line;
	bool options = true;
	int rc = 0;

	while (rc == 0 && reader->at < reader->argc) {
		char *word = reader->argv[reader->at++];

		if (options && strcmp(word, "--") == 0) {
			options = false;
		} else if (options && word[0] == '-' && word[1] == '-') {
			rc = read_long(reader, word);
		} else if (options && word[0] == '-' && word[1]) {
			rc = read_short(reader, word);
		} else if (!line->verb) {
			rc = name_verb(line, word);
		} else {
			line->ctl.argv[line->ctl.argc++] = word;
			options = options && !line->verb->verbatim;
		}
	}
	return rc;
}

/* ---- what belongs to what ------------------------------------------------------------------------- */

static void name_word(struct command_line *line)
{
	const struct ctl_word *word = line->verb ? line->verb->words : NULL;

	(void)snprintf(line->word, sizeof(line->word), "%s", line->verb ? line->verb->word : "");
	line->ctl.word = line->word;
	/* Those of wait are no verbs. */
	for (; word && word->word && line->ctl.argc > 0 && line->verb->fn != ctl_wait; word++)
		if (strcmp(word->word, line->ctl.argv[0]) == 0)
			(void)snprintf(line->word, sizeof(line->word), "%s %s", line->verb->word,
				word->word);
}

static int check_verb(const struct reader *reader)
{
	struct command_line *line = reader->line;
	const struct ctl_verb *verb = line->verb;

	for (enum ctl_option i = CTL_OPTION_END + 1; i < CTL_OPTIONS; i++)
		if (reader->seen[i] && !ctl_option_help(verb, i))
			return complain(line, "it takes no --%s", ctl_options[i].name);
	if (line->ctl.help)
		return 0;
	if (verb->guest_only && line->ctl.vm.kind != ADDRESS_NONE)
		return complain(line, "it works in the guest only, not with --vm");
	if (line->ctl.argc < verb->least)
		return complain(line, "%s is missing", verb->operands);
	if (line->ctl.argc > verb->most && verb->most == 0)
		return complain(line, "%.64s: it takes no operands", line->ctl.argv[0]);
	if (line->ctl.argc > verb->most && verb->most != CTL_MANY)
		return complain(line, "%.64s: one word too many", line->ctl.argv[verb->most]);
	return 0;
}

int command_line_parse(struct command_line *line, int argc, char **argv, const char *vm)
{
	struct reader reader = {.line = line, .argc = argc, .at = 1, .argv = argv};
	int rc;

	*line = (struct command_line){.ctl = {
					      .word = "",
					      .api_port = CTL_API_PORT,
					      .docker_port = CTL_DOCKER_PORT,
					      .lines = LOGS_ALL,
					      .ready_fd = -1,
					      .argv = argv,
				      }};
	if (vm && vm[0] && command_line_parse_vm(vm, &line->ctl.vm) < 0)
		return complain(line, "KEEL_VM=%.128s: it must be %s", vm,
			ctl_options[CTL_OPTION_VM].wants);
	rc = read_words(&reader);
	name_word(line);
	if (rc < 0 || line->ctl.version || (!line->verb && line->ctl.help))
		return rc;
	return line->verb ? check_verb(&reader) : complain(line, "which verb?");
}
