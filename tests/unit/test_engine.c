/* SPDX-License-Identifier: MIT
 *
 * test_engine.c - when the daemons are asked, what is believed of their answers, who is restarted and why.
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
static struct facts facts;
static struct engine_options options;
static unsigned int changes, restarts;
static char directory[64], restarted[CONTROL_NAME_MAX];
static int restart_error;
static int listeners[ENGINE_DAEMONS], connection;

/* SETTINGS, the header block's frame, then the message "serving". */
static const char serving[] = "\0\0\0\x04\0\0\0\0\0"
			      "\0\0\x01\x01\x04\0\0\0\x01\x88"
			      "\0\0\x07\0\0\0\0\0\x01\0\0\0\0\x02\x08\x01";

static void on_change(void *ctx)
{
	(void)ctx;
	changes++;
}

static int on_restart(void *ctx, const char *unit)
{
	(void)ctx;
	if (restart_error)
		return restart_error;
	restarts++;
	(void)snprintf(restarted, sizeof(restarted), "%s", unit);
	return 0;
}

static struct facts_daemon *daemon_facts(enum engine_daemon_id id)
{
	return &facts.engine.daemons[id];
}

static void put_service(size_t index, enum engine_daemon_id id, enum service_state state,
	uint64_t ready_us)
{
	struct control_service *service = &facts.services[index];

	(void)snprintf(service->name, sizeof(service->name), "%s", engine_daemon_unit(id));
	service->state = (uint8_t)state;
	service->wanted = 1;
	service->ready_us = ready_us;
}

static void set_service(enum engine_daemon_id id, enum service_state state, uint64_t ready_us)
{
	put_service((size_t)id, id, state, ready_us);
	engine_update(&engine);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/test_engine.XXXXXX");
	assert_non_null(mkdtemp(directory));
	for (int i = 0; i < ENGINE_DAEMONS; i++) {
		options.address[i].kind = ADDRESS_UNIX;
		(void)snprintf(options.address[i].path, sizeof(options.address[i].path), "%s/%d",
			directory, i);
		listeners[i] = -1;
	}
	options.policy = (struct engine_policy){.restart = true,
		.restarts_per_hour = 2,
		.hung_after_us = 30 * USEC_PER_SEC,
		.calm_us = 3600 * USEC_PER_SEC};
	memset(&facts, 0, sizeof(facts));
	changes = restarts = 0;
	restart_error = 0;
	connection = -1;
	assert_int_equal(loop_init(&loop), 0);
	engine_init(&engine, &loop, &options, &facts, on_change, on_restart, NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	engine_stop(&engine);
	assert_null(loop.timers);
	close_p(&connection);
	for (int i = 0; i < ENGINE_DAEMONS; i++) {
		close_p(&listeners[i]);
		(void)unlink(options.address[i].path);
	}
	(void)rmdir(directory);
	loop_fini(&loop);
	return 0;
}

static void listen_as(enum engine_daemon_id id)
{
	assert_int_equal(address_listen(&options.address[id], 0600, &listeners[id]), 0);
}

static void take_connection(enum engine_daemon_id id)
{
	LOOP_UNTIL(&loop, (connection = accept4(listeners[id], NULL, NULL, SOCK_NONBLOCK)) >= 0);
}

static void answer_bytes(enum engine_daemon_id id, const char *start, const char *bytes, size_t len)
{
	char request[512];

	take_connection(id);
	LOOP_UNTIL(&loop, recv(connection, request, sizeof(request), MSG_DONTWAIT) > 0);
	assert_memory_equal(request, start, strlen(start));
	assert_int_equal(send(connection, bytes, len, MSG_NOSIGNAL), len);
	close_p(&connection);
}

static void answer(const char *text)
{
	answer_bytes(ENGINE_DOCKERD, "GET /_ping HTTP/1.1\r\n", text, strlen(text));
}

static void answer_containerd(void)
{
	answer_bytes(ENGINE_CONTAINERD, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", serving,
		sizeof(serving) - 1);
}

/* Time passes: the timer's callback, now. */
static void run_timer(struct loop_timer *timer)
{
	loop_timer_set(&loop, timer, clock_now_us(), timer->fn, timer->ctx);
}

/* The calm interval is over. */
static void ask_now(void)
{
	for (size_t i = 0; i < ENGINE_DAEMONS; i++)
		if (engine.daemons[i].due_us)
			engine.daemons[i].due_us = clock_now_us() + i * USEC_PER_SEC;
	run_timer(&engine.timer);
}

static void test_never_asked_while_inactive(void **state)
{
	(void)state;
	engine_update(&engine);
	assert_null(loop.timers);
	assert_int_equal(facts.engine.state, ENGINE_STATE_UNKNOWN);
	assert_false(daemon_facts(ENGINE_DOCKERD)->known);
	set_service(ENGINE_DOCKERD, SERVICE_STATE_STARTING, 0);
	assert_null(loop.timers);
	assert_true(daemon_facts(ENGINE_DOCKERD)->known);
	assert_int_equal(daemon_facts(ENGINE_DOCKERD)->state, DAEMON_STATE_STARTING);
	assert_int_equal(facts.engine.state, ENGINE_STATE_UNKNOWN);
	set_service(ENGINE_DOCKERD, SERVICE_STATE_FAILED, 0);
	assert_int_equal(daemon_facts(ENGINE_DOCKERD)->state, DAEMON_STATE_FAILED);
}

static void test_ready_then_calm(void **state)
{
	(void)state;
	listen_as(ENGINE_DOCKERD);
	set_service(ENGINE_DOCKERD, SERVICE_STATE_ACTIVE, 1000);
	assert_int_equal(changes, 0); /* not from inside */
	answer(good);
	LOOP_UNTIL(&loop, changes == 1);
	assert_int_equal(facts.engine.state, ENGINE_STATE_READY);
	assert_string_equal(facts.engine.api_version, "1.45");
	assert_true(facts.engine.was_ready);
	assert_in_range(loop.timers->at_us, clock_now_us() + 3590 * USEC_PER_SEC,
		clock_now_us() + 3600 * USEC_PER_SEC);
	set_service(ENGINE_DOCKERD, SERVICE_STATE_ACTIVE, 1000); /* the same life */
	assert_int_equal(facts.engine.state, ENGINE_STATE_READY);
	set_service(ENGINE_DOCKERD, SERVICE_STATE_ACTIVE, 2000); /* another one */
	assert_int_equal(facts.engine.state, ENGINE_STATE_UNKNOWN);
	answer(good);
	LOOP_UNTIL(&loop, changes == 2);
	set_service(ENGINE_DOCKERD, SERVICE_STATE_INACTIVE, 2000);
	assert_int_equal(facts.engine.state, ENGINE_STATE_UNKNOWN);
	assert_null(loop.timers);
}

/* Ready means both; calm is one wake-up for both. */
static void test_both_daemons(void **state)
{
	(void)state;
	listen_as(ENGINE_DOCKERD);
	listen_as(ENGINE_CONTAINERD);
	put_service(0, ENGINE_DOCKERD, SERVICE_STATE_ACTIVE, 1000);
	put_service(1, ENGINE_CONTAINERD, SERVICE_STATE_ACTIVE, 1000);
	engine_update(&engine);
	answer(good);
	LOOP_UNTIL(&loop, daemon_facts(ENGINE_DOCKERD)->state == DAEMON_STATE_READY);
	assert_int_equal(facts.engine.state, ENGINE_STATE_UNKNOWN);
	assert_int_equal(facts.engine.culprit, ENGINE_CONTAINERD);
	answer_containerd();
	LOOP_UNTIL(&loop, facts.engine.state == ENGINE_STATE_READY);
	assert_ptr_equal(loop.timers, &engine.timer);
	assert_null(loop.timers->next);
	ask_now();
	answer(good);
	answer_containerd();
	LOOP_UNTIL(&loop, engine.daemons[0].due_us != 0 && engine.daemons[1].due_us != 0);
	assert_int_equal(facts.engine.state, ENGINE_STATE_READY);
}

static void test_recovers_by_itself(void **state)
{
	(void)state;
	set_service(ENGINE_DOCKERD, SERVICE_STATE_ACTIVE, 1000);
	LOOP_UNTIL(&loop, changes == 1);
	assert_int_equal(facts.engine.state, ENGINE_STATE_UNREACHABLE);
	assert_string_equal(facts.engine.reason, "No such file or directory");
	listen_as(ENGINE_DOCKERD);
	answer("HTTP/1.1 503 busy\r\nContent-Length: 0\r\n\r\n");
	LOOP_UNTIL(&loop, changes == 2);
	assert_string_equal(facts.engine.reason, "a ping was answered with HTTP status 503");
	answer("what?\r\n\r\n");
	LOOP_UNTIL(&loop, changes == 3);
	answer(good);
	LOOP_UNTIL(&loop, changes == 4);
	assert_int_equal(facts.engine.state, ENGINE_STATE_READY);
	assert_string_equal(facts.engine.reason, "");
	assert_int_equal(engine.daemons[ENGINE_DOCKERD].seen.misses, 0);
	assert_int_equal(restarts, 0);
}

/* It accepts and says nothing: the deadline, not the patience of the kernel, decides. */
static void test_silence_meets_the_deadline(void **state)
{
	struct engine_probe *probe = &engine.daemons[ENGINE_DOCKERD].probe;

	(void)state;
	listen_as(ENGINE_DOCKERD);
	set_service(ENGINE_DOCKERD, SERVICE_STATE_ACTIVE, 1000);
	take_connection(ENGINE_DOCKERD);
	while (loop_test_step(&loop))
		;
	assert_int_equal(changes, 0);
	assert_in_range(probe->deadline.at_us, clock_now_us(),
		clock_now_us() + ENGINE_DEADLINE_MS * USEC_PER_MSEC);
	run_timer(&probe->deadline);
	LOOP_UNTIL(&loop, changes == 1);
	assert_string_equal(facts.engine.reason, "no answer to a ping within 10 s");
	assert_int_equal(probe->fd, -1);
}

static void test_endless_answer(void **state)
{
	char text[ENGINE_ANSWER_MAX + 2];

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, "HTTP/1.1 200 OK\r\nX: ", 20);
	text[sizeof(text) - 1] = '\0';
	listen_as(ENGINE_DOCKERD);
	set_service(ENGINE_DOCKERD, SERVICE_STATE_ACTIVE, 1000);
	answer(text);
	LOOP_UNTIL(&loop, changes == 1);
	assert_int_equal(facts.engine.state, ENGINE_STATE_UNREACHABLE);
}

/* A kick makes an old answer fresh and leaves a fresh one alone. */
static void test_kick(void **state)
{
	struct engine_daemon *daemon = &engine.daemons[ENGINE_DOCKERD];

	(void)state;
	engine_kick(&engine);
	assert_null(loop.timers);
	listen_as(ENGINE_DOCKERD);
	set_service(ENGINE_DOCKERD, SERVICE_STATE_ACTIVE, 1000);
	answer(good);
	LOOP_UNTIL(&loop, changes == 1);
	engine_kick(&engine);
	assert_true(engine.timer.at_us > clock_now_us() + 3000 * USEC_PER_SEC);
	daemon->seen.probed_us -= 6 * USEC_PER_SEC;
	engine_kick(&engine);
	assert_true(engine.timer.at_us <= clock_now_us());
	answer(good);
	LOOP_UNTIL(&loop, !daemon->probe.busy);
}

/* Silent for `seconds`, and the last of its probes is missed now. */
static void miss(enum engine_daemon_id id, unsigned int misses, uint64_t seconds)
{
	struct engine_daemon *daemon = &engine.daemons[id];

	LOOP_UNTIL(&loop, daemon->probe.busy);
	take_connection(id);
	close_p(&connection);
	daemon->seen.misses = misses - 1;
	daemon->seen.silent_us = daemon->begun_us = clock_now_us() - seconds * USEC_PER_SEC;
	LOOP_UNTIL(&loop, !daemon->probe.busy);
	assert_int_equal(daemon->seen.misses, misses);
	ask_now();
}

static void make_ready(enum engine_daemon_id id)
{
	listen_as(id);
	set_service(id, SERVICE_STATE_ACTIVE, 1000);
	if (id == ENGINE_DOCKERD)
		answer(good);
	else
		answer_containerd();
	LOOP_UNTIL(&loop, daemon_facts(id)->state == DAEMON_STATE_READY);
	ask_now();
}

static void test_one_miss_restarts_nothing(void **state)
{
	(void)state;
	make_ready(ENGINE_DOCKERD);
	miss(ENGINE_DOCKERD, 1, 1000);
	assert_int_equal(daemon_facts(ENGINE_DOCKERD)->state, DAEMON_STATE_SLOW);
	miss(ENGINE_DOCKERD, 2, 1000);
	assert_int_equal(daemon_facts(ENGINE_DOCKERD)->state, DAEMON_STATE_SLOW);
	miss(ENGINE_DOCKERD, 3, 29);
	assert_int_equal(daemon_facts(ENGINE_DOCKERD)->state, DAEMON_STATE_SLOW);
	assert_int_equal(restarts, 0);
}

static void test_hung_is_restarted(void **state)
{
	struct facts_daemon *daemon = daemon_facts(ENGINE_CONTAINERD);

	(void)state;
	make_ready(ENGINE_CONTAINERD);
	miss(ENGINE_CONTAINERD, 3, 32);
	assert_int_equal(daemon->state, DAEMON_STATE_HUNG);
	assert_int_equal(restarts, 1);
	assert_string_equal(restarted, "containerd.service");
	assert_string_equal(daemon->restart_reason,
		"containerd did not answer for 32 s: restarted by policy");
	assert_true(daemon->restarting);
	assert_int_equal(daemon->restarts, 1);
	miss(ENGINE_CONTAINERD, 4, 33); /* asked for once */
	assert_int_equal(restarts, 1);
	set_service(ENGINE_CONTAINERD, SERVICE_STATE_STOPPING, 1000);
	assert_true(daemon->restarting);
	set_service(ENGINE_CONTAINERD, SERVICE_STATE_ACTIVE, 2000);
	assert_true(daemon->restarting);
	answer_containerd();
	LOOP_UNTIL(&loop, !daemon->restarting);
	assert_int_equal(daemon->state, DAEMON_STATE_READY);
	assert_true(daemon->restarted_us != 0 && daemon->restart_reason[0]);
}

static void test_restarts_are_limited(void **state)
{
	struct facts_daemon *daemon = daemon_facts(ENGINE_DOCKERD);

	(void)state;
	make_ready(ENGINE_DOCKERD);
	for (unsigned int life = 1; life <= 3; life++) {
		miss(ENGINE_DOCKERD, 3, 40);
		assert_int_equal(daemon->state, DAEMON_STATE_HUNG);
		assert_int_equal(restarts, life < 3 ? life : 2);
		if (life == 3)
			break;
		set_service(ENGINE_DOCKERD, SERVICE_STATE_ACTIVE, 1000 + life * 10);
		answer(good);
		LOOP_UNTIL(&loop, daemon->state == DAEMON_STATE_READY);
		ask_now();
	}
	assert_string_equal(daemon->reason,
		"it did not answer for 40 s; restarted too often within the hour, not again");
	/* An hour later it may again. */
	engine.daemons[ENGINE_DOCKERD].restarts_us[0] -= 3601 * USEC_PER_SEC;
	miss(ENGINE_DOCKERD, 4, 50);
	assert_int_equal(restarts, 3);
}

static void test_restart_switched_off_or_refused(void **state)
{
	struct facts_daemon *daemon = daemon_facts(ENGINE_DOCKERD);
	unsigned int before;

	(void)state;
	make_ready(ENGINE_DOCKERD);
	restart_error = -ENOTCONN;
	miss(ENGINE_DOCKERD, 3, 40);
	assert_false(daemon->restarting);
	assert_int_equal(daemon->restarts, 0);
	assert_string_equal(daemon->reason, "it did not answer for 40 s");
	engine.policy.restart = false;
	miss(ENGINE_DOCKERD, 4, 50);
	assert_string_equal(daemon->reason, "it did not answer for 50 s; engine.restart is off");
	assert_string_equal(facts.engine.reason, daemon->reason);
	assert_int_equal(restarts, 0);
	/* For longer now: it is known, and no news. */
	before = changes;
	miss(ENGINE_DOCKERD, 5, 90);
	assert_string_equal(daemon->reason, "it did not answer for 90 s; engine.restart is off");
	assert_int_equal(changes, before);
}

static void test_shutdown_ends_the_probing(void **state)
{
	(void)state;
	make_ready(ENGINE_DOCKERD);
	miss(ENGINE_DOCKERD, 3, 29);
	facts.boot_known = true;
	facts.boot.state = BOOT_STATE_STOPPING;
	engine_update(&engine);
	assert_int_equal(engine.daemons[ENGINE_DOCKERD].due_us, 0);
	assert_int_equal(restarts, 0);
}

static int dial_error, dials;

/* What the proxy does: a connection of its own, or why there is none. */
static int on_dial(void *ctx, int *fd)
{
	dials++;
	assert_ptr_equal(ctx, &options);
	*fd = -1;
	return dial_error ? dial_error : address_connect(&options.address[ENGINE_DOCKERD], fd);
}

/* dockerd is asked through what the host goes through; why that has no dockerd is the reason. */
static void test_asks_through_the_proxy(void **state)
{
	(void)state;
	dials = 0;
	dial_error = -ECONNREFUSED;
	engine_ask_through(&engine, on_dial, &options);
	set_service(ENGINE_DOCKERD, SERVICE_STATE_ACTIVE, 1000);
	LOOP_UNTIL(&loop, changes == 1);
	assert_int_equal(facts.engine.state, ENGINE_STATE_UNREACHABLE);
	assert_string_equal(facts.engine.reason, "Connection refused");
	assert_int_equal(dials, 1);
	dial_error = 0;
	listen_as(ENGINE_DOCKERD);
	answer("HTTP/1.1 503 Service Unavailable\r\n\r\n"); /* the proxy's own, of a connection that took too long */
	LOOP_UNTIL(&loop, changes == 2);
	assert_int_equal(facts.engine.state, ENGINE_STATE_UNREACHABLE);
	answer(good);
	LOOP_UNTIL(&loop, facts.engine.state == ENGINE_STATE_READY);
	assert_int_equal(dials, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_never_asked_while_inactive),
		TEST(test_ready_then_calm),
		TEST(test_both_daemons),
		TEST(test_recovers_by_itself),
		TEST(test_silence_meets_the_deadline),
		TEST(test_endless_answer),
		TEST(test_kick),
		TEST(test_one_miss_restarts_nothing),
		TEST(test_hung_is_restarted),
		TEST(test_restarts_are_limited),
		TEST(test_restart_switched_off_or_refused),
		TEST(test_shutdown_ends_the_probing),
		TEST(test_asks_through_the_proxy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
