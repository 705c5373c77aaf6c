/* SPDX-License-Identifier: MIT
 *
 * test_report.c - backoff, framing, and what a host hears that breaks off, does not read, or half-closes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "tests/unit/loop_test.h"

#include "agent/report.h"

static struct loop loop;
static struct report report;
static struct facts facts;
static char directory[64];
static struct address host;
static int listener, connection;

static int set_up(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/test_report.XXXXXX");
	assert_non_null(mkdtemp(directory));
	host = (struct address){.kind = ADDRESS_UNIX};
	(void)snprintf(host.path, sizeof(host.path), "%s/host", directory);
	memset(&facts, 0, sizeof(facts));
	memset(&report, 0, sizeof(report));
	listener = connection = -1;
	assert_int_equal(loop_init(&loop), 0);
	report_init(&report, &loop, &host, &facts, 3600);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	report_finish(&report, 10);
	assert_null(loop.timers);
	close_p(&listener);
	close_p(&connection);
	(void)unlink(host.path);
	(void)rmdir(directory);
	loop_fini(&loop);
	return 0;
}

static void listen_host(void)
{
	assert_int_equal(address_listen(&host, 0600, &listener), 0);
}

static void await_connection(void)
{
	LOOP_UNTIL(&loop, (connection = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
}

/* The next line, parsed. */
static yyjson_doc *next_line(void)
{
	static char line[REPORT_MESSAGE_MAX];
	size_t len = 0;
	yyjson_doc *doc;

	for (;;) {
		ssize_t n = 0;

		LOOP_UNTIL(&loop, (n = recv(connection, line + len, 1, MSG_DONTWAIT)) >= 0);
		assert_int_equal(n, 1);
		if (line[len] == '\n')
			break;
		len++;
	}
	doc = yyjson_read(line, len, YYJSON_READ_NOFLAG);
	assert_non_null(doc);
	return doc;
}

static void expect_type(const char *type, const char *status)
{
	yyjson_doc *doc = next_line();
	yyjson_val *root = yyjson_doc_get_root(doc), *holder = root;

	assert_string_equal(yyjson_get_str(yyjson_obj_get(root, "type")), type);
	if (strcmp(type, "health") == 0)
		holder = yyjson_obj_get(root, "health");
	if (status)
		assert_string_equal(yyjson_get_str(yyjson_obj_get(holder, "status")), status);
	yyjson_doc_free(doc);
}

static void set_refused(const char *reason)
{
	facts.link = FACTS_LINK_UP;
	facts.boot_known = true;
	facts.disk.state = DISK_STATE_REFUSED;
	(void)snprintf(facts.disk.reason, sizeof(facts.disk.reason), "%s", reason);
}

static void test_backoff(void **state)
{
	unsigned int before = 0;

	(void)state;
	for (unsigned int failures = 0; failures < 100; failures++) {
		unsigned int most = report_backoff_ms(failures, 0);

		assert_true(most >= before);
		assert_true(most <= REPORT_BACKOFF_MAX_MS);
		for (uint32_t random = 0; random < 20000; random += 7) {
			unsigned int ms = report_backoff_ms(failures, random);

			assert_in_range(ms, REPORT_BACKOFF_MIN_MS, most);
			assert_true(ms >= most / 2);
		}
		before = most;
	}
	assert_int_equal(report_backoff_ms(0, 0), REPORT_BACKOFF_MIN_MS);
	assert_int_equal(report_backoff_ms(UINT32_MAX, 0), REPORT_BACKOFF_MAX_MS);
	assert_true(report_backoff_ms(99, UINT32_MAX) < REPORT_BACKOFF_MAX_MS);
}

static void start_connected(void)
{
	listen_host();
	report_start(&report);
	await_connection();
	expect_type("hello", NULL);
	expect_type("health", "starting");
}

static void test_hello_state_changes(void **state)
{
	(void)state;
	start_connected();
	set_refused("no");
	report_send_change(&report);
	expect_type("health", "degraded");
}

static void test_heartbeat_when_nothing_changes(void **state)
{
	(void)state;
	start_connected();
	assert_non_null(loop.timers); /* the heartbeat and nothing else */
	assert_null(loop.timers->next);
	assert_in_range(loop.timers->at_us, clock_now_us() + 3590 * USEC_PER_SEC,
		clock_now_us() + 3600 * USEC_PER_SEC);
	loop_timer_set(&loop, loop.timers, clock_now_us(), loop.timers->fn, loop.timers->ctx);
	expect_type("heartbeat", "starting");
}

/* The host listens late, breaks off, comes back: each time it hears everything. */
static void test_reconnects_and_says_all_again(void **state)
{
	(void)state;
	report_start(&report);
	LOOP_UNTIL(&loop, report.failures == 1);
	listen_host();
	for (int round = 0; round < 3; round++) {
		await_connection();
		expect_type("hello", NULL);
		expect_type("health", "starting");
		close_p(&connection);
		LOOP_UNTIL(&loop, report.fd < 0);
	}
}

static void test_retry_now(void **state)
{
	(void)state;
	report_start(&report);
	report.failures = 50; /* the next attempt would be in 5 to 10 s */
	report_retry_now(&report);
	assert_int_equal(report.failures, 1);
	listen_host();
	report_retry_now(&report);
	await_connection();
	expect_type("hello", NULL);
	report_retry_now(&report); /* connected: nothing to do */
	expect_type("health", "starting");
}

/* A host that closes only its own sending side still listens. */
static void test_half_closed_host_is_still_told(void **state)
{
	(void)state;
	listen_host();
	report_start(&report);
	await_connection();
	expect_type("hello", NULL);
	(void)shutdown(connection, SHUT_WR);
	while (loop_test_step(&loop))
		;
	expect_type("health", "starting");
	set_refused("no");
	report_send_change(&report);
	expect_type("health", "degraded");
}

/* A host that does not read: memory does not grow, the loop rests, and the last state arrives. */
static void test_host_that_does_not_read(void **state)
{
	const int changes = 3000;
	int heard = 0, steps = 0;

	(void)state;
	start_connected();
	for (int i = 0; i < changes; i++) {
		char reason[32];

		(void)snprintf(reason, sizeof(reason), "change %d", i);
		set_refused(reason);
		report.paced_us = 0; /* as if they came one by one */
		report_send_change(&report);
	}
	assert_true(report.len > 0 && report.dirty);
	while (loop_test_step(&loop))
		assert_true(++steps < 10);
	for (;;) {
		yyjson_doc *doc = next_line();
		yyjson_val *health = yyjson_obj_get(yyjson_doc_get_root(doc), "health");
		const char *reason = yyjson_get_str(yyjson_obj_get(health, "reason"));
		bool last = strstr(reason, "change 2999") != NULL;

		heard++;
		yyjson_doc_free(doc);
		if (last)
			break;
	}
	assert_true(heard < changes);
}

/* As many as usually come together are told at once, what comes after them waits. */
static void test_burst_waits_for_nothing(void **state)
{
	(void)state;
	start_connected();
	report.paced_us = clock_now_us() + (REPORT_BURST - 1) * REPORT_GAP_MS * USEC_PER_MSEC;
	set_refused("no");
	report_send_change(&report);
	assert_false(report.dirty);
	expect_type("health", "degraded");
	report.paced_us = clock_now_us() + 3600 * USEC_PER_SEC;
	report_send_change(&report);
	assert_true(report.dirty);
	assert_int_equal(report.gap.at_us,
		report.paced_us - (REPORT_BURST - 1) * REPORT_GAP_MS * USEC_PER_MSEC);
}

/* A storm of changes: the first ones are told at once, the others together and soon. */
static void test_changes_come_together(void **state)
{
	uint64_t begun_us;

	(void)state;
	start_connected();
	report.paced_us = 0;
	for (int i = 0; i < 1000; i++) {
		char reason[32];

		(void)snprintf(reason, sizeof(reason), "change %d", i);
		set_refused(reason);
		report_send_change(&report);
	}
	begun_us = clock_now_us();
	for (int heard = 0;; heard++) {
		yyjson_doc *doc = next_line();
		yyjson_val *health = yyjson_obj_get(yyjson_doc_get_root(doc), "health");
		bool last = strstr(yyjson_get_str(yyjson_obj_get(health, "reason")),
				    "change 999") != NULL;

		yyjson_doc_free(doc);
		if (last)
			break;
		/* Of a machine that is so slow that the storm takes seconds, as many as the gap lets through. */
		assert_true((uint64_t)heard <=
			    REPORT_BURST + (begun_us - report.connected_us) /
						   (REPORT_GAP_MS * USEC_PER_MSEC));
	}
	assert_int_equal(report.gap.at_us, 0);
	assert_false(report.dirty);
}

/* A host that takes each connection and closes it: it is knocked at ever more rarely, and the log stays small. */
static void test_host_that_closes_at_once(void **state)
{
	(void)state;
	listen_host();
	report_start(&report);
	for (unsigned int round = 1; round <= 10; round++) {
		await_connection();
		close_p(&connection);
		LOOP_UNTIL(&loop, report.fd < 0);
		assert_int_equal(report.failures, round);
		assert_true(report.flapping && report.complained);
		assert_true(report.timer.at_us + 100 * USEC_PER_MSEC >=
			    clock_now_us() + report_backoff_ms(round - 1, 0) * USEC_PER_MSEC / 2);
		loop_timer_set(&loop, &report.timer, clock_now_us(), report.timer.fn, &report);
	}
	/* One that lasts ends it. */
	await_connection();
	expect_type("hello", NULL);
	report.connected_us -= REPORT_STABLE_MS * USEC_PER_MSEC;
	close_p(&connection);
	LOOP_UNTIL(&loop, report.fd < 0);
	assert_int_equal(report.failures, 1);
	assert_false(report.flapping);
}

static void test_finish_says_the_last_state(void **state)
{
	(void)state;
	start_connected();
	facts.agent_stopping = true;
	report_finish(&report, 200);
	expect_type("health", "stopping");
}

static void test_none_does_nothing(void **state)
{
	(void)state;
	memset(&report, 0, sizeof(report));
	host.kind = ADDRESS_NONE;
	report_init(&report, &loop, &host, &facts, 30);
	report_start(&report);
	report_send_change(&report);
	report_retry_now(&report);
	assert_null(loop.timers);
	assert_int_equal(report.fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backoff),
		cmocka_unit_test_setup_teardown(test_hello_state_changes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_heartbeat_when_nothing_changes, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_reconnects_and_says_all_again, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_retry_now, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_half_closed_host_is_still_told, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_host_that_does_not_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_burst_waits_for_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_changes_come_together, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_host_that_closes_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_finish_says_the_last_state, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_none_does_nothing, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
