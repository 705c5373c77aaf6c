/* SPDX-License-Identifier: MIT
 *
 * test_http.c - the server and the routes over a socket pair: every byte on its own, many requests at once,
 * refusals, half-close, too many connections, a peer that does not read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/loop_test.h"

#include "agent/api.h"
#include "agent/common/farewell.h"
#include "agent/http.h"

static struct loop loop;
static struct http_server server;
static struct facts facts;
static struct api api;
static enum control_verb commanded;
static int command_result;

static int on_command(void *ctx, enum control_verb verb)
{
	(void)ctx;
	commanded = verb;
	return command_result;
}

static unsigned int health_asked;

static void on_health(void *ctx)
{
	(void)ctx;
	health_asked++;
}

static int set_up(void **state)
{
	(void)state;
	health_asked = 0;
	memset(&facts, 0, sizeof(facts));
	api = (struct api){.facts = &facts, .command = on_command, .health = on_health};
	commanded = 0;
	command_result = 0;
	assert_int_equal(loop_init(&loop), 0);
	http_server_init(&server, &loop, api_handle_request, &api);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	http_server_close(&server);
	assert_int_equal(server.count, 0);
	loop_fini(&loop);
	return 0;
}

static void set_ready(void)
{
	facts.link = FACTS_LINK_UP;
	facts.boot_known = true;
	facts.boot.state = BOOT_STATE_RUNNING;
	facts.disk.state = DISK_STATE_NONE;
	strcpy(facts.services[0].name, "docker.service");
	facts.services[0].state = SERVICE_STATE_ACTIVE;
	facts.services[0].essential = 1;
	facts.engine.state = ENGINE_STATE_READY;
}

struct peer {
	int fd;
	bool closed;
	size_t len;
	char text[64 * 1024];
};

static struct peer peer;

static void open_peer(void)
{
	int pair[2];

	loop_test_pair(pair);
	http_server_accept(&server, pair[1]);
	memset(&peer, 0, sizeof(peer));
	peer.fd = pair[0];
}

static bool take(void)
{
	ssize_t n;

	while ((n = recv(peer.fd, peer.text + peer.len, sizeof(peer.text) - 1 - peer.len,
			MSG_DONTWAIT)) > 0)
		peer.len += (size_t)n;
	peer.closed |= n == 0;
	peer.text[peer.len] = '\0';
	return true;
}

static void say(const char *text)
{
	assert_int_equal(send(peer.fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* A whole answer: header, and as much body as it announces. */
static bool answered(void)
{
	const char *end, *length;

	(void)take();
	end = strstr(peer.text, "\r\n\r\n");
	length = strstr(peer.text, "Content-Length: ");
	return end && length &&
	       peer.len >= (size_t)(end + 4 - peer.text) + strtoul(length + 16, NULL, 10);
}

static bool closed(void)
{
	(void)take();
	return peer.closed;
}

static void expect_answer(const char *status_line)
{
	LOOP_UNTIL(&loop, answered());
	assert_memory_equal(peer.text, status_line, strlen(status_line));
}

static void close_peer(void)
{
	close_p(&peer.fd);
	LOOP_UNTIL(&loop, server.count == 0);
}

static void ask(const char *request, const char *status_line)
{
	open_peer();
	say(request);
	expect_answer(status_line);
}

static void test_routes(void **state)
{
	(void)state;
	ask("GET /livez HTTP/1.1\r\nHost: k\r\n\r\n", "HTTP/1.1 200 ");
	assert_non_null(strstr(peer.text, "\r\n\r\nok\n"));
	close_peer();
	ask("GET /readyz HTTP/1.1\r\nHost: k\r\n\r\n", "HTTP/1.1 503 ");
	assert_non_null(strstr(peer.text, "starting: "));
	close_peer();
	ask("GET /v1/health HTTP/1.1\r\nHost: k\r\n\r\n", "HTTP/1.1 503 ");
	assert_non_null(strstr(peer.text, "\"ready\":false"));
	close_peer();
	set_ready();
	ask("GET /v1/health HTTP/1.1\r\nHost: k\r\n\r\n", "HTTP/1.1 200 ");
	assert_non_null(strstr(peer.text, "\"ready\":true"));
	close_peer();
	ask("GET /readyz HTTP/1.1\r\nHost: k\r\n\r\n", "HTTP/1.1 200 ");
	close_peer();
	ask("GET /v1/services HTTP/1.1\r\nHost: k\r\n\r\n", "HTTP/1.1 200 ");
	assert_non_null(strstr(peer.text, "{\"services\":[{\"name\":\"docker.service\""));
	close_peer();
	ask("GET /v2/health HTTP/1.1\r\nHost: k\r\n\r\n", "HTTP/1.1 404 ");
	assert_non_null(strstr(peer.text, "\"code\":\"not_found\""));
	close_peer();
	ask("DELETE /v1/health HTTP/1.1\r\nHost: k\r\n\r\n", "HTTP/1.1 405 ");
	assert_non_null(strstr(peer.text, "\r\nAllow: GET, HEAD\r\n"));
	assert_non_null(strstr(peer.text, "application/problem+json"));
	close_peer();
}

/* Only they have the daemons asked again. */
static void test_answers_that_tell_of_health(void **state)
{
	static const struct {
		const char *request;
		unsigned int times;
	} cases[] = {
		{"GET /v1/health HTTP/1.1\r\nHost: k\r\n\r\n", 1},
		{"GET /readyz HTTP/1.1\r\nHost: k\r\n\r\n", 1},
		{"GET /livez HTTP/1.1\r\nHost: k\r\n\r\n", 0},
		{"GET /v1/services HTTP/1.1\r\nHost: k\r\n\r\n", 0},
		{"GET /v1/disk HTTP/1.1\r\nHost: k\r\n\r\n", 0},
		{"GET /v1/memory HTTP/1.1\r\nHost: k\r\n\r\n", 0},
		{"GET /v1/nothing HTTP/1.1\r\nHost: k\r\n\r\n", 0},
	};

	(void)state;
	set_ready();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		health_asked = 0;
		ask(cases[i].request, "HTTP/1.1 ");
		assert_int_equal(health_asked, cases[i].times);
		close_peer();
	}
}

static void test_head_has_no_body(void **state)
{
	(void)state;
	open_peer();
	say("HEAD /livez HTTP/1.1\r\nHost: k\r\nConnection: close\r\n\r\n");
	LOOP_UNTIL(&loop, closed());
	assert_non_null(strstr(peer.text, "Content-Length: 3\r\n"));
	assert_string_equal(peer.text + peer.len - 4, "\r\n\r\n");
	close_peer();
}

static void ask_shutdown(const char *body, const char *status_line)
{
	char request[256];

	(void)snprintf(request, sizeof(request),
		"POST /v1/shutdown HTTP/1.1\r\nHost: k\r\nContent-Length: %zu\r\n\r\n%s",
		strlen(body), body);
	ask(request, status_line);
	close_peer();
}

static void test_shutdown(void **state)
{
	(void)state;
	ask_shutdown("{\"action\":\"poweroff\"}", "HTTP/1.1 202 ");
	assert_int_equal(commanded, CONTROL_VERB_POWEROFF);
	ask_shutdown(" {\"action\" : \"reboot\"} ", "HTTP/1.1 202 ");
	assert_int_equal(commanded, CONTROL_VERB_REBOOT);
	commanded = 0;
	ask_shutdown("{\"action\":\"explode\"}", "HTTP/1.1 400 ");
	ask_shutdown("{\"action\":1}", "HTTP/1.1 400 ");
	ask_shutdown("{\"action\":\"reboot\",\"more\":1}", "HTTP/1.1 400 ");
	ask_shutdown("{\"action\":\"reboot\",\"action\":\"reboot\"}", "HTTP/1.1 400 ");
	ask_shutdown("{\"action\":\"reboot\\u0000x\"}", "HTTP/1.1 400 ");
	ask_shutdown("{}", "HTTP/1.1 400 ");
	ask_shutdown("[\"poweroff\"]", "HTTP/1.1 400 ");
	ask_shutdown("poweroff", "HTTP/1.1 400 ");
	ask_shutdown("", "HTTP/1.1 400 ");
	assert_int_equal(commanded, 0);
	command_result = -ENOTCONN;
	ask_shutdown("{\"action\":\"poweroff\"}", "HTTP/1.1 503 ");
	ask("GET /v1/shutdown HTTP/1.1\r\nHost: k\r\n\r\n", "HTTP/1.1 405 ");
	close_peer();
}

static void test_byte_by_byte(void **state)
{
	static const char request[] =
		"POST /v1/shutdown HTTP/1.1\r\nHost: k\r\nContent-Length: 21\r\n\r\n{\"action\":\"poweroff\"}";

	(void)state;
	open_peer();
	for (size_t i = 0; i < strlen(request); i++) {
		assert_int_equal(send(peer.fd, request + i, 1, 0), 1);
		assert_int_equal(loop_once(&loop), 0);
		(void)take();
		assert_int_equal(peer.len > 0, i + 1 == strlen(request));
	}
	expect_answer("HTTP/1.1 202 ");
	close_peer();
}

/* The peer gives up after each byte: the connection must go away, without an answer. */
static void test_truncated_at_every_byte(void **state)
{
	static const char request[] = "GET /livez HTTP/1.1\r\nHost: k\r\n\r\n";

	(void)state;
	for (size_t len = 0; len < strlen(request); len++) {
		open_peer();
		if (len > 0)
			assert_int_equal(send(peer.fd, request, len, 0), (ssize_t)len);
		(void)shutdown(peer.fd, SHUT_WR);
		LOOP_UNTIL(&loop, closed());
		assert_int_equal(peer.len, 0);
		close_peer();
	}
}

static void test_answer_after_half_close(void **state)
{
	(void)state;
	open_peer();
	say("GET /livez HTTP/1.1\r\nHost: k\r\n\r\n");
	(void)shutdown(peer.fd, SHUT_WR);
	LOOP_UNTIL(&loop, closed());
	assert_memory_equal(peer.text, "HTTP/1.1 200 ", 13);
	close_peer();
}

static unsigned int count_text(const char *text)
{
	unsigned int n = 0;

	for (const char *p = peer.text; (p = strstr(p, text)); p++)
		n++;
	return n;
}

static bool took_answers(unsigned int n)
{
	(void)take();
	return count_text("\r\n\r\nok\n") >= n;
}

static void test_pipelining_and_keep_alive(void **state)
{
	(void)state;
	open_peer();
	for (int i = 0; i < 20; i++)
		say("GET /livez HTTP/1.1\r\nHost: k\r\n\r\n");
	LOOP_UNTIL(&loop, took_answers(20));
	assert_int_equal(server.count, 1);
	say("GET /livez HTTP/1.1\r\nHost: k\r\nConnection: close\r\n\r\nGET /livez HTTP/1.1\r\nHost: k\r\n\r\n");
	LOOP_UNTIL(&loop, closed());
	assert_int_equal(count_text("\r\n\r\nok\n"), 21);
	assert_int_equal(count_text("Connection: close"), 1);
	close_peer();
}

/* Answers pile up at a peer that does not read; it gets every one when it does. */
static void test_slow_reader(void **state)
{
	static const char request[] = "GET /livez HTTP/1.1\r\nHost: k\r\n\r\n";
	unsigned int sent = 0;
	int slow;
	size_t total = 0;

	(void)state;
	open_peer();
	/* Without reading, until neither side takes more. */
	for (;;) {
		if (send(peer.fd, request, strlen(request), MSG_DONTWAIT) ==
			(ssize_t)strlen(request))
			sent++;
		else if (!loop_test_step(&loop))
			break;
	}
	assert_true(sent > 100);
	(void)shutdown(peer.fd, SHUT_WR);
	while (!peer.closed) {
		(void)loop_test_step(&loop);
		peer.len = 0;
		(void)take();
		total += peer.len;
	}
	slow = peer.fd;
	open_peer();
	say(request);
	expect_answer("HTTP/1.1 200 ");
	close_p(&slow);
	assert_int_equal(total, sent * peer.len);
	close_peer();
}

static void test_refusal_closes(void **state)
{
	(void)state;
	open_peer();
	say("BREW\r\n\r\n more rubbish that nobody will read");
	LOOP_UNTIL(&loop, closed());
	assert_memory_equal(peer.text, "HTTP/1.1 400 ", 13);
	assert_non_null(strstr(peer.text, "Connection: close"));
	close_peer();
	open_peer();
	say("POST /v1/shutdown HTTP/1.1\r\nHost: k\r\nContent-Length: 100000\r\n\r\nxxx");
	LOOP_UNTIL(&loop, closed());
	assert_memory_equal(peer.text, "HTTP/1.1 413 ", 13);
	close_peer();
}

static bool continued(void)
{
	(void)take();
	return peer.len > 0;
}

static void test_expect_continue(void **state)
{
	(void)state;
	open_peer();
	say("POST /v1/shutdown HTTP/1.1\r\nHost: k\r\nExpect: 100-continue\r\nContent-Length: 19\r\n\r\n");
	LOOP_UNTIL(&loop, continued());
	assert_string_equal(peer.text, "HTTP/1.1 100 Continue\r\n\r\n");
	peer.len = 0;
	say("{\"action\":\"reboot\"}");
	expect_answer("HTTP/1.1 202 ");
	close_peer();
}

/* With answers that it does not read. */
static void make_busy(void)
{
	static const char request[] = "GET /livez HTTP/1.1\r\nHost: k\r\n\r\n";

	for (;;) {
		if (send(peer.fd, request, strlen(request), MSG_DONTWAIT) ==
			(ssize_t)strlen(request))
			continue;
		if (!loop_test_step(&loop))
			return;
	}
}

static void test_too_many_connections(void **state)
{
	int fds[HTTP_CONNECTIONS_MAX];

	(void)state;
	for (int i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
		open_peer();
		fds[i] = peer.fd;
		make_busy();
	}
	open_peer();
	assert_int_equal(server.count, HTTP_CONNECTIONS_MAX);
	LOOP_UNTIL(&loop, closed());
	assert_memory_equal(peer.text, "HTTP/1.1 503 ", 13);
	assert_non_null(strstr(peer.text, "too_many_connections"));
	assert_true(server.counts.accepted == HTTP_CONNECTIONS_MAX + 1);
	assert_true(server.counts.busy == 1);
	close_p(&peer.fd);
	for (int i = 0; i < HTTP_CONNECTIONS_MAX; i++)
		close_p(&fds[i]);
	LOOP_UNTIL(&loop, server.count == 0);
}

static void on_pause(struct loop_timer *timer)
{
	*(bool *)timer->ctx = true;
}

/* The longest silent goes, without a word if it was idle; the younger ones stay. */
static void test_most_silent_makes_room(void **state)
{
	int fds[HTTP_CONNECTIONS_MAX], more[2];
	struct loop_timer pause = {0};
	bool paused = false;
	char byte;

	(void)state;
	for (int i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
		open_peer();
		fds[i] = peer.fd;
		if (i == 1)
			say("GET /li");
	}
	loop_timer_set(&loop, &pause, clock_now_us() + (HTTP_SILENT_S + 1) * USEC_PER_SEC, on_pause,
		&paused);
	LOOP_UNTIL(&loop, paused);
	/* The first, then the second, which is in the middle of a request. */
	for (int i = 0; i < 2; i++) {
		ask("GET /livez HTTP/1.1\r\nHost: k\r\n\r\n", "HTTP/1.1 200 ");
		assert_int_equal(server.count, HTTP_CONNECTIONS_MAX);
		more[i] = peer.fd;
	}
	assert_int_equal(recv(fds[0], &byte, 1, MSG_DONTWAIT), 0);
	peer = (struct peer){.fd = fds[1]};
	LOOP_UNTIL(&loop, closed());
	assert_memory_equal(peer.text, "HTTP/1.1 408 ", 13);
	for (int i = 0; i < HTTP_CONNECTIONS_MAX; i++)
		close_p(&fds[i]);
	LOOP_UNTIL(&loop, server.count == 2);
	close_p(&more[0]);
	close_p(&more[1]);
	LOOP_UNTIL(&loop, server.count == 0);
}

static unsigned int streams_closed;

static ssize_t read_nothing(void *ctx, char *buffer, size_t size)
{
	(void)ctx;
	(void)buffer;
	(void)size;
	return 0;
}

static void count_close(void *ctx)
{
	(void)ctx;
	streams_closed++;
}

static unsigned int pieces_read;

static ssize_t read_without_end(void *ctx, char *buffer, size_t size)
{
	(void)ctx;
	(void)size;
	pieces_read++;
	buffer[0] = 'x';
	return 1;
}

#define STEPS 10

static ssize_t read_in_steps(void *ctx, char *buffer, size_t size)
{
	(void)ctx;
	(void)size;
	if (++pieces_read < STEPS)
		return -EAGAIN;
	memcpy(buffer, "done", 4);
	return pieces_read == STEPS ? 4 : -ENODATA;
}

static const struct http_stream steps = {.read = read_in_steps, .close = count_close};
static const struct http_stream flood = {.read = read_without_end, .close = count_close};
static const struct http_stream endless = {.read = read_nothing, .close = count_close};
static const struct http_stream brief = {.read = read_nothing, .close = count_close, .brief = true};

static void stream_request(void *ctx, const struct http_request *request,
	struct http_response *response)
{
	(void)ctx;
	if (http_request_path_is(request, "/livez")) {
		*response = (struct http_response){
			.status = 200, .type = "text/plain", .body = "ok\n", .body_len = 3};
		return;
	}
	*response = (struct http_response){.status = 200,
		.type = "text/plain",
		.stream = http_request_path_is(request, "/brief")   ? &brief
			  : http_request_path_is(request, "/flood") ? &flood
			  : http_request_path_is(request, "/steps") ? &steps
								    : &endless};
}

static bool has_head(void)
{
	(void)take();
	return strstr(peer.text, "\r\n\r\n") != NULL;
}

static void test_too_many_streams(void **state)
{
	int fds[HTTP_STREAMS_MAX];

	(void)state;
	server.fn = stream_request;
	streams_closed = 0;
	for (int i = 0; i < HTTP_STREAMS_MAX; i++) {
		open_peer();
		fds[i] = peer.fd;
		say("GET /s HTTP/1.1\r\nHost: k\r\n\r\n");
		LOOP_UNTIL(&loop, has_head());
	}
	assert_int_equal(server.streams, HTTP_STREAMS_MAX);
	ask("GET /s HTTP/1.1\r\nHost: k\r\n\r\n", "HTTP/1.1 503 ");
	assert_non_null(strstr(peer.text, "too_many_streams"));
	assert_int_equal(streams_closed, 1);
	/* Its connection is as good as before, and what ends by itself is none of those. */
	peer.len = 0;
	say("GET /livez HTTP/1.1\r\nHost: k\r\n\r\n");
	expect_answer("HTTP/1.1 200 ");
	peer.len = 0;
	say("GET /brief HTTP/1.1\r\nHost: k\r\n\r\n");
	LOOP_UNTIL(&loop, has_head());
	assert_memory_equal(peer.text, "HTTP/1.1 200 ", 13);
	assert_int_equal(server.streams, HTTP_STREAMS_MAX);
	close_p(&peer.fd);
	LOOP_UNTIL(&loop, server.count == HTTP_STREAMS_MAX);
	close_p(&fds[0]);
	LOOP_UNTIL(&loop, server.streams == HTTP_STREAMS_MAX - 1);
	open_peer();
	fds[0] = peer.fd;
	say("GET /s HTTP/1.1\r\nHost: k\r\n\r\n");
	LOOP_UNTIL(&loop, has_head());
	assert_memory_equal(peer.text, "HTTP/1.1 200 ", 13);
	for (int i = 0; i < HTTP_STREAMS_MAX; i++)
		close_p(&fds[i]);
	LOOP_UNTIL(&loop, server.count == 0);
	assert_int_equal(server.streams, 0);
	assert_int_equal(streams_closed, HTTP_STREAMS_MAX + 3);
}

static ssize_t read_words(void *ctx, char *buffer, size_t size)
{
	static const char *const words[] = {"one", "and another"};

	(void)ctx;
	(void)size;
	if (pieces_read == ARRAY_SIZE(words))
		return -ENODATA;
	return sprintf(buffer, "%s", words[pieces_read++]);
}

static ssize_t read_broken(void *ctx, char *buffer, size_t size)
{
	ssize_t n = read_words(ctx, buffer, size);

	return n < 0 ? -EIO : n;
}

static const struct http_stream words = {.read = read_words, .close = count_close};
static const struct http_stream broken = {.read = read_broken, .close = count_close};

static void words_request(void *ctx, const struct http_request *request,
	struct http_response *response)
{
	(void)ctx;
	pieces_read = 0;
	*response = (struct http_response){.status = 200,
		.type = "text/plain",
		.stream = http_request_path_is(request, "/broken") ? &broken : &words};
}

/* The last chunk says that it is whole; who knows no chunks has to do without. */
static void test_streams_in_chunks(void **state)
{
	static const struct {
		const char *request, *body;
		bool chunked;
	} cases[] = {
		{"GET / HTTP/1.1\r\nHost: k\r\n\r\n",
			"000003\r\none\r\n00000b\r\nand another\r\n0\r\n\r\n", true},
		{"GET /broken HTTP/1.1\r\nHost: k\r\n\r\n",
			"000003\r\none\r\n00000b\r\nand another\r\n", true},
		/* What is asked behind it is not answered. */
		{"GET / HTTP/1.1\r\nHost: k\r\n\r\nGET / HTTP/1.1\r\nHost: k\r\n\r\n",
			"000003\r\none\r\n00000b\r\nand another\r\n0\r\n\r\n", true},
		{"GET / HTTP/1.0\r\n\r\n", "oneand another", false},
		{"HEAD / HTTP/1.1\r\nHost: k\r\n\r\n", "", true},
	};

	(void)state;
	server.fn = words_request;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		open_peer();
		say(cases[i].request);
		LOOP_UNTIL(&loop, closed());
		peer.text[peer.len] = '\0';
		assert_string_equal(strstr(peer.text, "\r\n\r\n") + 4, cases[i].body);
		assert_int_equal(strstr(peer.text, "\r\nTransfer-Encoding: chunked\r\n") != NULL,
			cases[i].chunked);
		assert_null(strstr(peer.text, "Content-Length"));
		close_p(&peer.fd);
	}
}

/* A stream that always has more, for a client that always has room: others are served in between. That the client has sent all
 * that it will is no reason to end it; that it is gone is. */
static void test_a_flood_lets_others_in(void **state)
{
	int flooded;

	(void)state;
	server.fn = stream_request;
	streams_closed = pieces_read = 0;
	open_peer();
	flooded = peer.fd;
	say("GET /flood HTTP/1.1\r\nHost: k\r\n\r\n");
	assert_int_equal(shutdown(flooded, SHUT_WR), 0);
	assert_int_equal(loop_once(&loop), 0);
	assert_in_range(pieces_read, 1, 16);
	assert_int_equal(loop_once(&loop), 0);
	assert_in_range(pieces_read, 2, 32);
	ask("GET /livez HTTP/1.1\r\nHost: k\r\n\r\n", "HTTP/1.1 200 ");
	assert_int_equal(streams_closed, 0);
	close_p(&peer.fd);
	close_p(&flooded);
	LOOP_UNTIL(&loop, server.count == 0);
	assert_int_equal(streams_closed, 1);
}

/* A piece that takes long to make is made in steps, one in each turn of the loop. */
static void test_a_piece_in_steps(void **state)
{
	(void)state;
	server.fn = stream_request;
	streams_closed = pieces_read = 0;
	open_peer();
	say("GET /steps HTTP/1.0\r\n\r\n");
	for (unsigned int i = 1; i < STEPS; i++) {
		assert_int_equal(loop_once(&loop), 0);
		assert_int_equal(pieces_read, i);
	}
	LOOP_UNTIL(&loop, closed());
	assert_memory_equal(peer.text + peer.len - 8, "\r\n\r\ndone", 8);
	assert_int_equal(streams_closed, 1);
	close_peer();
}

/* A query that a path does not know; an empty one is none. */
static void test_queries(void **state)
{
	(void)state;
	ask("GET /livez? HTTP/1.1\r\nHost: k\r\n\r\n", "HTTP/1.1 200 ");
	close_peer();
	ask("GET /livez?x=1 HTTP/1.1\r\nHost: k\r\n\r\n", "HTTP/1.1 400 ");
	assert_non_null(strstr(peer.text, "bad_query"));
	close_peer();
	ask("PUT /livez?x=1 HTTP/1.1\r\nHost: k\r\n\r\n", "HTTP/1.1 405 ");
	close_peer();
	ask("OPTIONS * HTTP/1.1\r\nHost: k\r\n\r\n", "HTTP/1.1 404 ");
	close_peer();
}

/* The connection is handed over with what came behind the request, and is the session's from then on. */
static void test_upgrade(void **state)
{
	static const char head[] =
		"POST /v1/exec HTTP/1.1\r\nHost: k\r\nConnection: Upgrade\r\nUpgrade: keel-exec/1\r\n"
		"Content-Length: 16\r\n\r\n{\"argv\":[\"cat\"]}";
	static const char frames[] = "\1\0\0\2hi\2\0\0";
	static const char answer[] = "\r\n\r\n\23\0\0\1\1\20\0\0\2hi\22\0\0\2\0\0";
	static struct exec_sessions sessions;

	(void)state;
	ask(head, "HTTP/1.1 403 Forbidden\r\n");
	assert_non_null(strstr(peer.text, "shell_disabled"));
	close_peer();
	exec_sessions_init(&sessions, &loop);
	runner_use(&(struct runner_options){.shell = true, .root_fd = -1, .base_fd = -1});
	api.sessions = &sessions;
	open_peer();
	assert_int_equal(send(peer.fd, head, sizeof(head) - 1, MSG_MORE), sizeof(head) - 1);
	assert_int_equal(send(peer.fd, frames, sizeof(frames), 0), sizeof(frames));
	LOOP_UNTIL(&loop, closed());
	assert_int_equal(server.count, 0);
	assert_memory_equal(peer.text, "HTTP/1.1 101 ", 13);
	assert_true(server.counts.answers[1] == 1);
	assert_memory_equal(peer.text + peer.len - (sizeof(answer) - 1), answer,
		sizeof(answer) - 1);
	close_p(&peer.fd);
	exec_sessions_close(&sessions);
}

/* True at its end. */
static bool take_archive(char *archive, size_t size, size_t *len)
{
	ssize_t n = recv(peer.fd, archive + *len, size - *len, MSG_DONTWAIT);

	*len += n > 0 ? (size_t)n : 0;
	return n == 0;
}

static void test_diagnostics(void **state)
{
	static char archive[4 << 20];
	size_t len = 0;

	(void)state;
	open_peer();
	say("GET /v1/diagnostics HTTP/1.1\r\nHost: k\r\n\r\n");
	LOOP_UNTIL(&loop, take_archive(archive, sizeof(archive), &len));
	assert_memory_equal(archive, "HTTP/1.1 200 OK\r\nContent-Type: application/x-tar\r\n", 50);
	assert_non_null(memmem(archive, len, "attachment; filename=\"keel-diagnostics-", 39));
	assert_non_null(memmem(archive, len, "keel-diagnostics/MANIFEST.txt", 29));
	close_peer();
}

/* There is one archive at a time: who asks and does not read gives it up when its time is over. */
static void test_diagnostics_unread(void **state)
{
	int pair[2];

	(void)state;
	loop_test_pair(pair);
	assert_int_equal(setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int)), 0);
	http_server_accept(&server, pair[1]);
	memset(&peer, 0, sizeof(peer));
	peer.fd = pair[0];
	say("GET /v1/diagnostics HTTP/1.1\r\nHost: k\r\n\r\n");
	while (loop_test_step(&loop))
		;
	ask("GET /v1/diagnostics HTTP/1.1\r\nHost: k\r\n\r\n", "HTTP/1.1 409 ");
	close_p(&peer.fd);
	LOOP_UNTIL(&loop, server.count == 1);
	assert_non_null(loop.timers);
	assert_null(loop.timers->next);
	assert_in_range(loop.timers->at_us, clock_now_us(),
		clock_now_us() + HTTP_WRITE_S * USEC_PER_SEC);
	loop_timer_set(&loop, loop.timers, clock_now_us(), loop.timers->fn, loop.timers->ctx);
	LOOP_UNTIL(&loop, server.count == 0);
	close_p(&pair[0]);
	open_peer();
	say("GET /v1/diagnostics HTTP/1.1\r\nHost: k\r\n\r\n");
	LOOP_UNTIL(&loop, has_head());
	assert_memory_equal(peer.text, "HTTP/1.1 200 ", 13);
	close_peer();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_routes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_answers_that_tell_of_health, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_head_has_no_body, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_shutdown, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_byte_by_byte, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_truncated_at_every_byte, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_answer_after_half_close, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_pipelining_and_keep_alive, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_slow_reader, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_upgrade, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_diagnostics, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_diagnostics_unread, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_piece_in_steps, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refusal_closes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_expect_continue, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_too_many_connections, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_most_silent_makes_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_too_many_streams, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_streams_in_chunks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_flood_lets_others_in, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_queries, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
