/* SPDX-License-Identifier: MIT
 *
 * log_query.c - see log_query.h. Caller: api.c.
 */
#include "agent/log_query.h"

#include <string.h>

#include "agent/query.h"

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

static int take_pair(void *ctx, const struct query_pair *pair)
{
	struct log_query *query = ctx;
	uint64_t number;

	if (query_number(pair, &number) < 0)
		return -EINVAL;
	if (query_key_is(pair, "lines"))
		query->lines = (size_t)number;
	else if (query_key_is(pair, "since_us"))
		query->since_us = number;
	else if (query_key_is(pair, "follow") && number <= 1)
		query->follow = number == 1;
	else
		return -EINVAL;
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
	return query_each(request->query, request->query_len, take_pair, query);
}
