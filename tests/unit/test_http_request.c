/* SPDX-License-Identifier: MIT
 *
 * test_http_request.c - what is a request, what is a part of one, and what is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit_test.h"

#include "agent/http_request.h"

/* Parses from a heap copy of exactly that size, so that ASan sees a read past the end. */
static int parse(const char *text, size_t len, struct http_request *request, size_t *used)
{
	char *copy = malloc(len ? len : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, text, len);
	rc = http_request_parse(copy, len, request, used);
	free(copy);
	return rc;
}

static int parse_text(const char *text)
{
	struct http_request request;
	size_t used;

	return parse(text, strlen(text), &request, &used);
}

static void test_whole_requests(void **state)
{
	static const char text[] =
		"POST /v1/shutdown?x=1 HTTP/1.1\r\nHost: keel\r\nContent-Length: 5\r\n\r\nhelloGET";
	struct http_request request;
	size_t used;

	(void)state;
	assert_int_equal(http_request_parse(text, strlen(text), &request, &used), 0);
	assert_int_equal(used, strlen(text) - 3);
	assert_true(http_request_method_is(&request, "POST"));
	assert_false(http_request_method_is(&request, "POS"));
	assert_int_equal(request.body_len, 5);
	assert_memory_equal(request.body, "hello", 5);
	assert_true(request.keep_alive);
	assert_false(request.head);
}

static void test_every_prefix_is_incomplete(void **state)
{
	static const char text[] =
		"POST /a HTTP/1.1\r\nHost: k\r\nX: y\r\nContent-Length: 4\r\n\r\nbody";
	struct http_request request;
	size_t used;

	(void)state;
	for (size_t len = 0; len < strlen(text); len++)
		assert_int_equal(parse(text, len, &request, &used), -EAGAIN);
	assert_int_equal(parse(text, strlen(text), &request, &used), 0);
}

static void test_connection_persistence(void **state)
{
	static const struct {
		const char *text;
		bool keep_alive;
	} cases[] = {
		{"GET / HTTP/1.1\r\nHost: k\r\n\r\n", true},
		{"GET / HTTP/1.1\r\nHost: k\r\nConnection: close\r\n\r\n", false},
		{"GET / HTTP/1.1\r\nHost: k\r\nConnection: upgrade , CLOSE\r\n\r\n", false},
		{"GET / HTTP/1.1\r\nHost: k\r\nConnection: closed\r\n\r\n", true},
		{"GET / HTTP/1.1\r\nHost: k\r\nConnection:\r\n\r\n", true},
		{"GET / HTTP/1.1\r\nHost: k\r\nConnection: ,\r\n\r\n", true},
		{"GET / HTTP/1.0\r\n\r\n", false},
	};
	struct http_request request;
	size_t used;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(http_request_parse(cases[i].text, strlen(cases[i].text), &request,
					 &used),
			0);
		assert_int_equal(request.keep_alive, cases[i].keep_alive);
	}
}

static void test_targets(void **state)
{
	struct http_request request;
	size_t used;
	const char *text = "GET http://host:1/livez?q HTTP/1.1\r\nHost: k\r\n\r\n";

	(void)state;
	assert_int_equal(http_request_parse(text, strlen(text), &request, &used), 0);
	assert_true(http_request_path_is(&request, "/livez"));
	text = "GET http://host?q=/a HTTP/1.1\r\nHost: k\r\n\r\n";
	assert_int_equal(http_request_parse(text, strlen(text), &request, &used), 0);
	assert_true(http_request_path_is(&request, "/"));
	assert_int_equal(request.query_len, 4);
	text = "GET HTTP://host HTTP/1.1\r\nHost: k\r\n\r\n";
	assert_int_equal(http_request_parse(text, strlen(text), &request, &used), 0);
	assert_true(http_request_path_is(&request, "/"));
	assert_null(request.query);
	text = "OPTIONS * HTTP/1.1\r\nHost: k\r\n\r\n";
	assert_int_equal(http_request_parse(text, strlen(text), &request, &used), 0);
	assert_true(http_request_path_is(&request, "*"));
	assert_int_equal(parse_text("GET * HTTP/1.1\r\nHost: k\r\n\r\n"), 400);
	assert_int_equal(parse_text("GET http:///livez HTTP/1.1\r\nHost: k\r\n\r\n"), 400);
	assert_int_equal(parse_text("GET http:// HTTP/1.1\r\nHost: k\r\n\r\n"), 400);
	assert_int_equal(parse_text("GET ?a HTTP/1.1\r\nHost: k\r\n\r\n"), 400);
	assert_int_equal(parse_text("GET livez HTTP/1.1\r\nHost: k\r\n\r\n"), 400);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *text;
		int status;
	} cases[] = {
		{"\x16\x03\x01\x02garbage\r\n\r\n", 400},
		{"GET / HTTP/2.0\r\nHost: k\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\n\r\n", 400},
		{"GET / HTTP/1.99999999999", 400},
		{"\r\nGET / HTTP/1.99999999999\r\nHost: k\r\n\r\n", 400},
		{"GET HTTP/1.1 HTTP/1.99999999999\r\nHost: k\r\n\r\n", 400},
		{"POST / HTTP/1.1\r\nHost: k\r\nContent-Length : 1\r\n\r\na", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: me@a\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\xff\r\n\r\n", 400},
		{"GET / HTTP/1.0\r\nHost: a,\tb\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n", 400},
		{"POST / HTTP/1.1\r\nHost: k\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
			400},
		{"POST / HTTP/1.1\r\nHost: k\r\nContent-Length: -1\r\n\r\n", 400},
		{"POST / HTTP/1.1\r\nHost: k\r\nContent-Length: 1, 1\r\n\r\n", 400},
		{"POST / HTTP/1.1\r\nHost: k\r\nContent-Length:\r\n\r\n", 400},
		{"POST / HTTP/1.1\r\nHost: k\r\nContent-Length: 65537\r\n\r\n", 413},
		{"POST / HTTP/1.1\r\nHost: k\r\nContent-Length: 99999999999999999999\r\n\r\n", 413},
		{"POST / HTTP/1.1\r\nHost: k\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
		{"POST / HTTP/1.1\r\nHost: k\r\nExpect: tea\r\n\r\n", 417},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (parse_text(cases[i].text) != cases[i].status)
			fail_msg("%s: not refused with %d", cases[i].text, cases[i].status);
	assert_int_equal(parse_text("POST / HTTP/1.1\r\nHost: k\r\nContent-Length: 1 \t\r\n\r\na"),
		0);
	assert_int_equal(parse_text("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 0);
	assert_int_equal(parse_text("GET / HTTP/1.1\r\nHost: [::1%25eth0]:700\r\n\r\n"), 0);
	/* The same length twice is one length. */
	assert_int_equal(
		parse_text(
			"POST / HTTP/1.1\r\nHost: k\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na"),
		0);
}

static void test_sizes(void **state)
{
	static char text[HTTP_HEADER_MAX + HTTP_BODY_MAX];
	struct http_request request;
	size_t used, len;
	int head;

	(void)state;
	memset(text, 'a', sizeof(text));
	head = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: k\r\nX: ");
	text[head] = 'a';
	/* One byte less than the limit may still become a header; the limit may not. */
	assert_int_equal(parse(text, HTTP_HEADER_MAX - 1, &request, &used), -EAGAIN);
	assert_int_equal(parse(text, HTTP_HEADER_MAX, &request, &used), 431);
	memcpy(text + HTTP_HEADER_MAX - 4, "\r\n\r\n", 4);
	assert_int_equal(parse(text, HTTP_HEADER_MAX, &request, &used), 0);

	len = (size_t)snprintf(text, sizeof(text),
		"POST / HTTP/1.1\r\nHost: k\r\nContent-Length: %d\r\n\r\n", HTTP_BODY_MAX);
	assert_int_equal(parse(text, len + HTTP_BODY_MAX - 1, &request, &used), -EAGAIN);
	assert_int_equal(parse(text, len + HTTP_BODY_MAX, &request, &used), 0);
	assert_int_equal(used, len + HTTP_BODY_MAX);

	len = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: k\r\n");
	for (int i = 0; i < 70; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "a: b\r\n");
	len += (size_t)snprintf(text + len, sizeof(text) - len, "\r\n");
	assert_int_equal(parse(text, len, &request, &used), 431);
}

static void test_expect_is_known_before_the_body(void **state)
{
	static const char text[] =
		"POST / HTTP/1.1\r\nHost: k\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n";
	struct http_request request;
	size_t used;

	(void)state;
	assert_int_equal(http_request_parse(text, strlen(text), &request, &used), -EAGAIN);
	assert_true(request.expect_continue);
}

/* RFC 9110 10.1.1: an HTTP/1.0 client knows no interim answer. */
static void test_no_expectation_in_http_1_0(void **state)
{
	static const char text[] =
		"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
	struct http_request request;
	size_t used;

	(void)state;
	assert_int_equal(http_request_parse(text, strlen(text), &request, &used), -EAGAIN);
	assert_false(request.expect_continue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_requests),
		cmocka_unit_test(test_every_prefix_is_incomplete),
		cmocka_unit_test(test_connection_persistence),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_expect_is_known_before_the_body),
		cmocka_unit_test(test_no_expectation_in_http_1_0),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
