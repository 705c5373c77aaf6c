/* SPDX-License-Identifier: MIT
 *
 * log_query.c - see log_query.h. Caller: api.c.
 */
#include "agent/log_query.h"

#include <string.h>

/* Nothing in a name or a number needs an escape, so none is understood. */

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

	*query = (struct log_query){.lines = LOG_QUERY_LINES_ALL};
	if (request->path_len < prefix || memcmp(request->path, LOG_QUERY_PREFIX, prefix) != 0 ||
		log_name_complete(request->path + prefix, request->path_len - prefix, query->name) <
			0)
		return -ENOENT;
	return take_query(request->query, request->query_len, query);
}
