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

/* 0, or -errno: the query is none of those that are understood. */
typedef int query_pair_fn(void *ctx, const struct query_pair *pair);

/* Each "key=value" in turn, up to the first that `fn` refuses. 0; -EINVAL: one has no '='; what `fn` said. */
int query_each(const char *text, size_t len, query_pair_fn *fn, void *ctx) MUST_CHECK;
bool query_key_is(const struct query_pair *pair, const char *word);
/* 0, or -EINVAL: not 1 to 18 digits. */
int query_number(const struct query_pair *pair, uint64_t *number) MUST_CHECK;
