/* SPDX-License-Identifier: MIT
 *
 * environment.c - see environment.h. Callers: service_spawn.c and stage.c, in a new process.
 */
#include "init/environment.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/file.h"

/* ---- variables ------------------------------------------------------------------------------ */

static int find(const struct environment *environment, const char *name, size_t len)
{
	for (unsigned int i = 0; i < environment->count; i++)
		if (strncmp(environment->list[i], name, len) == 0 &&
			environment->list[i][len] == '=')
			return (int)i;
	return -1;
}

const char *environment_get(const struct environment *environment, const char *name, size_t len)
{
	int index = find(environment, name, len);

	return index < 0 ? NULL : environment->list[index] + len + 1;
}

int environment_set(struct environment *environment, const char *format, ...)
{
	char *text = environment->text + environment->used;
	size_t room = sizeof(environment->text) - environment->used;
	va_list args;
	int len, index;

	va_start(args, format);
	len = vsnprintf(text, room, format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= room)
		return -E2BIG;
	index = find(environment, text, strcspn(text, "="));
	if (index < 0 && environment->count == ENVIRONMENT_MAX)
		return -E2BIG;
	if (index < 0)
		index = (int)environment->count++;
	environment->list[index] = text;
	environment->list[environment->count] = NULL;
	environment->used += (size_t)len + 1;
	return 0;
}

/* ---- files ---------------------------------------------------------------------------------- */

/* One line's value, unquoted, up to its newline. Returns where the next line begins. */
static const char *read_value(const char *in, char *value, size_t size)
{
	char quote = '\0';
	size_t len = 0, end = 0; /* end: without the blanks that follow it */

	while (*in == ' ' || *in == '\t')
		in++;
	for (; *in && (quote || *in != '\n'); in++) {
		bool literal = quote != '\0';
		char c = *in;

		if (c == quote || (!quote && (c == '"' || c == '\''))) {
			quote = quote ? '\0' : c;
			end = len;
			continue;
		}
		if (c == '\\' && quote != '\'' && in[1]) {
			c = *++in;
			literal = true;
			if (c == '\n')
				continue; /* the line goes on */
		}
		if (len + 1 < size)
			value[len++] = c;
		if (literal || !isspace((unsigned char)c))
			end = len;
	}
	value[end] = '\0';
	return *in ? in + 1 : in;
}

static bool is_name(const char *name, size_t len)
{
	if (len == 0 || isdigit((unsigned char)name[0]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '_')
			return false;
	return true;
}

int environment_read_text(struct environment *environment, const char *text)
{
	char value[2048];

	while (*text) {
		const char *name = text + strspn(text, " \t\n");
		size_t len = strcspn(name, "=\n");
		int rc;

		if (name[0] == '#' || name[0] == ';' || name[len] != '=' || !is_name(name, len)) {
			name += strcspn(name, "\n");
			text = *name ? name + 1 : name;
			continue;
		}
		text = read_value(name + len + 1, value, sizeof(value));
		rc = environment_set(environment, "%.*s=%s", (int)len, name, value);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int environment_read_file(struct environment *environment, const char *path)
{
	bool optional = path[0] == '-';
	char text[8192];
	ssize_t len = file_read(path + (optional ? 1 : 0), text, sizeof(text));

	if (len < 0)
		return optional && len == -ENOENT ? 0 : (int)len;
	return environment_read_text(environment, text);
}

/* ---- words ---------------------------------------------------------------------------------- */

struct expansion {
	struct environment *environment;
	unsigned int count; /* of args */
	bool open;          /* a word has begun */
};

static int put(struct expansion *expansion, const char *text, size_t len)
{
	struct environment *environment = expansion->environment;

	if (!expansion->open) {
		if (expansion->count == ENVIRONMENT_ARGS_MAX)
			return -E2BIG;
		environment->args[expansion->count++] = environment->text + environment->used;
		expansion->open = true;
	}
	if (len >= sizeof(environment->text) - environment->used)
		return -E2BIG;
	memcpy(environment->text + environment->used, text, len);
	environment->used += len;
	return 0;
}

static int end_word(struct expansion *expansion)
{
	int rc = put(expansion, "", 0);

	if (rc < 0)
		return rc;
	expansion->open = false;
	if (expansion->environment->used == sizeof(expansion->environment->text))
		return -E2BIG;
	expansion->environment->text[expansion->environment->used++] = '\0';
	return 0;
}

/* $NAME as a whole word: as many words as its value has, which may be none. */
static int split_value(struct expansion *expansion, const char *value)
{
	for (value += strspn(value, " \t\n"); *value; value += strspn(value, " \t\n")) {
		size_t len = strcspn(value, " \t\n");
		int rc = put(expansion, value, len);

		if (rc == 0)
			rc = end_word(expansion);
		if (rc < 0)
			return rc;
		value += len;
	}
	return 0;
}

static int expand_word(struct expansion *expansion, const char *in)
{
	const struct environment *environment = expansion->environment;
	int rc = 0;

	if (in[0] == '$' && is_name(in + 1, strlen(in + 1))) {
		const char *value = environment_get(environment, in + 1, strlen(in + 1));

		return value ? split_value(expansion, value) : 0;
	}
	while (*in && rc == 0) {
		const char *end = in[0] == '$' && in[1] == '{' ? strchr(in, '}') : NULL;

		if (end) {
			const char *value =
				environment_get(environment, in + 2, (size_t)(end - in) - 2);

			rc = value ? put(expansion, value, strlen(value)) : put(expansion, "", 0);
			in = end + 1;
		} else {
			rc = put(expansion, in, 1);
			in += in[0] == '$' && in[1] == '$' ? 2 : 1;
		}
	}
	return rc < 0 ? rc : end_word(expansion);
}

int environment_expand(struct environment *environment, char *const *words)
{
	struct expansion expansion = {.environment = environment};

	for (size_t i = 0; words[i]; i++) {
		int rc = expand_word(&expansion, words[i]);

		if (rc < 0)
			return rc;
	}
	environment->args[expansion.count] = NULL;
	return expansion.count > 0 ? 0 : -EINVAL;
}
