/* SPDX-License-Identifier: MIT
 *
 * query.c - see query.h. Callers: log_query.c, event_query.c, metrics.c.
 */
#include "agent/query.h"

#include <string.h>

/* Takes the next one off the front. 1; 0 at the end; -EINVAL. */
static int take_next(const char **text, size_t *len, struct query_pair *pair)
{
	const char *end, *equals;
	size_t part;

	if (*len == 0)
		return 0;
	end = memchr(*text, '&', *len);
	part = end ? (size_t)(end - *text) : *len;
	equals = memchr(*text, '=', part);
	if (!equals)
		return -EINVAL;
	pair->key = *text;
	pair->key_len = (size_t)(equals - *text);
	pair->value = equals + 1;
	pair->value_len = part - pair->key_len - 1;
	part += end != NULL;
	*text += part;
	*len -= part;
	return 1;
}

int query_each(const char *text, size_t len, query_pair_fn *fn, void *ctx)
{
	struct query_pair pair;
	int rc;

	while ((rc = take_next(&text, &len, &pair)) > 0) {
		rc = fn(ctx, &pair);
		if (rc < 0)
			break;
	}
	return rc;
}

bool query_key_is(const struct query_pair *pair, const char *word)
{
	return pair->key_len == strlen(word) && memcmp(pair->key, word, pair->key_len) == 0;
}

int query_number(const struct query_pair *pair, uint64_t *number)
{
	*number = 0;
	if (pair->value_len == 0 || pair->value_len > 18)
		return -EINVAL;
	for (size_t i = 0; i < pair->value_len; i++) {
		if (pair->value[i] < '0' || pair->value[i] > '9')
			return -EINVAL;
		*number = *number * 10 + (uint64_t)(pair->value[i] - '0');
	}
	return 0;
}
