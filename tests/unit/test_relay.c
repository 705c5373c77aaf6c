/* SPDX-License-Identifier: MIT
 *
 * test_relay.c - bytes, ends and deaths through a relay between two socket pairs.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
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
	assert_int_equal(loop_once(&loop),
		0); /* one look tells an end of all from one of the input */
	assert_int_equal(done, 1);
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

/* The answer ends and its sayer goes while the hearer takes nothing: all of it arrives nevertheless. */
static void test_all_arrives_of_one_that_went(void **state)
{
	static unsigned char chunk[50000];
	size_t sent = 0, got = 0;

	for (int i = 0; i < 200; i++) {
		ssize_t n;

		for (size_t j = 0; j < sizeof(chunk); j++)
			chunk[j] = pattern(sent + j);
		n = send(left, chunk, sizeof(chunk), MSG_DONTWAIT);
		sent += n > 0 ? (size_t)n : 0;
		(void)loop_test_step(&loop);
	}
	assert_true(relay.side[1].waiting_len > 0);
	if (*state) { /* its request was over before */
		assert_int_equal(shutdown(right, SHUT_WR), 0);
		expect_end(left);
	}
	close_p(&left);
	while (loop_test_step(&loop))
		;
	for (;;) {
		ssize_t n = recv(right, chunk, sizeof(chunk), MSG_DONTWAIT);

		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			assert_int_equal(loop_once(&loop), 0);
			continue;
		}
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(chunk[i], pattern(got + (size_t)i));
		got += (size_t)n;
		if (n == 0)
			break;
	}
	assert_int_equal(got, sent);
	close_p(&right);
	LOOP_UNTIL(&loop, done == 1);
}

static void test_all_arrives_after_a_half_close(void **state)
{
	void *yes = state;

	test_all_arrives_of_one_that_went(&yes);
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

static unsigned int open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	(void)closedir(dir);
	return count;
}

/* Sends `size` bytes through in writes of `step` and reads them back: both ends as fast as they can. */
static void stream(size_t size, size_t step)
{
	static unsigned char chunk[200000], buffer[200000];
	size_t sent = 0, got = 0;

	while (got < size) {
		size_t len = size - sent < step ? size - sent : step;
		ssize_t n;

		for (size_t i = 0; i < len; i++)
			chunk[i] = pattern(sent + i);
		n = len ? send(left, chunk, len, MSG_DONTWAIT) : 0;
		sent += n > 0 ? (size_t)n : 0;
		(void)loop_test_step(&loop);
		n = recv(right, buffer, sizeof(buffer), MSG_DONTWAIT);
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(buffer[i], pattern(got + (size_t)i));
		got += n > 0 ? (size_t)n : 0;
	}
}

/* Bulk goes through a pipe, small bytes do not; nobody keeps a pipe when nothing flows. */
static void test_bulk_is_spliced(void **state)
{
	unsigned int before = open_descriptors();

	(void)state;
	stream(1000, 1000);
	assert_false(relay.side[0].bulk);
	assert_int_equal(open_descriptors(), before);
	stream(20UL << 20, 50000);
	stream(1UL << 20, 100);
	stream(20UL << 20, 180001);
	assert_int_equal(relay.side[1].pipe.in, -1);
	assert_null(relay.side[1].waiting);
	assert_in_range(open_descriptors(), before, before + 2 * RELAY_PIPES_SPARE);
}

static int send_buffer(int fd)
{
	int size = 0;
	socklen_t len = sizeof(size);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &len), 0);
	return size;
}

/* A side that gets bulk gets a buffer that is as deep as the system allows; who says or hears little keeps the usual one. */
static void test_bulk_gets_a_deep_buffer(void **state)
{
	int usual = send_buffer(relay.side[1].fd);
	int size = RELAY_SNDBUF;
	int pair[2];

	(void)state;
	loop_test_pair(pair);
	assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	assert_true(send_buffer(pair[0]) > usual);
	stream(1000, 1000);
	assert_int_equal(send_buffer(relay.side[1].fd), usual);
	stream(1UL << 20, 65536);
	assert_int_equal(send_buffer(relay.side[1].fd), send_buffer(pair[0]));
	assert_int_equal(send_buffer(relay.side[0].fd), usual);
	close_p(&pair[0]);
	close_p(&pair[1]);
}

/* What waits in a pipe goes when its side does, and the descriptors with it. */
static void test_death_with_a_full_pipe(void **state)
{
	static char chunk[100000];
	unsigned int before = open_descriptors(); /* with our two ends and a spare pipe or none */

	(void)state;
	for (int i = 0; i < 100; i++) {
		(void)!send(left, chunk, sizeof(chunk), MSG_DONTWAIT);
		(void)loop_test_step(&loop);
	}
	assert_true(relay.side[1].waiting_len > 0);
	assert_true(relay.side[1].pipe.in >= 0);
	close_p(&right);
	(void)shutdown(left, SHUT_WR);
	LOOP_UNTIL(&loop, done == 1);
	/* Our own end and the relay's two are gone. */
	assert_in_range(open_descriptors(), 0, before - 3);
}

/* Without descriptors for a pipe it copies. */
static void test_no_pipe_to_be_had(void **state)
{
	struct relay_pipe pipes[RELAY_PIPES_MAX], extra = RELAY_PIPE_NONE;
	size_t count = 0;

	(void)state;
	while (count < RELAY_PIPES_MAX && relay_pipe_take(&pipes[count]))
		count++;
	assert_int_equal(count, RELAY_PIPES_MAX);
	assert_false(relay_pipe_take(&extra));
	relay_pipe_give(&extra, true);
	stream(4UL << 20, 65536);
	assert_true(relay.side[0].bulk);
	while (count-- > 0)
		relay_pipe_give(&pipes[count], count % 2 == 0);
}

/* splice(2) refuses to write to the right side (O_APPEND makes it): what is in the pipe by then is not lost. */
static void test_side_that_splice_cannot_write(void **state)
{
	int flags = fcntl(relay.side[1].fd, F_GETFL);

	(void)state;
	assert_int_equal(fcntl(relay.side[1].fd, F_SETFL, flags | O_APPEND), 0);
	stream(4UL << 20, 65536);
	assert_true(relay.side[0].copies);
	assert_int_equal(relay.side[1].pipe.in, -1);
	assert_int_equal(relay.bytes[1], 4UL << 20);
	assert_int_equal(done, 0);
}

static int turns[2];

static void on_turn(void *ctx, int side, const char *data, size_t len)
{
	(void)ctx;
	turns[side]++;
	assert_in_range(len, 1, 5);
	assert_memory_equal(data, side == 0 ? "ask" : "reply", len);
}

static void test_turns(void **state)
{
	(void)state;
	memset(turns, 0, sizeof(turns));
	relay.turn = on_turn;
	assert_null(relay.speaker);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(send(left, "ask", 3, 0), 3);
		expect_text(right, "ask");
		assert_ptr_equal(relay.speaker, &relay.side[0]);
		for (int j = 0; j < 2; j++) {
			assert_int_equal(send(right, "reply", 5, 0), 5);
			expect_text(left, "reply");
		}
		assert_ptr_equal(relay.speaker, &relay.side[1]);
		assert_in_range(relay.moved_us, 1, clock_now_us());
	}
	assert_int_equal(turns[0], 3);
	assert_int_equal(turns[1], 3);
}

/* The end of the input is made up; the answer still comes, and a client that goes is noticed. */
static void test_end_input(void **state)
{
	(void)state;
	relay_end_input(&relay, 1);
	relay_end_input(&relay, 1);
	expect_end(right);
	assert_int_equal(send(left, "lost", 4, 0), 4);
	assert_int_equal(send(right, "bye", 3, 0), 3);
	expect_text(left, "bye");
	assert_int_equal(done, 0);
	close_p(&right);
	LOOP_UNTIL(&loop, done == 1);
	expect_end(left);
}

static void test_end_input_after_the_other_end(void **state)
{
	(void)state;
	assert_int_equal(shutdown(right, SHUT_WR), 0);
	expect_end(left);
	assert_int_equal(done, 0);
	relay_end_input(&relay, 1);
	assert_int_equal(done, 1);
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
		cmocka_unit_test_setup_teardown(test_all_arrives_of_one_that_went, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_all_arrives_after_a_half_close, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_no_spin_while_blocked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bulk_is_spliced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bulk_gets_a_deep_buffer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_death_with_a_full_pipe, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_pipe_to_be_had, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_side_that_splice_cannot_write, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_turns, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_end_input, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_end_input_after_the_other_end, set_up,
			tear_down),
	};

	(void)signal(SIGPIPE, SIG_IGN); /* as every program with a relay does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
