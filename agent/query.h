/* SPDX-License-Identifier: MIT
 *
 * query.h - the part of a request behind the '?', pair by pair. Pure. Nothing that is asked for needs an escape, so none is
 * understood, but the comma of a list (event_query.c).
 */
#pragma once

#include "lib/base.h"

/* Points into the request. */
struct query_pair {
	const char *key, *value;
	size_t key_len, value_len;
};

/* Takes the next "key=value" off the front. 1; 0 at the end; -EINVAL: there is no '='. */
int query_next(const char **text, size_t *len, struct query_pair *pair) MUST_CHECK;
bool query_key_is(const struct query_pair *pair, const char *word);
/* 0, or -EINVAL: not 1 to 18 digits. */
int query_number(const struct query_pair *pair, uint64_t *number) MUST_CHECK;
