/* SPDX-License-Identifier: MIT
 *
 * http.c - see http.h. Caller: agent.c. The peer is never trusted with anything: every length is
 * bounded, every wait has a deadline, every failure closes this one connection.
 */
#include "agent/http.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "agent/common/farewell.h"
#include "agent/common/problem.h"
#include "lib/clock.h"
#include "lib/log.h"

#define OUT_MAX    (256 * 1024)
#define OUT_HEADER 512 /* the longest header that we write */
/* Pieces of a stream in one wake-up, so that a client that reads fast does not keep the agent from its other work. */
#define TURNS 4
/* Around a piece of a stream: its length, "00c000\r\n", and the end of the line behind it. */
#define CHUNK_HEAD 8
#define CHUNK_TAIL 2

struct http_connection {
	struct http_server *server;
	struct http_connection *next, **link;
	int fd;
	struct loop_source source;
	struct loop_timer timer;
	bool close_after; /* the answer in `out` is the last one */
	bool continued;   /* "100 Continue" was said for the request in `in` */
	void (*take)(void *ctx, int fd, const char *early, size_t len); /* not NULL: HTTP is over */
	void *take_ctx;
	bool peer_done;                   /* the peer will send no more */
	bool chunked;                     /* the stream goes in chunks */
	bool counted;                     /* the stream is one of HTTP_STREAMS_MAX */
	bool more;                        /* the stream may have more, its turns are over */
	uint64_t silent_us;               /* since when its next request is waited for */
	const struct http_stream *stream; /* the body that is being sent, NULL: none */
	void *stream_ctx;
	size_t in_len, out_start, out_len;
	char in[HTTP_HEADER_MAX + HTTP_BODY_MAX];
	char out[OUT_MAX];
};

void http_response_problem(struct http_response *response, int status, const char *code,
	const char *detail)
{
	static char body[PROBLEM_MAX];

	*response = (struct http_response){
		.status = status, .type = "application/problem+json", .body = body};
	response->body_len = problem_format(body, sizeof(body), status, code, detail);
}

static void end_stream(struct http_connection *connection)
{
	if (connection->stream)
		connection->stream->close(connection->stream_ctx);
	connection->server->streams -= connection->counted;
	connection->counted = false;
	connection->stream = NULL;
}

static void connection_free(struct http_connection *connection)
{
	end_stream(connection);
	loop_remove(connection->server->loop, &connection->source);
	loop_timer_cancel(connection->server->loop, &connection->timer);
	close_p(&connection->fd);
	*connection->link = connection->next;
	if (connection->next)
		connection->next->link = connection->link;
	connection->server->count--;
	(void)munmap(connection, sizeof(*connection));
}

/* The last answer is out: let the peer read it before the socket goes. */
static void connection_part(struct http_connection *connection)
{
	struct loop *loop = connection->server->loop;
	int fd;

	loop_remove(loop, &connection->source);
	fd = TAKE_FD(connection->fd);
	connection_free(connection);
	farewell_send(loop, fd, NULL, 0);
}

/* Is it the peer's turn to take something? */
static bool wants_out(const struct http_connection *connection)
{
	return connection->out_len > 0 || connection->more;
}

static void on_http_deadline(struct loop_timer *timer)
{
	struct http_connection *connection = timer->ctx;
	struct loop *loop = connection->server->loop;
	int fd;

	/* A peer in the middle of a request is told why; one that is idle or does not read is not. */
	if (connection->in_len == 0 || wants_out(connection)) {
		connection_free(connection);
		return;
	}
	loop_remove(loop, &connection->source);
	fd = TAKE_FD(connection->fd);
	connection_free(connection);
	farewell_problem(loop, fd, 408, "request_timeout", "the request was not complete in time");
}

static void set_deadline(struct http_connection *connection, unsigned int seconds)
{
	loop_timer_set(connection->server->loop, &connection->timer,
		clock_now_us() + seconds * USEC_PER_SEC, on_http_deadline, connection);
}

static void put_response(struct http_connection *connection, const struct http_response *response,
	bool head)
{
	char length[48] = "";
	int len;

	connection->server->counts.answers[response->status / 100 % 6]++;
	if (!response->stream)
		(void)snprintf(length, sizeof(length), "Content-Length: %zu\r\n",
			response->body_len);
	else if (connection->chunked)
		(void)snprintf(length, sizeof(length), "Transfer-Encoding: chunked\r\n");
	len = snprintf(connection->out + connection->out_len, OUT_HEADER,
		"HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%sCache-Control: no-store\r\n"
		"%s%s%s%s%s%s%s\r\n",
		response->status, problem_title(response->status), response->type, length,
		response->allow ? "Allow: " : "", response->allow ? response->allow : "",
		response->allow ? "\r\n" : "",
		response->filename ? "Content-Disposition: attachment; filename=\"" : "",
		response->filename ? response->filename : "", response->filename ? "\"\r\n" : "",
		connection->close_after ? "Connection: close\r\n" : "");
	connection->out_len += (size_t)len;
	if (head || response->stream)
		return;
	memcpy(connection->out + connection->out_len, response->body, response->body_len);
	connection->out_len += response->body_len;
}

static void limit_body(struct http_response *response)
{
	if (response->body_len > OUT_MAX - OUT_HEADER)
		http_response_problem(response, 500, "too_large",
			"the answer is larger than this server can send");
}

/* A stream takes one of the places that there are for streams, or is none. */
static void begin_stream(struct http_connection *connection, struct http_response *response)
{
	struct http_server *server = connection->server;
	bool counts = response->stream && !response->stream->answer && !response->stream->brief;

	if (counts && server->streams >= HTTP_STREAMS_MAX) {
		response->stream->close(response->stream_ctx);
		http_response_problem(response, 503, "too_many_streams",
			"too many answers without an end at once; try again when some are closed");
		counts = false;
	}
	connection->stream = response->stream;
	connection->stream_ctx = response->stream_ctx;
	connection->counted = counts;
	server->streams += counts;
}

static void respond(struct http_connection *connection, const struct http_request *request)
{
	struct http_response response = {0};

	connection->server->fn(connection->server->ctx, request, &response);
	connection->take = response.take;
	connection->take_ctx = response.take_ctx;
	if (response.take) {
		connection->server->counts.answers[1]++;
		return;
	}
	limit_body(&response);
	begin_stream(connection, &response);
	/* After a stream there is no other answer. */
	connection->close_after = !request->keep_alive || response.stream;
	connection->chunked = response.stream && request->chunks;
	if (request->head || !response.stream || !response.stream->answer)
		put_response(connection, &response, request->head);
	if (request->head)
		end_stream(connection);
}

static void refuse(struct http_connection *connection, int status)
{
	static const struct {
		int status;
		const char *code, *detail;
	} refusals[] = {
		{400, "bad_request",
			"this is not an HTTP/1.1 request that can be understood in one way only"},
		{413, "body_too_large", "the body is larger than 64 KiB"},
		{417, "expectation_failed", "only Expect: 100-continue is known"},
		{431, "header_too_large",
			"the header is larger than 8 KiB or has more than 64 fields"},
		{501, "transfer_encoding",
			"send the body with Content-Length, not with Transfer-Encoding"},
	};
	struct http_response response;
	size_t i = 0;

	while (i < ARRAY_SIZE(refusals) - 1 && refusals[i].status != status)
		i++;
	connection->close_after = true;
	connection->in_len = 0;
	http_response_problem(&response, status, refusals[i].code, refusals[i].detail);
	put_response(connection, &response, false);
}

/* Answers one request if it is complete. Returns false if there is nothing to do before more input. */
static bool answer_one(struct http_connection *connection)
{
	struct http_request request;
	size_t used = 0;
	int rc = http_request_parse(connection->in, connection->in_len, &request, &used);

	if (rc == -EAGAIN) {
		if (request.expect_continue && !connection->continued) {
			static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

			memcpy(connection->out, text, sizeof(text) - 1);
			connection->out_len = sizeof(text) - 1;
			connection->continued = true;
			return true;
		}
		return false;
	}
	connection->continued = false;
	if (rc > 0) {
		refuse(connection, rc);
		return true;
	}
	connection->silent_us = clock_now_us();
	respond(connection, &request);
	memmove(connection->in, connection->in + used, connection->in_len - used);
	connection->in_len -= used;
	return true;
}

/* Writes what waits. Returns false if the connection is gone. */
static bool flush_out(struct http_connection *connection)
{
	while (connection->out_len > 0) {
		ssize_t n = send(connection->fd, connection->out + connection->out_start,
			connection->out_len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0) {
			connection_free(connection);
			return false;
		}
		connection->out_start += (size_t)n;
		connection->out_len -= (size_t)n;
	}
	connection->out_start = 0;
	return true;
}

/* The answer that is waited for, if it is there. */
static void fill_from_answer(struct http_connection *connection)
{
	struct http_response response = {0};

	if (connection->stream->answer(connection->stream_ctx, &response) == -EAGAIN)
		return;
	limit_body(&response);
	put_response(connection, &response, false);
	end_stream(connection);
}

/* Makes a chunk of the piece that lies behind its head. */
static void put_chunk(struct http_connection *connection, size_t len)
{
	char head[CHUNK_HEAD + 1];

	(void)snprintf(head, sizeof(head), "%06x\r\n", (unsigned int)len & 0xffffff);
	memcpy(connection->out, head, CHUNK_HEAD);
	memcpy(connection->out + connection->out_len, "\r\n", CHUNK_TAIL);
	connection->out_len += CHUNK_TAIL;
}

/* The body is whole. */
static void put_last_chunk(struct http_connection *connection)
{
	static const char text[] = "0\r\n\r\n";

	memcpy(connection->out, text, sizeof(text) - 1);
	connection->out_len = sizeof(text) - 1;
}

/* Takes the next piece of the stream's body, as much as there is room. */
static void fill_from_stream(struct http_connection *connection)
{
	const size_t head = connection->chunked ? CHUNK_HEAD : 0;
	ssize_t n;

	if (connection->stream->answer) {
		fill_from_answer(connection);
		return;
	}
	n = connection->stream->read(connection->stream_ctx, connection->out + head, OUT_MAX / 4);
	connection->more = n == -EAGAIN;
	if (n > 0)
		connection->out_len = head + (size_t)n;
	if (n > 0 && connection->chunked)
		put_chunk(connection, (size_t)n);
	if (n == -ENODATA && connection->chunked)
		put_last_chunk(connection);
	if (n < 0 && n != -EAGAIN)
		end_stream(connection);
}

/* Sends what the stream has now. The client's time for a piece is the same as for an answer. Returns false if the
 * connection is gone. */
static bool pump(struct http_connection *connection)
{
	connection->more = false;
	for (int i = 0; connection->stream && connection->out_len == 0; i++) {
		if (i == TURNS) {
			connection->more = true;
			break;
		}
		fill_from_stream(connection);
		if (connection->stream && connection->out_len == 0)
			break; /* nothing for now */
		if (!flush_out(connection))
			return false;
	}
	return true;
}

/* Waits for the stream's next piece, or for the client to go: it has as long as it wants. */
static bool await_stream(struct http_connection *connection)
{
	loop_timer_cancel(connection->server->loop, &connection->timer);
	if (loop_modify(connection->server->loop, &connection->source, EPOLLIN) == 0)
		return true;
	connection_free(connection);
	return false;
}

/* What the connection waits for next, and until when. Returns false if it is over. */
static bool await_next(struct http_connection *connection, bool had_input)
{
	uint32_t events = wants_out(connection) ? EPOLLOUT : EPOLLIN;

	if (!wants_out(connection) && connection->stream)
		return await_stream(connection);
	if (!wants_out(connection) && (connection->close_after || connection->peer_done)) {
		connection_part(connection);
		return false;
	}
	if (loop_modify(connection->server->loop, &connection->source, events) < 0) {
		connection_free(connection);
		return false;
	}
	if (wants_out(connection))
		set_deadline(connection, HTTP_WRITE_S);
	else if (connection->in_len == 0)
		set_deadline(connection, HTTP_IDLE_S);
	else if (!had_input)
		set_deadline(connection, HTTP_REQUEST_S);
	return true;
}

static void hand_over(struct http_connection *connection)
{
	int fd;

	loop_remove(connection->server->loop, &connection->source);
	fd = TAKE_FD(connection->fd);
	connection->take(connection->take_ctx, fd, connection->in, connection->in_len);
	connection_free(connection);
}

/* Alternates between answering and writing, as long as the peer takes the answers. */
static void serve(struct http_connection *connection, bool had_input)
{
	bool answered = false;

	while (connection->out_len == 0 && !connection->close_after && connection->in_len > 0) {
		if (!answer_one(connection))
			break;
		answered = true;
		if (connection->take) {
			hand_over(connection);
			return;
		}
		if (!flush_out(connection))
			return;
	}
	if (!pump(connection))
		return;
	(void)await_next(connection, had_input && !answered);
}

static void on_http_event(struct loop_source *source, uint32_t events)
{
	struct http_connection *connection = source->ctx;
	bool had_input = connection->in_len > 0;
	ssize_t n;

	if (wants_out(connection)) {
		/* The deadline is for the whole answer: it is not put off by a peer that takes a bit. */
		if (flush_out(connection) && connection->out_len == 0)
			serve(connection, false);
		return;
	}
	if (connection->stream) {
		/* Nothing is expected of the client but that it closes. */
		n = recv(connection->fd, connection->in, sizeof(connection->in), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			connection_free(connection);
		return;
	}
	(void)events;
	/* A request never needs more than `in`: the parser refuses it before. */
	n = recv(connection->fd, connection->in + connection->in_len,
		sizeof(connection->in) - connection->in_len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 || (n == 0 && connection->in_len == 0)) {
		connection_free(connection);
		return;
	}
	connection->peer_done = n == 0;
	connection->in_len += (size_t)n;
	serve(connection, had_input);
}

void http_server_init(struct http_server *server, struct loop *loop, http_handler_fn *fn, void *ctx)
{
	*server = (struct http_server){.loop = loop, .fn = fn, .ctx = ctx};
}

/* Everybody who waits for an answer or takes one is let be. */
static struct http_connection *find_most_silent(const struct http_server *server)
{
	struct http_connection *found = NULL;
	uint64_t now_us = clock_now_us();

	for (struct http_connection *connection = server->connections; connection;
		connection = connection->next) {
		if (connection->out_len > 0 || connection->stream ||
			now_us - connection->silent_us < HTTP_SILENT_S * USEC_PER_SEC)
			continue;
		if (!found || connection->silent_us < found->silent_us)
			found = connection;
	}
	return found;
}

static void make_room(struct http_server *server)
{
	struct http_connection *connection = find_most_silent(server);

	/* Its time is up a bit earlier. */
	if (connection)
		on_http_deadline(&connection->timer);
}

void http_server_accept(struct http_server *server, int fd)
{
	struct http_connection *connection = MAP_FAILED;

	server->counts.accepted++;
	if (server->count >= HTTP_CONNECTIONS_MAX)
		make_room(server);
	if (server->count < HTTP_CONNECTIONS_MAX)
		connection = mmap(NULL, sizeof(*connection), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (connection == MAP_FAILED) {
		server->counts.busy++;
		farewell_problem(server->loop, fd, 503, "too_many_connections",
			"too many API connections at once; try again when some are closed");
		return;
	}
	connection->server = server;
	connection->fd = fd;
	connection->source.fd = -1;
	connection->silent_us = clock_now_us();
	connection->next = server->connections;
	connection->link = &server->connections;
	if (connection->next)
		connection->next->link = &connection->next;
	server->connections = connection;
	server->count++;
	if (loop_add(server->loop, &connection->source, fd, EPOLLIN, on_http_event, connection) <
		0) {
		connection_free(connection);
		return;
	}
	set_deadline(connection, HTTP_IDLE_S);
}

void http_server_wake(struct http_server *server)
{
	struct http_connection *next;

	for (struct http_connection *connection = server->connections; connection;
		connection = next) {
		next = connection->next;
		if (connection->stream && connection->out_len == 0 && pump(connection))
			(void)await_next(connection, false);
	}
}

unsigned int http_server_count_streams(const struct http_server *server)
{
	const struct http_connection *connection;
	unsigned int count = 0;

	for (connection = server->connections; connection; connection = connection->next)
		count += connection->stream != NULL;
	return count;
}

void http_server_close(struct http_server *server)
{
	while (server->connections)
		connection_free(server->connections);
}
