/* SPDX-License-Identifier: MIT
 *
 * test_engine.c - the answer to a ping, cut anywhere; when the engine is asked, and what is believed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/loop_test.h"

#include "agent/engine.h"

static const char good[] = "HTTP/1.1 200 OK\r\nApi-Version: 1.45\r\nServer: Docker/26.1.5\r\n"
			   "Content-Length: 2\r\nConnection: close\r\n\r\nOK";

static struct loop loop;
static struct engine engine;
static struct facts_engine facts;
static struct address address;
static unsigned int changes;
static char directory[64];
static int listener, connection;

static void on_change(void *ctx)
{
	(void)ctx;
	changes++;
}

static int set_up(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/test_engine.XXXXXX");
	assert_non_null(mkdtemp(directory));
	address = (struct address){.kind = ADDRESS_UNIX};
	(void)snprintf(address.path, sizeof(address.path), "%s/docker", directory);
	memset(&facts, 0, sizeof(facts));
	changes = 0;
	listener = connection = -1;
	assert_int_equal(loop_init(&loop), 0);
	engine_init(&engine, &loop, &address, &facts, 3600, on_change, NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	engine_stop(&engine);
	assert_null(loop.timers);
	close_p(&listener);
	close_p(&connection);
	(void)unlink(address.path);
	(void)rmdir(directory);
	loop_fini(&loop);
	return 0;
}

static void test_answers(void **state)
{
	char version[16];
	int status;

	(void)state;
	assert_int_equal(engine_parse_answer(good, strlen(good), &status, version, sizeof(version)),
		0);
	assert_string_equal(version, "1.45");
	/* The body does not matter, every byte of the header does. */
	for (size_t len = 0; len < strlen(good) - 2; len++) {
		char *copy = malloc(len ? len : 1);

		memcpy(copy, good, len);
		assert_int_equal(engine_parse_answer(copy, len, &status, version, sizeof(version)),
			-EAGAIN);
		free(copy);
	}
	assert_int_equal(engine_parse_answer("HTTP/1.1 500 no\r\n\r\n", 19, &status, version,
				 sizeof(version)),
		-EREMOTEIO);
	assert_int_equal(status, 500);
	assert_int_equal(engine_parse_answer("SSH-2.0-x\r\n", 11, &status, version,
				 sizeof(version)),
		-EPROTO);
	assert_int_equal(engine_parse_answer("HTTP/1.1 44444444444 x\r\n\r\n", 26, &status, version,
				 sizeof(version)),
		-EPROTO);
	assert_int_equal(
		engine_parse_answer("HTTP/1.1 200 OK\r\nApi-Version: 12345678901234567890\r\n\r\n",
			55, &status, version, sizeof(version)),
		0);
	assert_string_equal(version, "123456789012345");
}

static void listen_engine(void)
{
	assert_int_equal(address_listen(&address, 0600, &listener), 0);
}

static void answer(const char *text)
{
	char request[512];

	LOOP_UNTIL(&loop, (connection = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
	LOOP_UNTIL(&loop, recv(connection, request, sizeof(request), MSG_DONTWAIT) > 0);
	assert_memory_equal(request, "GET /_ping HTTP/1.1\r\n", 21);
	assert_int_equal(send(connection, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	close_p(&connection);
}

static void test_never_asked_while_inactive(void **state)
{
	(void)state;
	engine_set_active(&engine, 0);
	assert_null(loop.timers);
	assert_int_equal(facts.state, ENGINE_STATE_UNKNOWN);
}

static void test_ready_then_calm(void **state)
{
	(void)state;
	listen_engine();
	engine_set_active(&engine, 1000);
	assert_int_equal(changes, 0); /* not from inside */
	answer(good);
	LOOP_UNTIL(&loop, changes == 1);
	assert_int_equal(facts.state, ENGINE_STATE_READY);
	assert_string_equal(facts.api_version, "1.45");
	assert_true(facts.was_ready);
	assert_in_range(loop.timers->at_us, clock_now_us() + 3590 * USEC_PER_SEC,
		clock_now_us() + 3600 * USEC_PER_SEC);
	engine_set_active(&engine, 1000); /* the same life of the service */
	assert_int_equal(facts.state, ENGINE_STATE_READY);
	engine_set_active(&engine, 2000); /* another one */
	assert_int_equal(facts.state, ENGINE_STATE_UNKNOWN);
	answer(good);
	LOOP_UNTIL(&loop, changes == 2);
	engine_set_active(&engine, 0);
	assert_int_equal(facts.state, ENGINE_STATE_UNKNOWN);
	assert_null(loop.timers);
}

static void test_recovers_by_itself(void **state)
{
	(void)state;
	engine_set_active(&engine, 1000);
	LOOP_UNTIL(&loop, changes == 1);
	assert_int_equal(facts.state, ENGINE_STATE_UNREACHABLE);
	assert_string_equal(facts.reason, "No such file or directory");
	listen_engine();
	answer("HTTP/1.1 503 busy\r\nContent-Length: 0\r\n\r\n");
	LOOP_UNTIL(&loop, changes == 2);
	assert_string_equal(facts.reason, "a ping was answered with HTTP status 503");
	answer("what?\r\n\r\n");
	LOOP_UNTIL(&loop, changes == 3);
	answer(good);
	LOOP_UNTIL(&loop, changes == 4);
	assert_int_equal(facts.state, ENGINE_STATE_READY);
	assert_string_equal(facts.reason, "");
	assert_int_equal(engine.failures, 0);
}

/* dockerd accepts and says nothing: the deadline, not the patience of the kernel, decides. */
static void test_silence_meets_the_deadline(void **state)
{
	(void)state;
	listen_engine();
	engine_set_active(&engine, 1000);
	LOOP_UNTIL(&loop, (connection = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
	while (loop_test_step(&loop))
		;
	assert_int_equal(changes, 0);
	assert_in_range(engine.timer.at_us, clock_now_us(),
		clock_now_us() + ENGINE_DEADLINE_MS * USEC_PER_MSEC);
	loop_timer_set(&loop, &engine.timer, clock_now_us(), engine.timer.fn, engine.timer.ctx);
	LOOP_UNTIL(&loop, changes == 1);
	assert_non_null(strstr(facts.reason, "no answer to a ping within 10 s"));
	assert_int_equal(engine.fd, -1);
}

static void test_endless_answer(void **state)
{
	char text[ENGINE_ANSWER_MAX + 2];

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, "HTTP/1.1 200 OK\r\nX: ", 20);
	text[sizeof(text) - 1] = '\0';
	listen_engine();
	engine_set_active(&engine, 1000);
	answer(text);
	LOOP_UNTIL(&loop, changes == 1);
	assert_int_equal(facts.state, ENGINE_STATE_UNREACHABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test_setup_teardown(test_never_asked_while_inactive, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ready_then_calm, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_recovers_by_itself, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_silence_meets_the_deadline, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_endless_answer, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
