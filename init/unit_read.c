/* SPDX-License-Identifier: MIT
 *
 * unit_read.c - what the keys of unit files take: words, commands, lists; problems with file and line. See
 * unit_read.h. Caller: the table in unit.c.
 */
#include "init/unit_read.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void unit_report(struct unit_reader *reader, bool bad, const char *format, ...)
{
	char where[128], message[256];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	(void)snprintf(where, sizeof(where), "%s:%d", reader->path, reader->line);
	reader->problem(reader->ctx, bad, where, message);
	reader->bad = reader->bad || bad;
}

/* A copy in the unit's own pool, or NULL (reported) when it is full. */
char *unit_add_text(struct unit_reader *reader, const char *text, size_t len)
{
	struct unit *unit = reader->unit;
	char *copy = unit->pool + unit->pool_used;

	if (len + 1 > sizeof(unit->pool) - unit->pool_used) {
		unit_report(reader, true, "the unit holds more than %d bytes of text",
			UNIT_POOL_SIZE);
		return NULL;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	unit->pool_used += len + 1;
	return copy;
}

/* Takes the next word of `*text` with systemd's quoting: "a b", 'a b', backslash escapes the next
 * character. Returns 1 and the word in `word`, 0 at the end, -EINVAL for an open quote or a word that
 * does not fit. */
static int next_word(const char **text, char *word, size_t size)
{
	const char *p = *text;
	char quote = '\0';
	size_t len = 0;

	while (isspace((unsigned char)*p))
		p++;
	if (*p == '\0')
		return 0;
	for (; *p != '\0' && (quote || !isspace((unsigned char)*p)); p++) {
		char c = *p;

		if (c == quote) {
			quote = '\0';
			continue;
		}
		if (!quote && (c == '"' || c == '\'')) {
			quote = c;
			continue;
		}
		if (c == '\\' && quote != '\'' && p[1] != '\0')
			c = *++p;
		if (len + 1 >= size)
			return -EINVAL;
		word[len++] = c;
	}
	word[len] = '\0';
	*text = p;
	return quote ? -EINVAL : 1;
}

/* Appends words to a NULL-terminated list; an empty value clears it, as in systemd. */
void unit_read_words(struct unit_reader *reader, const char *key, const char *value, char **list,
	size_t max)
{
	char word[1024];
	size_t n = 0;
	int rc;

	while (list[n])
		n++;
	if (*value == '\0') {
		memset(list, 0, (max + 1) * sizeof(*list));
		return;
	}
	while ((rc = next_word(&value, word, sizeof(word))) > 0) {
		if (n == max) {
			unit_report(reader, true, "%s: more than %zu words", key, max);
			return;
		}
		list[n] = unit_add_text(reader, word, strlen(word));
		if (!list[n])
			return;
		n++;
	}
	if (rc < 0)
		unit_report(reader, true, "%s: unbalanced quotes or a word over 1023 bytes", key);
}

/* ---- commands ------------------------------------------------------------------------------ */

/* An empty value takes away what the phase had so far, as in systemd. */
static void clear_phase(struct unit *unit, enum unit_phase phase)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < unit->command_count; i++)
		if (unit->commands[i].phase != phase)
			unit->commands[kept++] = unit->commands[i];
	unit->command_count = kept;
}

/* systemd.unit(5), "Specifiers": %n and %p are the unit's name with and without its type, %% is a percent
 * sign. The others stand for what keel has not; a command that needs them would do something else. */
static bool expand_specifiers(const struct unit *unit, const char *in, char *out, size_t size)
{
	size_t len = 0;

	for (; *in; in++) {
		const char *add = in;
		size_t n = 1;

		if (*in == '%') {
			in++;
			add = *in == '%' ? in : unit->name;
			if (*in == 'n')
				n = strlen(unit->name);
			else if (*in == 'p')
				n = strcspn(unit->name, ".");
			else if (*in != '%')
				return false;
		}
		if (len + n >= size)
			return false;
		memcpy(out + len, add, n);
		len += n;
	}
	out[len] = '\0';
	return true;
}

void unit_read_exec(struct unit_reader *reader, const char *key, const char *value,
	enum unit_phase phase)
{
	struct unit *unit = reader->unit;
	struct unit_command command = {.phase = phase, .first = (uint16_t)unit->word_count};
	char *list[UNIT_ARGS_MAX + 1] = {NULL}, expanded[UNIT_FILE_MAX];
	size_t n = 0;

	if (*value == '\0') {
		clear_phase(unit, phase);
		return;
	}
	if (!expand_specifiers(unit, value, expanded, sizeof(expanded))) {
		unit_report(reader, true, "%s: of the specifiers only %%n, %%p and %%%% are known",
			key);
		return;
	}
	value = expanded;
	/* The other prefixes (@ + ! :) change meaning and are refused below. */
	if (*value == '-') {
		command.ignore_failure = true;
		value++;
	}
	unit_read_words(reader, key, value, list, UNIT_ARGS_MAX);
	while (list[n])
		n++;
	if (!list[0] || list[0][0] != '/') {
		unit_report(reader, true, "%s: \"%.100s\" is not an absolute path", key,
			list[0] ? list[0] : "");
		return;
	}
	if (unit->command_count == UNIT_COMMANDS_MAX || unit->word_count + n + 1 > UNIT_WORDS_MAX) {
		unit_report(reader, true, "%s: more than %d commands or %d words in this unit", key,
			UNIT_COMMANDS_MAX, UNIT_WORDS_MAX - 1);
		return;
	}
	memcpy(unit->words + unit->word_count, list, (n + 1) * sizeof(*list));
	unit->word_count += (unsigned int)n + 1;
	unit->commands[unit->command_count++] = command;
}

/* ---- single values ------------------------------------------------------------------------- */

/* The index of `value` in a NULL-terminated list, reported as bad when it is not there. */
int unit_read_enum(struct unit_reader *reader, const char *key, const char *value,
	const char *const *words)
{
	for (int i = 0; words[i]; i++)
		if (strcmp(words[i], value) == 0)
			return i;
	unit_report(reader, true, "%s: \"%.60s\" is not understood", key, value);
	return -EINVAL;
}

void unit_read_limit(struct unit_reader *reader, const char *key, const char *value, int resource)
{
	struct unit *unit = reader->unit;
	struct unit_limit limit = {.resource = resource};
	unsigned int i = 0;

	if (unit_parse_limit(value, &limit.value) < 0) {
		unit_report(reader, true, "%s: \"%.60s\" is not a limit", key, value);
		return;
	}
	while (i < unit->limit_count && unit->limits[i].resource != resource)
		i++; /* the last line counts */
	if (i == UNIT_LIMITS_MAX) {
		unit_report(reader, true, "%s: more than %d limits", key, UNIT_LIMITS_MAX);
		return;
	}
	unit->limits[i] = limit;
	if (i == unit->limit_count)
		unit->limit_count++;
}

void unit_read_signal(struct unit_reader *reader, const char *key, const char *value, int *field)
{
	if (unit_parse_signal(value, field) < 0)
		unit_report(reader, true, "%s: \"%.60s\" is not a signal", key, value);
}

void unit_read_statuses(struct unit_reader *reader, const char *key, const char *value,
	struct unit_statuses *statuses)
{
	char word[64];
	int rc;

	if (*value == '\0')
		statuses->count = 0;
	while ((rc = next_word(&value, word, sizeof(word))) > 0) {
		int number;
		long status;

		if (unit_parse_integer(word, 10, 0, 255, &status) == 0)
			number = (int)status;
		else if (unit_parse_signal(word, &number) == 0)
			number = -number;
		else
			break;
		if (statuses->count == UNIT_STATUS_MAX) {
			unit_report(reader, true, "%s: more than %d of them", key, UNIT_STATUS_MAX);
			return;
		}
		statuses->list[statuses->count++] = number;
	}
	if (rc != 0)
		unit_report(reader, true, "%s: \"%.60s\" is no exit status and no signal", key,
			rc > 0 ? word : value);
}

/* A cgroup path below the base: "engine.slice" -> "engine". No way up or out. */
void unit_read_slice(struct unit_reader *reader, const char *key, const char *value)
{
	size_t len = strlen(value);

	if (len > 6 && strcmp(value + len - 6, ".slice") == 0)
		len -= 6;
	for (size_t i = 0; i < len; i++) {
		if (!islower((unsigned char)value[i]) && value[i] != '-') {
			unit_report(reader, true, "%s: \"%.60s\" is not a slice name", key, value);
			return;
		}
	}
	if (len > 0 && len < 32)
		reader->unit->slice = unit_add_text(reader, value, len);
	else
		unit_report(reader, true, "%s: a slice name has 1 to 31 letters", key);
}

void unit_read_condition(struct unit_reader *reader, const char *key, const char *value)
{
	if (strcmp(value, "wsl") == 0)
		reader->unit->mode = UNIT_MODE_WSL;
	else if (strcmp(value, "!wsl") == 0 || strcmp(value, "vm") == 0)
		reader->unit->mode = UNIT_MODE_VM;
	else
		unit_report(reader, true, "%s: only wsl, !wsl and vm are known", key);
}

static void use_terminal(struct unit_reader *reader)
{
	static const char console[] = "/dev/console";
	struct unit *unit = reader->unit;

	if (!unit->tty_path)
		unit->tty_path = unit_add_text(reader, console, strlen(console));
}

void unit_read_input(struct unit_reader *reader, const char *key, const char *value)
{
	if (strcmp(value, "tty") == 0 || strcmp(value, "tty-force") == 0)
		use_terminal(reader);
	else if (strcmp(value, "null") != 0)
		unit_report(reader, true, "%s: only null and tty are known", key);
}

/* Both streams go one way, so that their lines keep their order. journal and kmsg are systemd's words for what
 * is the log here. */
void unit_read_output(struct unit_reader *reader, const char *key, const char *value)
{
	static const char *const logs[] = {
		"journal", "journal+console", "kmsg", "kmsg+console", "syslog", "inherit"};

	if (strcmp(value, "null") == 0) {
		reader->unit->output = UNIT_OUTPUT_NULL;
		return;
	}
	if (strcmp(value, "tty") == 0) {
		reader->unit->output = UNIT_OUTPUT_TTY;
		use_terminal(reader);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(logs); i++) {
		if (strcmp(logs[i], value) == 0) {
			reader->unit->output = UNIT_OUTPUT_LOG;
			return;
		}
	}
	unit_report(reader, true, "%s: \"%.60s\" is not understood: journal, null or tty", key,
		value);
}
