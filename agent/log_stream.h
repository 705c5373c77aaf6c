/* SPDX-License-Identifier: MIT
 *
 * log_stream.h - stored logs as HTTP bodies, followed while they grow.
 *
 * A client that follows costs one open file; the directory of the logs is watched as long as there is one.
 */
#pragma once

#include "agent/http.h"
#include "agent/log_query.h"
#include "lib/base.h"
#include "lib/loop.h"

struct log_streams {
	struct loop *loop;
	struct http_server *server; /* woken when a log has grown */
	struct loop_source watch;   /* inotify; only while somebody follows */
	struct loop_timer pace;
	unsigned int followers;
};

void log_streams_init(struct log_streams *streams, struct loop *loop, struct http_server *server);
/* The answer to a query: 200 with a stream, 404 for a unit without a log, 503. */
void log_streams_answer(struct log_streams *streams, const struct log_query *query,
	struct http_response *response);
