/* SPDX-License-Identifier: MIT
 *
 * test_relay.c - bytes, ends and deaths through a relay between two socket pairs.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/loop_test.h"

#include "agent/common/relay.h"

static struct loop loop;
static struct relay relay;
static unsigned int done;
static int left, right; /* our ends */

static void on_done(void *ctx)
{
	(void)ctx;
	done++;
}

static int set_up(void **state)
{
	int a[2], b[2];

	(void)state;
	assert_int_equal(loop_init(&loop), 0);
	loop_test_pair(a);
	loop_test_pair(b);
	left = a[0];
	right = b[0];
	done = 0;
	assert_int_equal(relay_start(&relay, &loop, a[1], b[1], on_done, NULL), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (!done)
		relay_abort(&relay);
	close_p(&left);
	close_p(&right);
	loop_fini(&loop);
	return 0;
}

/* What has come so far, -1 after the end. */
static ssize_t came(int fd, char *buffer, size_t size)
{
	ssize_t n = recv(fd, buffer, size, MSG_DONTWAIT);

	return n == 0 ? -1 : n < 0 ? 0 : n;
}

static void expect_text(int fd, const char *text)
{
	char buffer[64];
	ssize_t n = 0;

	LOOP_UNTIL(&loop, (n = came(fd, buffer, sizeof(buffer))) != 0);
	assert_int_equal(n, (ssize_t)strlen(text));
	assert_memory_equal(buffer, text, strlen(text));
}

static void expect_end(int fd)
{
	char buffer[64];
	ssize_t n = 0;

	LOOP_UNTIL(&loop, (n = came(fd, buffer, sizeof(buffer))) != 0);
	assert_int_equal(n, -1);
}

static void test_both_ways(void **state)
{
	(void)state;
	assert_int_equal(send(left, "ping", 4, 0), 4);
	expect_text(right, "ping");
	assert_int_equal(send(right, "pong!", 5, 0), 5);
	expect_text(left, "pong!");
	assert_int_equal(relay.bytes[1], 4);
	assert_int_equal(relay.bytes[0], 5);
}

/* docker run -i: the client's input ends, the output goes on. */
static void test_half_close(void **state)
{
	(void)state;
	assert_int_equal(send(left, "last", 4, 0), 4);
	assert_int_equal(shutdown(left, SHUT_WR), 0);
	expect_text(right, "last");
	expect_end(right);
	assert_int_equal(done, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(send(right, "more", 4, 0), 4);
		expect_text(left, "more");
	}
	assert_int_equal(shutdown(right, SHUT_WR), 0);
	expect_end(left);
	LOOP_UNTIL(&loop, done == 1);
}

static void test_half_close_from_the_other_side(void **state)
{
	(void)state;
	assert_int_equal(shutdown(right, SHUT_WR), 0);
	expect_end(left);
	assert_int_equal(send(left, "input", 5, 0), 5);
	expect_text(right, "input");
	assert_int_equal(done, 0);
	close_p(&left);
	expect_end(right);
	LOOP_UNTIL(&loop, done == 1);
}

static void test_close_of_one_side_ends_all(void **state)
{
	(void)state;
	close_p(&left);
	LOOP_UNTIL(&loop, done == 1);
	expect_end(right);
}

/* The client half-closed and then died while nothing flows: that must be noticed. */
static void test_death_after_half_close(void **state)
{
	(void)state;
	assert_int_equal(shutdown(left, SHUT_WR), 0);
	expect_end(right);
	close_p(&left);
	LOOP_UNTIL(&loop, done == 1);
}

/* dockerd answers and closes before it has read all of the request. */
static void test_early_answer(void **state)
{
	static char chunk[100000];
	char buffer[64];
	ssize_t n = 0;

	(void)state;
	assert_int_equal(send(right, "HTTP/1.1 400", 12, 0), 12);
	close_p(&right);
	(void)!send(left, chunk, sizeof(chunk), MSG_DONTWAIT | MSG_NOSIGNAL);
	LOOP_UNTIL(&loop, (n = came(left, buffer, sizeof(buffer))) != 0);
	assert_int_equal(n, 12);
	LOOP_UNTIL(&loop, (n = came(left, buffer, sizeof(buffer))) != 0);
	assert_int_equal(n, -1);
	close_p(&left);
	LOOP_UNTIL(&loop, done == 1);
}

static unsigned char pattern(size_t i)
{
	return (unsigned char)(i * 2654435761UL >> 13);
}

/* More than all buffers hold, into a side that does not read: bounded, and nothing is lost or turned. */
static void test_back_pressure(void **state)
{
	static unsigned char chunk[50000];
	size_t sent = 0, got = 0, idle = 0;

	(void)state;
	while (idle == 0) { /* until the whole path is full: nothing to send, nothing to do */
		ssize_t n;

		for (size_t i = 0; i < sizeof(chunk); i++)
			chunk[i] = pattern(sent + i);
		n = send(left, chunk, sizeof(chunk), MSG_DONTWAIT);
		if (n > 0) {
			sent += (size_t)n;
			idle = 0;
			(void)loop_test_step(&loop);
		} else if (!loop_test_step(&loop)) {
			idle++;
		}
		assert_true(sent < 64UL * 1024 * 1024);
	}
	assert_int_equal(relay.side[1].waiting_len > 0, 1);
	assert_int_equal(shutdown(left, SHUT_WR), 0);
	while (got < sent) {
		static unsigned char buffer[30000];
		ssize_t n = recv(right, buffer, sizeof(buffer), MSG_DONTWAIT);

		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			assert_int_equal(loop_once(&loop), 0);
			continue;
		}
		assert_true(n > 0);
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(buffer[i], pattern(got + (size_t)i));
		got += (size_t)n;
	}
	expect_end(right);
	close_p(&right);
	LOOP_UNTIL(&loop, done == 1);
}

/* A full side whose peer hung up must not make the loop spin. */
static void test_no_spin_while_blocked(void **state)
{
	static char chunk[50000];
	int steps = 0;

	(void)state;
	for (int i = 0; i < 200; i++) {
		(void)!send(left, chunk, sizeof(chunk), MSG_DONTWAIT);
		(void)loop_test_step(&loop);
	}
	assert_true(relay.side[1].waiting_len > 0);
	close_p(&left);
	while (loop_test_step(&loop))
		assert_true(++steps < 100);
	close_p(&right);
	LOOP_UNTIL(&loop, done == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_both_ways, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_half_close, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_half_close_from_the_other_side, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_close_of_one_side_ends_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_death_after_half_close, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_early_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_back_pressure, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_spin_while_blocked, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
