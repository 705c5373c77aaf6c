/* SPDX-License-Identifier: MIT
 *
 * log_query.c - see log_query.h. Caller: api.c.
 */
#include "agent/log_query.h"

#include <string.h>

#include "agent/query.h"

static int take_pair(const struct query_pair *pair, struct log_query *query)
{
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

static int take_query(const char *text, size_t len, struct log_query *query)
{
	struct query_pair pair;
	int rc;

	while ((rc = query_next(&text, &len, &pair)) > 0) {
		rc = take_pair(&pair, query);
		if (rc < 0)
			break;
	}
	return rc;
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
