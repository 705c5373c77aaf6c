/* SPDX-License-Identifier: MIT
 *
 * log_query.c - see log_query.h. Caller: api.c.
 */
#include "agent/log_query.h"

#include <string.h>

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A program that makes a path of a name may escape any of it (RFC 3986 2.1), the '@' of an instance more often than not. The
 * length, or -EINVAL. What comes of it is judged as a name, so that no escape makes a path. */
static ssize_t decode_name(const char *text, size_t len, char name[LOG_NAME_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		int high, low;

		if (n == LOG_NAME_MAX)
			return -EINVAL;
		if (text[i] != '%') {
			name[n++] = text[i];
			continue;
		}
		high = len - i > 2 ? hex_value(text[i + 1]) : -1;
		low = len - i > 2 ? hex_value(text[i + 2]) : -1;
		if (high < 0 || low < 0)
			return -EINVAL;
		name[n++] = (char)(high << 4 | low);
		i += 2;
	}
	return (ssize_t)n;
}

static int parse_number(const char *text, size_t len, uint64_t *number)
{
	*number = 0;
	if (len == 0 || len > 18)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		*number = *number * 10 + (uint64_t)(text[i] - '0');
	}
	return 0;
}

static bool key_is(const char *key, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(key, word, len) == 0;
}

static int take_pair(const char *key, size_t key_len, const char *value, size_t value_len,
	struct log_query *query)
{
	uint64_t number;

	if (parse_number(value, value_len, &number) < 0)
		return -EINVAL;
	if (key_is(key, key_len, "lines"))
		query->lines = (size_t)number;
	else if (key_is(key, key_len, "since_us"))
		query->since_us = number;
	else if (key_is(key, key_len, "follow") && number <= 1)
		query->follow = number == 1;
	else
		return -EINVAL;
	return 0;
}

static int take_query(const char *text, size_t len, struct log_query *query)
{
	while (len > 0) {
		const char *end = memchr(text, '&', len);
		size_t part = end ? (size_t)(end - text) : len;
		const char *equals = memchr(text, '=', part);
		size_t key_len = equals ? (size_t)(equals - text) : part;
		int rc;

		if (!equals)
			return -EINVAL;
		rc = take_pair(text, key_len, equals + 1, part - key_len - 1, query);
		if (rc < 0)
			return rc;
		part += end != NULL;
		text += part;
		len -= part;
	}
	return 0;
}

int log_query_parse(const struct http_request *request, struct log_query *query)
{
	size_t prefix = strlen(LOG_QUERY_PREFIX);
	char name[LOG_NAME_MAX];
	ssize_t len;

	*query = (struct log_query){.lines = LOG_QUERY_LINES_ALL};
	if (request->path_len < prefix || memcmp(request->path, LOG_QUERY_PREFIX, prefix) != 0)
		return -ENOENT;
	len = decode_name(request->path + prefix, request->path_len - prefix, name);
	if (len < 0 || log_name_complete(name, (size_t)len, query->name) < 0)
		return -ENOENT;
	return take_query(request->query, request->query_len, query);
}
