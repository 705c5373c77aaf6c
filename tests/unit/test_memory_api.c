/* SPDX-License-Identifier: MIT
 *
 * test_memory_api.c - the routes about memory, over a socket pair, with a reclaim that does what the test says: bodies,
 * answers that come later, clients that go away before.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/loop_test.h"

#include "agent/api.h"
#include "agent/memory_body.h"
#include "agent/report.h"

/* ---- the reclaim, instead of agent/memory/memory.c --------------------------------------------------- */

static struct {
	unsigned int looks, ignored;
	enum memory_mode mode;
	uint64_t target;
	struct memory_request *request;
	int refusal; /* of a submit */
	const struct memory_answer *at_once;
} reclaim;

void memory_look(struct memory *memory)
{
	(void)memory;
	reclaim.looks++;
}

void memory_set_mode(struct memory *memory, enum memory_mode mode)
{
	(void)memory;
	reclaim.mode = mode;
}

void memory_set_target(struct memory *memory, uint64_t bytes)
{
	(void)memory;
	reclaim.target = bytes;
}

int memory_submit(struct memory *memory, struct memory_request *request)
{
	(void)memory;
	if (reclaim.refusal < 0)
		return reclaim.refusal;
	reclaim.request = request;
	if (reclaim.at_once)
		request->fn(request->ctx, reclaim.at_once);
	return 0;
}

void memory_ignore(struct memory *memory, const struct memory_request *request)
{
	(void)memory;
	assert_ptr_equal(request, reclaim.request);
	reclaim.request = NULL;
	reclaim.ignored++;
}

const char *reclaim_reason_text(enum reclaim_reason reason)
{
	return reason == RECLAIM_REASON_NOTHING ? "nothing cold is left" : "something else";
}

/* ---- a client ---------------------------------------------------------------------------------------- */

static struct loop loop;
static struct http_server server;
static struct facts facts;
static struct memory memory;
static struct events events;
static struct report report;
static const struct metrics_sources metrics = {
	.facts = &facts, .http = &server, .events = &events, .report = &report};
static struct api api;

static int set_up(void **state)
{
	(void)state;
	memset(&facts, 0, sizeof(facts));
	memset(&reclaim, 0, sizeof(reclaim));
	api = (struct api){
		.facts = &facts, .memory = &memory, .metrics = &metrics, .http = &server};
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

struct client {
	int fd;
	bool closed;
	size_t len;
	char text[64 * 1024];
};

static struct client one, other;

static void ask(struct client *client, const char *method, const char *path, const char *body)
{
	char request[512];
	int pair[2];

	loop_test_pair(pair);
	http_server_accept(&server, pair[1]);
	client->fd = pair[0];
	client->closed = false;
	client->len = 0;
	(void)snprintf(request, sizeof(request),
		"%s %s HTTP/1.1\r\nHost: k\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
		method, path, strlen(body), body);
	assert_int_equal(send(client->fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
}

static bool ended(struct client *client)
{
	ssize_t n;

	while ((n = recv(client->fd, client->text + client->len,
			sizeof(client->text) - 1 - client->len, MSG_DONTWAIT)) > 0)
		client->len += (size_t)n;
	client->closed |= n == 0;
	client->text[client->len] = '\0';
	return client->closed;
}

static void leave(struct client *client)
{
	close_p(&client->fd);
	LOOP_UNTIL(&loop, server.count == 0);
}

static void expect(struct client *client, const char *status, const char *part)
{
	LOOP_UNTIL(&loop, ended(client));
	if (memcmp(client->text + strlen("HTTP/1.1 "), status, 3) != 0 ||
		!strstr(client->text, part))
		fail_msg("%s, %s: %s", status, part, client->text);
	leave(client);
}

/* ---- bodies ------------------------------------------------------------------------------------------ */

static void test_reclaim_bodies(void **state)
{
	static const char *const bad[] = {"", "x", "[]", "1", "{}", "{\"bytes\":0}",
		"{\"bytes\":-1}", "{\"bytes\":1.5}", "{\"bytes\":1e3}", "{\"bytes\":\"1\"}",
		"{\"bytes\":\"ALL\"}", "{\"bytes\":null}", "{\"bytes\":18446744073709551615}",
		"{\"bytes\":18446744073709551616}", "{\"bytes\":1,\"bytes\":2}",
		"{\"bytes\":1,\"force\":true}", "{\"timeout_ms\":5}", "{\"bytes\":1",
		"{\"bytes\":1,\"timeout_ms\":0}", "{\"bytes\":1,\"timeout_ms\":600001}",
		"{\"bytes\":1,\"timeout_ms\":\"5\"}", "{\"bytes\":1,\"timeout_ms\":null}",
		"{\"bytes\":1}x"};
	const char *why;
	unsigned int timeout_ms;
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		why = NULL;
		if (memory_body_reclaim(bad[i], strlen(bad[i]), &bytes, &timeout_ms, &why) !=
			-EINVAL)
			fail_msg("%s", bad[i]);
		assert_non_null(why);
	}
	assert_int_equal(memory_body_reclaim("{\"bytes\":\"all\"}", 15, &bytes, &timeout_ms, &why),
		0);
	assert_true(bytes == UINT64_MAX && timeout_ms == MEMORY_BODY_TIMEOUT_MS);
	assert_int_equal(memory_body_reclaim("{\"timeout_ms\":600000, \"bytes\":7}", 32, &bytes,
				 &timeout_ms, &why),
		0);
	assert_true(bytes == 7 && timeout_ms == 600000);
}

static void test_other_bodies(void **state)
{
	static const char *const bad_target[] = {"", "{}", "{\"bytes\":0}", "{\"bytes\":\"none\"}",
		"{\"bytes\":true}", "{\"bytes\":1,\"x\":1}", "null"};
	static const char *const bad_mode[] = {"", "{}", "{\"mode\":\"\"}", "{\"mode\":\"fast\"}",
		"{\"mode\":\"adaptivE\"}", "{\"mode\":1}", "{\"mode\":\"off\\u0000\"}",
		"{\"mode\":\"of\"}", "\"off\"", "{\"mode\":\"off\",\"mode\":\"off\"}"};
	static const char *const words[] = {"adaptive", "gradual", "dropcache", "off"};
	enum memory_mode mode;
	const char *why;
	char body[64];
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad_target); i++)
		assert_int_equal(memory_body_target(bad_target[i], strlen(bad_target[i]), &bytes,
					 &why),
			-EINVAL);
	assert_int_equal(memory_body_target("{\"bytes\":null}", 14, &bytes, &why), 0);
	assert_int_equal(bytes, 0);
	assert_int_equal(memory_body_target("{\"bytes\":2147483648}", 20, &bytes, &why), 0);
	assert_int_equal(bytes, 2147483648);
	for (size_t i = 0; i < ARRAY_SIZE(bad_mode); i++)
		assert_int_equal(memory_body_mode(bad_mode[i], strlen(bad_mode[i]), &mode, &why),
			-EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		(void)snprintf(body, sizeof(body), "{\"mode\":\"%s\"}", words[i]);
		assert_int_equal(memory_body_mode(body, strlen(body), &mode, &why), 0);
		assert_int_equal(mode, i);
	}
}

/* A body of the largest size, however dense, is an answer and no crash. */
static void test_largest_body(void **state)
{
	static char text[HTTP_BODY_MAX];
	const char *why;
	uint64_t bytes;

	(void)state;
	memset(text, '[', sizeof(text));
	assert_int_equal(memory_body_target(text, sizeof(text), &bytes, &why), -EINVAL);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = "1,"[i % 2];
	text[0] = '[';
	assert_int_equal(memory_body_target(text, sizeof(text), &bytes, &why), -EINVAL);
}

/* ---- routes ------------------------------------------------------------------------------------------ */

static void test_what_is_told_is_fresh(void **state)
{
	(void)state;
	ask(&one, "GET", "/v1/memory", "");
	expect(&one, "200", "\"history\":[]");
	assert_int_equal(reclaim.looks, 1);
	ask(&one, "GET", "/v1/health", "");
	expect(&one, "503", "\"memory\":{");
	assert_null(strstr(one.text, "history"));
	assert_int_equal(reclaim.looks, 2);
	ask(&one, "GET", "/metrics", "");
	expect(&one, "200", "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
	assert_non_null(strstr(one.text, "\nmachine_memory_bytes "));
	assert_int_equal(reclaim.looks, 3);
	ask(&one, "GET", "/livez", "");
	expect(&one, "200", "ok");
	assert_int_equal(reclaim.looks, 3);
	ask(&one, "POST", "/v1/memory", "");
	expect(&one, "405", "Allow: GET, HEAD\r\n");
	ask(&one, "GET", "/v1/memory/mode", "");
	expect(&one, "405", "Allow: POST\r\n");
}

static void test_mode_and_target(void **state)
{
	(void)state;
	ask(&one, "POST", "/v1/memory/mode", "{\"mode\":\"dropcache\"}");
	expect(&one, "200", "\"total_bytes\":");
	assert_int_equal(reclaim.mode, MEMORY_MODE_DROPCACHE);
	ask(&one, "POST", "/v1/memory/mode", "{\"mode\":\"x\"}");
	expect(&one, "400", "adaptive, gradual, dropcache or off");
	assert_int_equal(reclaim.mode, MEMORY_MODE_DROPCACHE);
	ask(&one, "POST", "/v1/memory/target", "{\"bytes\":4096}");
	expect(&one, "200", "\"target_bytes\":");
	assert_int_equal(reclaim.target, 4096);
	ask(&one, "POST", "/v1/memory/target", "4096");
	expect(&one, "400", "\"code\":\"bad_body\"");
	assert_int_equal(reclaim.target, 4096);
	ask(&one, "POST", "/v1/memory/target", "{\"bytes\":null}");
	expect(&one, "200", "\"mode\":");
	assert_int_equal(reclaim.target, 0);
}

static const struct memory_answer some = {.reclaimed = 613416960,
	.free_before = 1000,
	.free_after = UINT64_MAX,
	.reason = RECLAIM_REASON_NOTHING,
	.took_us = 1234567};

static void test_answer_comes_later(void **state)
{
	uint64_t now_us = clock_now_us();

	(void)state;
	ask(&one, "POST", "/v1/memory/reclaim", "{\"bytes\":\"all\",\"timeout_ms\":60000}");
	LOOP_UNTIL(&loop, reclaim.request != NULL);
	assert_true(reclaim.request->bytes == UINT64_MAX);
	assert_true(reclaim.request->until_us >= now_us + 60 * USEC_PER_SEC);
	/* Others are served meanwhile, and a second request is told. */
	reclaim.refusal = -EBUSY;
	ask(&other, "POST", "/v1/memory/reclaim", "{\"bytes\":1}");
	LOOP_UNTIL(&loop, ended(&other));
	assert_non_null(strstr(other.text, "HTTP/1.1 409 "));
	assert_non_null(strstr(other.text, "\"code\":\"busy\""));
	close_p(&other.fd);
	assert_false(ended(&one));
	assert_int_equal(one.len, 0);
	reclaim.request->fn(reclaim.request->ctx, &some);
	expect(&one, "200",
		"{\"reclaimed_bytes\":613416960,\"free_before_bytes\":1000,"
		"\"free_after_bytes\":18446744073709551615,\"reason\":\"nothing\","
		"\"detail\":\"nothing cold is left\",\"took_ms\":1234.567}");
	assert_int_equal(reclaim.ignored, 0);
}

/* There may be nothing to do. */
static void test_answer_at_once(void **state)
{
	struct memory_answer answer = some;

	(void)state;
	reclaim.at_once = &answer;
	for (int reason = 0; reason <= RECLAIM_REASON_TIME; reason++) {
		answer.reason = (enum reclaim_reason)reason;
		ask(&one, "POST", "/v1/memory/reclaim", "{\"bytes\":5}");
		expect(&one, "200", "\"reason\":\"");
		assert_null(strstr(one.text, "(null)"));
	}
	assert_int_equal(reclaim.ignored, 0);
}

static void test_client_goes_away(void **state)
{
	(void)state;
	ask(&one, "POST", "/v1/memory/reclaim", "{\"bytes\":5}");
	LOOP_UNTIL(&loop, reclaim.request != NULL);
	leave(&one);
	assert_int_equal(reclaim.ignored, 1);
	assert_null(reclaim.request);
	/* And the agent, which ends with clients still waiting. */
	ask(&one, "POST", "/v1/memory/reclaim", "{\"bytes\":5}");
	LOOP_UNTIL(&loop, reclaim.request != NULL);
	http_server_close(&server);
	assert_int_equal(reclaim.ignored, 2);
	close_p(&one.fd);
}

static void test_refusals(void **state)
{
	static const char *const verbs[] = {
		"/v1/memory/reclaim", "/v1/memory/target", "/v1/memory/mode"};

	(void)state;
	ask(&one, "POST", "/v1/memory/reclaim", "{\"bytes\":\"some\"}");
	expect(&one, "400", "\"code\":\"bad_body\"");
	reclaim.refusal = -EIO;
	ask(&one, "POST", "/v1/memory/reclaim", "{\"bytes\":5}");
	expect(&one, "500", "\"code\":\"failed\"");
	api.memory = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		ask(&one, "POST", verbs[i], "{\"bytes\":5}");
		expect(&one, "503", "\"code\":\"memory_unavailable\"");
	}
	ask(&one, "GET", "/v1/memory", "");
	expect(&one, "200", "\"mode\":\"unknown\"");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_reclaim_bodies),
	cmocka_unit_test(test_other_bodies),
	cmocka_unit_test(test_largest_body),
	cmocka_unit_test_setup_teardown(test_what_is_told_is_fresh, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_mode_and_target, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_answer_comes_later, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_answer_at_once, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_client_goes_away, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
};

UNIT_TEST_MAIN(tests)
