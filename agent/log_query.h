/* SPDX-License-Identifier: MIT
 *
 * log_query.h - the path and query of GET /v1/logs/NAME?lines=N&follow=1&since_us=T. Pure; fuzzed.
 */
#pragma once

#include "agent/common/log_line.h"
#include "agent/http_request.h"
#include "lib/base.h"

#define LOG_QUERY_PREFIX    "/v1/logs/"
#define LOG_QUERY_LINES_ALL SIZE_MAX

struct log_query {
	char name[LOG_NAME_MAX]; /* of the unit, complete */
	size_t lines;            /* at most so many of the last ones; LOG_QUERY_LINES_ALL: all */
	bool follow;
	uint64_t since_us; /* only lines of this time of CLOCK_BOOTTIME or later */
};

/* 0; -ENOENT: it is not the name of a unit; -EINVAL: a key or value that is not known. */
int log_query_parse(const struct http_request *request, struct log_query *query) MUST_CHECK;
