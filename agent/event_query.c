/* SPDX-License-Identifier: MIT
 *
 * event_query.c - see event_query.h. Caller: events.c.
 */
#include "agent/event_query.h"

#include <string.h>
#include <strings.h>

#include "agent/query.h"

/* The length of a comma there, 0 for none: who makes a query of a list escapes it more often than not (RFC 3986 2.1). */
static size_t comma_at(const char *text, size_t len)
{
	if (len >= 1 && text[0] == ',')
		return 1;
	return len >= 3 && strncasecmp(text, "%2c", 3) == 0 ? 3 : 0;
}

static int take_kinds(const char *text, size_t len, unsigned int *kinds)
{
	*kinds = 0;
	for (;;) {
		size_t part = 0, comma;
		enum event_kind kind;

		while (part < len && comma_at(text + part, len - part) == 0)
			part++;
		if (event_kind_find(text, part, &kind) < 0)
			return -EINVAL;
		*kinds |= 1U << kind;
		comma = comma_at(text + part, len - part);
		if (comma == 0)
			return 0;
		text += part + comma;
		len -= part + comma;
	}
}

static int take_id(const struct query_pair *pair, struct event_query *query)
{
	query->start = EVENT_START_AFTER;
	return event_id_parse(pair->value, pair->value_len, &query->life, &query->number);
}

static int take_pair(void *ctx, const struct query_pair *pair)
{
	struct event_query *query = ctx;
	uint64_t number;

	if (query_key_is(pair, "kinds"))
		return take_kinds(pair->value, pair->value_len, &query->kinds);
	if (query_key_is(pair, "last_event_id") || query_key_is(pair, "since"))
		return take_id(pair, query);
	if (query_number(pair, &number) < 0)
		return -EINVAL;
	if (query_key_is(pair, "last")) {
		query->start = EVENT_START_LAST;
		query->number = number;
	} else if (query_key_is(pair, "follow") && number <= 1) {
		query->follow = number == 1;
	} else {
		return -EINVAL;
	}
	return 0;
}

int event_query_parse(const struct http_request *request, struct event_query *query)
{
	int rc;

	*query = (struct event_query){.kinds = EVENT_QUERY_ALL, .follow = true};
	rc = query_each(request->query, request->query_len, take_pair, query);
	if (rc < 0 || request->last_event_id_len == 0)
		return rc;
	query->start = event_id_parse(request->last_event_id, request->last_event_id_len,
			       &query->life, &query->number) == 0
			       ? EVENT_START_AFTER
			       : EVENT_START_FOREIGN;
	return 0;
}
