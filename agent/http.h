/* SPDX-License-Identifier: MIT
 *
 * http.h - a small HTTP/1.1 server for a few trusted peers: keep-alive, pipelining, deadlines, bounds.
 *
 * A connection is one anonymous mapping that the kernel takes back when it closes. No connection waits for
 * another: a peer that sends or reads slowly meets its own deadline, and makes room when all connections are taken.
 */
#pragma once

#include "agent/http_request.h"
#include "lib/base.h"
#include "lib/loop.h"

/* A host has a handful of clients, each with a connection or two and a stream; a page of figures and a page of events are kept
 * per connection, so that all of them cost less than 1 MiB while nothing large is asked for. Half of them may be streams,
 * which last as long as their client likes: the others are for who asks a question and goes. */
#define HTTP_CONNECTIONS_MAX 64
#define HTTP_STREAMS_MAX     32
#define HTTP_REQUEST_S       10 /* from the first byte of a request to its last */
#define HTTP_IDLE_S          60 /* between requests */
#define HTTP_WRITE_S         10 /* for the peer to take an answer */
/* With all connections taken, the one whose client has been silent longest makes room for a new one: it is idle, or slow with
 * its request. One younger than this never does, or a crowd would push each other out. */
#define HTTP_SILENT_S 1

struct http_response;

/* A body that is made piece by piece, sent until it ends or the client is gone. It has no length: it goes in chunks, the last
 * of which says that it is whole; to a client of HTTP/1.0 as it is. The connection ends with it. */
struct http_stream {
	/* The next piece into `buffer`. Its length; 0: nothing for now, see http_server_wake; -EAGAIN: to be asked once more after
	 * others had their turn; -errno: it ends here (-ENODATA: as it should). */
	ssize_t (*read)(void *ctx, char *buffer, size_t size);
	/* Called once, whatever happens. */
	void (*close)(void *ctx);
	/* Not NULL: instead of `read`, an answer that is known only later. Fills in the whole response (with a body)
	 * and returns 0; -EAGAIN: not yet, see http_server_wake. */
	int (*answer)(void *ctx, struct http_response *response);
	/* It ends by itself, and there are few: not one of the HTTP_STREAMS_MAX. An `answer` never is. */
	bool brief;
};

#define HTTP_STREAM_PIECE_MIN (16 * 1024) /* `size` is never less */

/* Filled in by the handler. The body must stay valid until the handler is called again or the
 * loop goes on: it is copied at once. */
struct http_response {
	int status;
	const char *type;  /* Content-Type */
	const char *allow; /* for 405, else NULL */
	const char *
		filename; /* the body is to be kept under this name (without quotes in it), else NULL */
	const char *body;
	size_t body_len;
	const struct http_stream *stream; /* instead of a body, else NULL */
	/* Instead of all of the above: the connection is no longer HTTP's. Takes the (non-blocking) fd and what has come on it
	 * since, which is valid during the call; says 101 itself. Called at once. */
	void (*take)(void *ctx, int fd, const char *early, size_t len);
	void *take_ctx;
	void *stream_ctx; /* the server's, to be closed, from now on */
};

typedef void http_handler_fn(void *ctx, const struct http_request *request,
	struct http_response *response);

/* Fills `response` with a problem document (problem.h). */
void http_response_problem(struct http_response *response, int status, const char *code,
	const char *detail);

struct http_connection;

/* Since the start, for metrics. */
struct http_counts {
	uint64_t accepted, busy; /* busy: of these, those that were too many */
	uint64_t answers[6];     /* by the first digit of the status */
};

struct http_server {
	struct loop *loop;
	http_handler_fn *fn;
	void *ctx;
	struct http_connection *connections;
	unsigned int count;
	unsigned int streams; /* of HTTP_STREAMS_MAX */
	struct http_counts counts;
};

void http_server_init(struct http_server *server, struct loop *loop, http_handler_fn *fn,
	void *ctx);
/* Serves a connection; takes the (non-blocking) fd. With HTTP_CONNECTIONS_MAX open and all of them busy it gets a 503. */
void http_server_accept(struct http_server *server, int fd);
/* Streams that had nothing may have something now. */
void http_server_wake(struct http_server *server);
/* Connections whose answer goes on. */
unsigned int http_server_count_streams(const struct http_server *server);
/* Closes every connection. */
void http_server_close(struct http_server *server);
