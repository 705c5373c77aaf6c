/* SPDX-License-Identifier: MIT
 *
 * test_log_stream.c - GET /v1/logs/NAME: the query, a log as a body without a length, followed while it grows, a
 * client that does not read, one that goes.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/loop_test.h"

#include "agent/api.h"
#include "agent/common/farewell.h"
#include "agent/common/log_reader.h"

/* ---- the query ------------------------------------------------------------------------------- */

static int parse(const char *path, const char *query, struct log_query *result)
{
	const struct http_request request = {.path = path,
		.path_len = strlen(path),
		.query = query,
		.query_len = query ? strlen(query) : 0};

	return log_query_parse(&request, result);
}

static void query(void **state)
{
	static const char *const bad[] = {"lines", "lines=", "lines=-1", "lines=1x", "follow=2",
		"follow=yes", "color=1", "=1", "&", "lines=1&&follow=1",
		"lines=1234567890123456789"};
	struct log_query result;

	(void)state;
	assert_int_equal(parse("/v1/logs/docker", NULL, &result), 0);
	assert_string_equal(result.name, "docker.service");
	assert_true(result.lines == LOG_QUERY_LINES_ALL && !result.follow && result.since_us == 0);
	assert_int_equal(parse("/v1/logs/a.service", "lines=7&follow=1&since_us=12", &result), 0);
	assert_true(result.lines == 7 && result.follow && result.since_us == 12);
	assert_int_equal(parse("/v1/logs/getty%40tty1%2Eservice", NULL, &result), 0);
	assert_string_equal(result.name, "getty@tty1.service");
	assert_int_equal(parse("/v1/logs/%61", NULL, &result), 0);
	assert_string_equal(result.name, "a.service");
	assert_int_equal(parse("/v1/logs/..%2fa", NULL, &result), -ENOENT);
	assert_int_equal(parse("/v1/logs/a%00", NULL, &result), -ENOENT);
	assert_int_equal(parse("/v1/logs/%", NULL, &result), -ENOENT);
	assert_int_equal(parse("/v1/logs/%4", NULL, &result), -ENOENT);
	assert_int_equal(parse("/v1/logs/%4g", NULL, &result), -ENOENT);
	assert_int_equal(parse("/v1/logs/%g4", NULL, &result), -ENOENT);
	assert_int_equal(parse("/v1/logs/"
			       "%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61"
			       "%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61"
			       "%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61",
				 NULL, &result),
		-ENOENT);
	assert_int_equal(parse("/v1/logs/a", "follow=0&", &result), 0);
	assert_false(result.follow);
	assert_int_equal(parse("/v1/logs/a", "", &result), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse("/v1/logs/a", bad[i], &result), -EINVAL);
	assert_int_equal(parse("/v1/logs/", NULL, &result), -ENOENT);
	assert_int_equal(parse("/v1/logs/../x", NULL, &result), -ENOENT);
	assert_int_equal(parse("/v1/logs/a/b", NULL, &result), -ENOENT);
	assert_int_equal(parse("/v1/health", NULL, &result), -ENOENT);
}

/* ---- the stream ------------------------------------------------------------------------------ */

static struct loop loop;
static struct http_server server;
static struct log_streams streams;
static struct facts facts;
static struct api api;
static char directory[64], path[96];
static unsigned int written;

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(directory, sizeof(directory), "/tmp/keel-stream-XXXXXX");
	assert_non_null(mkdtemp(directory));
	(void)snprintf(path, sizeof(path), "%s/a.service.log", directory);
	assert_int_equal(setenv("KEEL_LOG_DIR", directory, 1), 0);
	assert_int_equal(loop_init(&loop), 0);
	http_server_init(&server, &loop, api_handle_request, &api);
	log_streams_init(&streams, &loop, &server);
	api = (struct api){.facts = &facts, .logs = &streams};
	written = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	http_server_close(&server);
	assert_int_equal(server.count, 0);
	assert_int_equal(streams.followers, 0);
	while (loop.timers)
		assert_int_equal(loop_once(&loop), 0);
	loop_fini(&loop);
	(void)unlink(path);
	assert_int_equal(unsetenv("KEEL_LOG_DIR"), 0);
	assert_int_equal(rmdir(directory), 0);
	return 0;
}

static void put(unsigned int count)
{
	FILE *file = fopen(path, "ae");

	assert_non_null(file);
	while (file && count-- > 0) {
		char prefix[LOG_PREFIX_MAX];

		written++;
		(void)log_line_stamp(prefix, written, written);
		(void)fprintf(file, "%sline %u\n", prefix, written);
	}
	assert_true(file && fclose(file) == 0);
}

struct peer {
	int fd;
	bool closed;
	size_t len;
	char text[1024 * 1024];
};

static struct peer peer;

static void ask(const char *request)
{
	int pair[2];

	loop_test_pair(pair);
	http_server_accept(&server, pair[1]);
	memset(&peer, 0, sizeof(peer));
	peer.fd = pair[0];
	assert_int_equal(send(peer.fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
}

static bool has(const char *text)
{
	ssize_t n;

	while ((n = recv(peer.fd, peer.text + peer.len, sizeof(peer.text) - 1 - peer.len,
			MSG_DONTWAIT)) > 0)
		peer.len += (size_t)n;
	peer.closed |= n == 0;
	peer.text[peer.len] = '\0';
	return text ? strstr(peer.text, text) != NULL : peer.closed;
}

static void hang_up(void)
{
	close_p(&peer.fd);
	LOOP_UNTIL(&loop, server.count == 0);
}

static unsigned int count_lines(void)
{
	unsigned int n = 0;

	for (const char *p = peer.text; (p = strstr(p, " line ")); p++)
		n++;
	return n;
}

static void whole(void **state)
{
	(void)state;
	put(5000);
	ask("GET /v1/logs/a HTTP/1.1\r\nHost: k\r\n\r\n");
	LOOP_UNTIL(&loop, has(NULL));
	assert_memory_equal(peer.text, "HTTP/1.1 200 ", 13);
	assert_non_null(strstr(peer.text, "\r\nConnection: close\r\n"));
	assert_null(strstr(peer.text, "Content-Length"));
	assert_int_equal(count_lines(), 5000);
	assert_non_null(strstr(peer.text, " line 5000\n"));
	hang_up();
	ask("GET /v1/logs/a?lines=2&since_us=5000 HTTP/1.1\r\nHost: k\r\n\r\n");
	LOOP_UNTIL(&loop, has(NULL));
	assert_int_equal(count_lines(), 1);
	hang_up();
}

static void without_body(void **state)
{
	(void)state;
	put(5);
	ask("HEAD /v1/logs/a?follow=1 HTTP/1.1\r\nHost: k\r\n\r\n");
	LOOP_UNTIL(&loop, has(NULL));
	assert_string_equal(peer.text + peer.len - 4, "\r\n\r\n");
	assert_int_equal(streams.followers, 0);
	hang_up();
	ask("GET /v1/logs/b HTTP/1.1\r\nHost: k\r\n\r\n");
	LOOP_UNTIL(&loop, has("\"code\":\"no_log\""));
	hang_up();
	ask("GET /v1/logs/a?x=1 HTTP/1.1\r\nHost: k\r\n\r\n");
	LOOP_UNTIL(&loop, has("\"code\":\"bad_query\""));
	hang_up();
}

static void followed(void **state)
{
	(void)state;
	put(10);
	ask("GET /v1/logs/a?follow=1&lines=1 HTTP/1.1\r\nHost: k\r\n\r\n");
	LOOP_UNTIL(&loop, has(" line 10\n"));
	assert_int_equal(streams.followers, 1);
	put(1);
	LOOP_UNTIL(&loop, has(" line 11\n"));
	put(1000);
	LOOP_UNTIL(&loop, has(" line 1011\n"));
	assert_int_equal(count_lines(), 1002);
	/* What it sends now is nobody's. */
	assert_int_equal(send(peer.fd, "GET /livez HTTP/1.1\r\n", 21, MSG_NOSIGNAL), 21);
	put(1);
	LOOP_UNTIL(&loop, has(" line 1012\n"));
	hang_up();
	assert_int_equal(streams.followers, 0);
	assert_int_equal(streams.watch.fd, -1);
}

/* It gets everything once it reads, and keeps no other waiting. */
static void stalled(void **state)
{
	struct peer *slow = malloc(sizeof(*slow));

	(void)state;
	assert_non_null(slow);
	put(20000);
	ask("GET /v1/logs/a?follow=1 HTTP/1.1\r\nHost: k\r\n\r\n");
	while (loop_test_step(&loop))
		;
	*slow = peer;
	ask("GET /v1/logs/a?follow=1&lines=1 HTTP/1.1\r\nHost: k\r\n\r\n");
	LOOP_UNTIL(&loop, has(" line 20000\n"));
	put(1);
	LOOP_UNTIL(&loop, has(" line 20001\n"));
	close_p(&peer.fd);
	LOOP_UNTIL(&loop, server.count == 1);
	peer = *slow;
	free(slow);
	LOOP_UNTIL(&loop, has(" line 20001\n"));
	assert_int_equal(count_lines(), 20001);
	hang_up();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(query),
	cmocka_unit_test_setup_teardown(whole, set_up, tear_down),
	cmocka_unit_test_setup_teardown(without_body, set_up, tear_down),
	cmocka_unit_test_setup_teardown(followed, set_up, tear_down),
	cmocka_unit_test_setup_teardown(stalled, set_up, tear_down),
};

UNIT_TEST_MAIN(tests)
