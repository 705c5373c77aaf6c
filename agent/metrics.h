/* SPDX-License-Identifier: MIT
 *
 * metrics.h - GET /metrics: gathers what the kernel and the agent count, and has it written.
 */
#pragma once

#include "agent/common/facts.h"
#include "lib/base.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_MAX  (224 * 1024) /* less than what http.c can send at once */

struct events;
struct http_server;
struct listener;
struct proxy;
struct report;

/* Whose figures are told. */
struct metrics_sources {
	const struct facts *facts;
	const struct http_server *http;
	const struct events *events;
	const struct report *report;
	const struct listener *listeners; /* `doors` of each */
	const struct proxy *proxies;
	unsigned int doors;
};

/* The query of GET /metrics: nothing, or "names=node-exporter" for `camel_case` (metrics_node.h). 0 or -EINVAL. */
int metrics_parse_query(const char *query, size_t len, bool *camel_case) MUST_CHECK;
/* The text, valid until the next call. NULL: it did not fit. */
const char *metrics_answer(const struct metrics_sources *sources, bool camel_case, size_t *len);
