/* SPDX-License-Identifier: MIT
 *
 * proxy_settings.c - see proxy_settings.h. Callers: keelctl proxy, the agent's document.
 */
#include "agent/common/proxy_settings.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define SCHEME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static const char *const names[PROXY_KINDS][2] = {
	[PROXY_HTTP] = {"HTTP_PROXY", "http_proxy"},
	[PROXY_HTTPS] = {"HTTPS_PROXY", "https_proxy"},
	[PROXY_NO] = {"NO_PROXY", "no_proxy"},
};

const char *proxy_settings_variable(enum proxy_kind kind)
{
	return names[kind][0];
}

/* The lower-case one does not replace the other. */
static int take(const char *name, size_t name_len, const char *value, size_t len,
	struct proxy_settings *settings)
{
	for (size_t kind = 0; kind < PROXY_KINDS; kind++) {
		bool upper = strlen(names[kind][0]) == name_len &&
			     strncmp(name, names[kind][0], name_len) == 0;
		bool lower = strlen(names[kind][1]) == name_len &&
			     strncmp(name, names[kind][1], name_len) == 0;

		if (!upper && (!lower || settings->value[kind][0]))
			continue;
		if (upper && len == 0)
			continue;
		if (len >= PROXY_SETTINGS_VALUE)
			return -EINVAL;
		for (size_t i = 0; i < len; i++)
			if (iscntrl((unsigned char)value[i]))
				return -EINVAL;
		/* Nothing of a longer one before it: settings are compared as a whole. */
		memset(settings->value[kind], 0, sizeof(settings->value[kind]));
		memcpy(settings->value[kind], value, len);
	}
	return 0;
}

int proxy_settings_from_environment(const char *block, size_t len, struct proxy_settings *settings)
{
	*settings = (struct proxy_settings){0};
	while (len > 0) {
		size_t entry = strnlen(block, len), name = 0;
		int rc;

		while (name < entry && block[name] != '=')
			name++;
		rc = name == entry
			     ? 0
			     : take(block, name, block + name + 1, entry - name - 1, settings);
		if (rc < 0) {
			*settings = (struct proxy_settings){0};
			return rc;
		}
		entry += entry < len ? 1 : 0;
		block += entry;
		len -= entry;
	}
	return 0;
}

/* One line's value without its quotes. Returns its length. */
static size_t unquote(const char *in, size_t len, char value[PROXY_SETTINGS_VALUE + 1])
{
	bool quoted = len > 1 && (in[0] == '"' || in[0] == '\'') && in[len - 1] == in[0];
	size_t used = 0, end = quoted ? len - 1 : len;

	for (size_t i = quoted ? 1 : 0; i < end && used <= PROXY_SETTINGS_VALUE; i++) {
		if (in[i] == '\\' && in[0] != '\'' && i + 1 < end)
			i++;
		value[used++] = in[i];
	}
	return used;
}

int proxy_settings_from_file(const char *text, struct proxy_settings *settings)
{
	*settings = (struct proxy_settings){0};
	while (*text) {
		char value[PROXY_SETTINGS_VALUE + 1];
		size_t len = strcspn(text, "\n"), name = strcspn(text, "=\n"), end = len;

		while (end > name && strchr(" \t\r", text[end - 1]))
			end--;
		if (name < end) {
			size_t size = unquote(text + name + 1, end - name - 1, value);
			int rc = take(text, name, value, size, settings);

			if (rc < 0) {
				*settings = (struct proxy_settings){0};
				return rc;
			}
		}
		text += len + (text[len] == '\n' ? 1 : 0);
	}
	return 0;
}

static void put(char *text, size_t size, size_t *used, char c)
{
	if (*used < size)
		text[*used] = c;
	(*used)++;
}

int proxy_settings_write(const struct proxy_settings *settings, char *text, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names) * 2; i++) {
		const char *value = settings->value[i / 2];

		if (!value[0])
			continue;
		for (const char *name = names[i / 2][i % 2]; *name; name++)
			put(text, size, &used, *name);
		put(text, size, &used, '=');
		put(text, size, &used, '"');
		for (; *value; value++) {
			if (strchr("\"\\", *value))
				put(text, size, &used, '\\');
			put(text, size, &used, *value);
		}
		put(text, size, &used, '"');
		put(text, size, &used, '\n');
	}
	put(text, size, &used, '\0');
	return used <= size ? 0 : -ENOSPC;
}

bool proxy_settings_any(const struct proxy_settings *settings)
{
	for (size_t kind = 0; kind < PROXY_KINDS; kind++)
		if (settings->value[kind][0])
			return true;
	return false;
}

const char *proxy_settings_mask(const char *value, char text[PROXY_SETTINGS_VALUE])
{
	/* The last one of all: a password may have any character, also / and @. Rather too much is hidden. */
	const char *at = strrchr(value, '@');
	size_t scheme = strspn(value, SCHEME_LETTERS);

	if (scheme == 0 || strncmp(value + scheme, "://", 3) != 0)
		scheme = 0;
	else
		scheme += 3;
	if (at)
		(void)snprintf(text, PROXY_SETTINGS_VALUE, "%.*s***%s", (int)scheme, value, at);
	else
		(void)snprintf(text, PROXY_SETTINGS_VALUE, "%s", value);
	return text;
}
