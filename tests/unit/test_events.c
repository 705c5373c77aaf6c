/* SPDX-License-Identifier: MIT
 *
 * test_events.c - GET /v1/events over the real server, and what becomes an event: facts, kills, the kernel's log, pressure.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/loop_test.h"

#include "agent/api.h"
#include "agent/event_watch.h"

static struct loop loop;
static struct http_server server;
static struct events events;
static struct facts facts;
static struct event_watch watch;
static struct api api;

static int set_up(void **state)
{
	(void)state;
	memset(&facts, 0, sizeof(facts));
	memset(&events, 0, sizeof(events));
	assert_int_equal(loop_init(&loop), 0);
	http_server_init(&server, &loop, api_handle_request, &api);
	events_init(&events, &loop, &server);
	event_watch_init(&watch, &events, &facts);
	api = (struct api){.facts = &facts, .events = &events};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	event_watch_stop(&watch);
	events_stop(&events);
	http_server_close(&server);
	assert_int_equal(server.count, 0);
	assert_int_equal(events.followers, 0);
	while (loop.timers)
		assert_int_equal(loop_once(&loop), 0);
	loop_fini(&loop);
	return 0;
}

/* ---- over HTTP ------------------------------------------------------------------------------------ */

struct peer {
	int fd;
	bool closed;
	size_t len;
	char text[2 * 1024 * 1024];
};

static struct peer peer, other;

static void ask(struct peer *who, const char *request)
{
	int pair[2];

	loop_test_pair(pair);
	http_server_accept(&server, pair[1]);
	memset(who, 0, sizeof(*who));
	who->fd = pair[0];
	assert_int_equal(send(who->fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
}

static bool has(struct peer *who, const char *text)
{
	ssize_t n;

	while ((n = recv(who->fd, who->text + who->len, sizeof(who->text) - 1 - who->len,
			MSG_DONTWAIT)) > 0)
		who->len += (size_t)n;
	who->closed |= n == 0;
	who->text[who->len] = '\0';
	return text ? strstr(who->text, text) != NULL : who->closed;
}

static unsigned int count(const struct peer *who, const char *word)
{
	unsigned int n = 0;

	for (const char *p = who->text; (p = strstr(p, word)); p++)
		n++;
	return n;
}

static void add(const char *json)
{
	events_add(&events, EVENT_SERVICE, json, strlen(json));
}

static void test_followed(void **state)
{
	(void)state;
	add("{\"n\":1}");
	ask(&peer, "GET /v1/events HTTP/1.1\r\nHost: k\r\n\r\n");
	LOOP_UNTIL(&loop,
		has(&peer, "\n\nretry: 1000\nid: ") || has(&peer, "\r\nretry: 1000\nid: "));
	assert_non_null(strstr(peer.text, "Content-Type: text/event-stream\r\n"));
	assert_int_equal(events.followers, 1);
	add("{\"n\":2}");
	add("{\"n\":3}");
	LOOP_UNTIL(&loop, has(&peer, "\"n\":3}\n\n"));
	assert_int_equal(count(&peer, "\"n\":2}\n\n"), 1);
	assert_int_equal(count(&peer, "\"n\":1}"), 0);
	close_p(&peer.fd);
	LOOP_UNTIL(&loop, server.count == 0);
	assert_int_equal(events.followers, 0);
	assert_true(events.keep_alive.at_us == 0 && events.wake.at_us == 0);
	/* Nobody follows: nobody is woken. */
	add("{\"n\":4}");
	assert_true(events.wake.at_us == 0);
}

static void test_replayed(void **state)
{
	char request[160], id[EVENT_ID_MAX];

	(void)state;
	for (int i = 0; i < 5; i++)
		add("{\"n\":1}");
	event_id_write(id, events.ring.life, 2);
	(void)snprintf(request, sizeof(request),
		"GET /v1/events?follow=0 HTTP/1.1\r\nHost: k\r\nlast-EVENT-id:  %s \r\n\r\n", id);
	ask(&peer, request);
	LOOP_UNTIL(&loop, has(&peer, NULL));
	assert_int_equal(count(&peer, "event: service\n"), 3);
	assert_int_equal(count(&peer, "event: "), 3);
	close_p(&peer.fd);
	ask(&peer, "GET /v1/events?follow=0 HTTP/1.1\r\nHost: k\r\nLast-Event-ID: x\r\n\r\n");
	LOOP_UNTIL(&loop, has(&peer, NULL));
	assert_int_equal(count(&peer, "event: reset\n"), 1);
	assert_int_equal(count(&peer, "event: service\n"), 5);
	close_p(&peer.fd);
	ask(&peer, "GET /v1/events?kinds=x HTTP/1.1\r\nHost: k\r\n\r\n");
	LOOP_UNTIL(&loop, has(&peer, "\"code\":\"bad_query\""));
	close_p(&peer.fd);
	ask(&peer, "HEAD /v1/events HTTP/1.1\r\nHost: k\r\n\r\n");
	LOOP_UNTIL(&loop, has(&peer, NULL));
	assert_string_equal(peer.text + peer.len - 4, "\r\n\r\n");
	close_p(&peer.fd);
	LOOP_UNTIL(&loop, server.count == 0);
}

/* A sign of life, as if its time had come. */
static void test_beats(void **state)
{
	(void)state;
	ask(&peer, "GET /v1/events HTTP/1.1\r\nHost: k\r\n\r\n");
	LOOP_UNTIL(&loop, events.followers == 1 && has(&peer, "retry: "));
	assert_true(events.keep_alive.at_us > clock_now_us() + 10 * USEC_PER_SEC);
	loop_timer_set(&loop, &events.keep_alive, clock_now_us(), events.keep_alive.fn, &events);
	LOOP_UNTIL(&loop, has(&peer, "\n:\nid: "));
	assert_true(events.keep_alive.at_us > clock_now_us() + 10 * USEC_PER_SEC);
	close_p(&peer.fd);
	LOOP_UNTIL(&loop, server.count == 0);
}

/* It does not read: nobody waits for it, it takes no more memory, and is told how many it missed. */
static void test_stalled(void **state)
{
	char text[600];
	unsigned int sent = 0;
	const char *lost;

	(void)state;
	(void)snprintf(text, sizeof(text), "{\"fill\":\"%0500d\"}", 0);
	ask(&peer, "GET /v1/events HTTP/1.1\r\nHost: k\r\n\r\n");
	ask(&other, "GET /v1/events HTTP/1.1\r\nHost: k\r\n\r\n");
	LOOP_UNTIL(&loop, events.followers == 2);
	for (; sent < 4000; sent++) {
		add(text);
		LOOP_UNTIL(&loop, events.wake.at_us == 0);
		(void)has(&other, "");
		if (other.len > sizeof(other.text) / 2)
			other.len = 0;
	}
	add("{\"last\":1}");
	LOOP_UNTIL(&loop, has(&other, "\"last\":1}\n\n"));
	assert_int_equal(count(&other, "event: lost\n"), 0);
	LOOP_UNTIL(&loop, has(&peer, "\"last\":1}\n\n"));
	assert_int_equal(count(&peer, "event: lost\n"), 1);
	lost = strstr(peer.text, "\"count\":");
	assert_non_null(lost);
	/* Told, or counted: nothing is missing. */
	assert_int_equal(count(&peer, "event: service\n") + strtoul(lost + 8, NULL, 10), sent + 1);
	close_p(&peer.fd);
	close_p(&other.fd);
	LOOP_UNTIL(&loop, server.count == 0);
}

/* ---- what becomes an event ------------------------------------------------------------------------ */

/* The events since the last call, "KIND TEXT" a line, without times. */
static const char *told(void)
{
	static char text[64 * 1024];
	static uint64_t life, next;
	size_t len = 0;

	if (life != events.ring.life) {
		life = events.ring.life;
		next = 1;
	}
	text[0] = '\0';
	for (; next < events.ring.next; next++) {
		const struct event *event = event_ring_get(&events.ring, next);
		const char *own = strstr(event->json, "\"realtime_ms\":");

		assert_true(event->len > 0);
		assert_non_null(own);
		own += strcspn(own, ",}");
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s %s\n",
			event_kind_name(event->kind), own);
		assert_true(len < sizeof(text));
	}
	return text;
}

static const char *update(void)
{
	event_watch_update(&watch);
	return told();
}

/* What every guest begins with, so that the tests can go on from there. */
static void begin(void)
{
	facts.link = FACTS_LINK_UP;
	facts.boot_known = true;
	facts.disk.state = DISK_STATE_NONE;
	(void)update();
	assert_string_equal(update(), "");
}

static void test_health(void **state)
{
	(void)state;
	assert_non_null(strstr(update(),
		"status ,\"status\":\"starting\",\"ready\":false,\"reason\":\"waiting for the first "
		"word of PID 1\"}\n"));
	assert_string_equal(update(), "");
	facts.agent_stopping = true;
	assert_string_equal(update(),
		"status ,\"status\":\"stopping\",\"was\":\"starting\",\"ready\":false,"
		"\"reason\":\"the agent is being stopped\"}\n");
}

/* What differs in a number only is told once. */
static void test_numbers_in_a_reason(void **state)
{
	static const struct {
		const char *reason;
		bool told;
	} steps[] = {{"12 MiB of a1 are free", true}, {"9 MiB of a1 are free", false},
		{"7 MiB of a1 are", true}, {"6 MiB of a1 are free", true},
		{"6 MiB of a2 are free", true}, {"no MiB of a2 are free", true},
		{"no MiB of a2 are free 1", true}, {"no MiB of a2 are free 20", false}};

	(void)state;
	begin();
	facts.boot.state = BOOT_STATE_STOPPING;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		(void)strcpy(facts.boot.reason, steps[i].reason);
		assert_int_equal(strstr(update(), steps[i].reason) != NULL, steps[i].told);
		assert_string_equal(update(), "");
	}
}

static void set_service(enum service_state state, uint32_t restarts, uint64_t exit_us)
{
	facts.services[2] = (struct control_service){.name = "a.service",
		.state = (uint8_t)state,
		.wanted = 1,
		.pid = 7,
		.restarts = restarts,
		.exit_us = exit_us,
		.exit_status = exit_us > 0 ? (exit_us > 100 ? 9 : 3 << 8) : -1,
		.since_us = 2500000};
}

static bool has_line(const char *text, const char *begin, const char *part)
{
	const char *line = strstr(text, begin);
	const char *end = line ? strchr(line, '\n') : NULL,
		   *found = line ? strstr(line, part) : NULL;

	return found && found < end;
}

static void test_services(void **state)
{
	(void)state;
	begin();
	/* One that is down when an agent begins is no news. */
	set_service(SERVICE_STATE_INACTIVE, 0, 0);
	assert_null(strstr(update(), "service ,"));
	set_service(SERVICE_STATE_STARTING, 0, 0);
	assert_non_null(strstr(update(),
		"service ,\"name\":\"a.service\",\"state\":\"starting\",\"was\":\"inactive\","
		"\"wanted\":true,\"pid\":7,\"restarts\":0,\"since_ms\":2500.0,\"reason\":\"\"}\n"));
	set_service(SERVICE_STATE_ACTIVE, 0, 0);
	assert_true(has_line(update(), "service ,", "\"state\":\"active\",\"was\":\"starting\""));
	assert_null(strstr(update(), "service ,"));
	/* It died and came back between two looks. */
	set_service(SERVICE_STATE_ACTIVE, 1, 50);
	assert_true(has_line(update(), "service ,",
		"\"restarts\":1,\"since_ms\":2500.0,\"exit_ms\":0.05,\"exit_code\":3,"));
	set_service(SERVICE_STATE_ACTIVE, 1, 150);
	assert_true(has_line(update(), "service ,", "\"exit_ms\":0.15,\"exit_signal\":9,"));
	facts.services[2].wanted = 0;
	assert_true(has_line(update(), "service ,", "\"wanted\":false"));
	/* The longest texts, all to be escaped. */
	memset(facts.services[2].reason, '"', sizeof(facts.services[2].reason) - 1);
	facts.services[2].state = SERVICE_STATE_FAILED;
	assert_true(has_line(update(), "service ,", "\\\"\\\"\"}"));
	/* Another unit in its place. */
	set_service(SERVICE_STATE_ACTIVE, 0, 0);
	facts.services[2].name[0] = 'b';
	assert_true(has_line(update(), "service ,",
		"\"name\":\"b.service\",\"state\":\"active\",\"wanted\""));
}

static void test_stages(void **state)
{
	(void)state;
	begin();
	facts.stages[1] = (struct control_stage){.name = "net", .state = STAGE_STATE_PENDING};
	assert_string_equal(update(), "");
	facts.stages[1].state = STAGE_STATE_RUNNING;
	facts.stages[1].start_us = 1000;
	assert_string_equal(update(),
		"stage ,\"name\":\"net\",\"state\":\"running\",\"start_ms\":1.0,\"reason\":\"\"}\n");
	facts.stages[1].state = STAGE_STATE_DONE;
	facts.stages[1].end_us = 3500;
	assert_string_equal(update(),
		"stage ,\"name\":\"net\",\"state\":\"done\",\"start_ms\":1.0,\"ms\":2.5,\"reason\":\"\"}\n");
}

static void test_engine(void **state)
{
	struct facts_daemon *dockerd = &facts.engine.daemons[ENGINE_DOCKERD];

	(void)state;
	begin();
	*dockerd = (struct facts_daemon){.known = true, .state = DAEMON_STATE_DOWN};
	assert_null(strstr(update(), "engine ,"));
	dockerd->state = DAEMON_STATE_STARTING;
	assert_true(has_line(update(), "engine ,",
		"\"name\":\"dockerd\",\"state\":\"starting\",\"restarts\":0,\"reason\":\"\"}"));
	dockerd->state = DAEMON_STATE_READY;
	assert_true(has_line(update(), "engine ,", "\"was\":\"starting\""));
	dockerd->restarts = 1;
	(void)strcpy(dockerd->restart_reason, "it was hung");
	assert_true(has_line(update(), "engine ,", "\"restarts\":1,\"reason\":\"it was hung\"}"));
	assert_null(strstr(update(), "engine ,"));
}

static void test_disk(void **state)
{
	struct disk_seen *seen = &facts.disk_seen;

	(void)state;
	begin();
	facts.disk.state = DISK_STATE_CHECKING;
	(void)strcpy(facts.disk.device, "/dev/sda");
	assert_true(has_line(update(), "disk ,",
		"\"what\":\"state\",\"device\":\"/dev/sda\",\"value\":\"checking\",\"was\":\"none\""));
	facts.disk.state = DISK_STATE_MOUNTED;
	*seen = (struct disk_seen){.watched = true,
		.size_bytes = 1000,
		.space_known = true,
		.space = {.free = 77},
		.forecast = {.word = SPACE_OK}};
	assert_true(has_line(update(), "disk ,", "\"value\":\"mounted\""));
	seen->forecast =
		(struct space_verdict){.word = SPACE_LOW, .full_known = true, .full_in_s = 60};
	assert_true(has_line(update(), "disk ,",
		"\"what\":\"forecast\",\"device\":\"/dev/sda\",\"free_bytes\":77,\"value\":\"low\","
		"\"was\":\"ok\",\"full_in_s\":60"));
	seen->size_bytes = 2000;
	assert_true(has_line(update(), "disk ,",
		"\"what\":\"size\",\"device\":\"/dev/sda\",\"free_bytes\":77,\"value\":2000,\"was\":1000}"));
	/* Not known for a moment is no change. */
	seen->space_known = false;
	assert_null(strstr(update(), "\"what\":\"forecast\""));
	(void)strcpy(seen->job.verb, "trim");
	assert_true(has_line(update(), "disk ,",
		"\"what\":\"job\",\"device\":\"/dev/sda\",\"value\":\"trim\",\"was\":\"\""));
	seen->job.verb[0] = '\0';
	assert_true(has_line(update(), "disk ,", "\"value\":\"\",\"was\":\"trim\""));
}

/* A device that fails has thousands: 1, 2, 4, 8... are told. */
static void test_disk_errors(void **state)
{
	unsigned int lines = 0;

	(void)state;
	begin();
	facts.disk.state = DISK_STATE_MOUNTED;
	facts.disk_seen.watched = true;
	(void)update();
	for (unsigned int i = 1; i <= 1000; i++) {
		const char *text;

		facts.disk_seen.errors.io_count = i;
		text = update();
		lines += strstr(text, "\"what\":\"errors\"") != NULL;
		if (i == 1)
			assert_true(has_line(text, "disk ,", "\"what\":\"situation\""));
	}
	assert_int_equal(lines, 10);
	/* Mounted anew. */
	facts.disk_seen.errors.io_count = 0;
	assert_null(strstr(update(), "\"what\":\"errors\""));
	facts.disk_seen.errors.io_count = 1;
	assert_non_null(strstr(update(),
		"\"what\":\"errors\",\"device\":\"\",\"value\":1,\"was\":0}"));
	/* Another mount, without a look in between that found none. */
	facts.disk_seen.errors.io_count = 100;
	(void)update();
	facts.disk_seen.errors.io_count = 1;
	assert_true(has_line(update(), "disk ,",
		"\"what\":\"errors\",\"device\":\"\",\"value\":1,\"was\":100}"));
}

static void test_memory(void **state)
{
	struct memory_seen *seen = &facts.memory_seen;

	(void)state;
	begin();
	*seen = (struct memory_seen){.known = true, .mode = MEMORY_MODE_GRADUAL};
	assert_string_equal(update(), "memory ,\"what\":\"mode\",\"value\":\"gradual\"}\n");
	seen->mode = MEMORY_MODE_OFF;
	assert_string_equal(update(),
		"memory ,\"what\":\"mode\",\"value\":\"off\",\"was\":\"gradual\"}\n");
	seen->target = 5;
	assert_string_equal(update(), "memory ,\"what\":\"target\",\"value\":5}\n");
	seen->target = 0;
	assert_string_equal(update(), "memory ,\"what\":\"target\",\"value\":null}\n");
	/* An episode is told when it is over. */
	seen->working = true;
	seen->reclaimed = 100;
	assert_string_equal(update(), "");
	seen->reclaimed = 300;
	seen->working = false;
	(void)strcpy(seen->waiting, "nothing cold is left");
	assert_string_equal(update(),
		"memory ,\"what\":\"reclaimed\",\"value\":300,\"reason\":\"nothing cold is left\"}\n");
	assert_string_equal(update(), "");
}

/* ---- killed for want of memory --------------------------------------------------------------------- */

static void kill_one(int pid, const char *container, const char *id)
{
	struct memory_seen *seen = &facts.memory_seen;

	if (seen->oom_kept < MEMORY_OOM_KILLS)
		seen->oom_kept++;
	memmove(&seen->oom_kill[1], &seen->oom_kill[0],
		(MEMORY_OOM_KILLS - 1) * sizeof(seen->oom_kill[0]));
	seen->oom_kill[0] = (struct memory_oom_kill){.at_us = 5000, .pid = pid};
	(void)snprintf(seen->oom_kill[0].container, sizeof(seen->oom_kill[0].container), "%s",
		container);
	(void)snprintf(seen->oom_kill[0].container_id, sizeof(seen->oom_kill[0].container_id), "%s",
		id);
	seen->oom_kills++;
}

static void test_kills(void **state)
{
	(void)state;
	begin();
	kill_one(7, "web", "4711");
	assert_true(has_line(update(), "oom ,",
		"\"killed_ms\":5.0,\"process\":\"\",\"pid\":7,\"global\":false,\"group\":\"\","
		"\"container\":\"web\",\"container_id\":\"4711\"}"));
	kill_one(8, "", "");
	assert_true(has_line(update(), "oom ,", "\"pid\":8"));
	assert_null(strstr(update(), "oom ,"));
}

/* dockerd is given a moment for the name. */
static void test_kill_named_in_time(void **state)
{
	(void)state;
	begin();
	kill_one(7, "", "4711");
	assert_null(strstr(update(), "oom ,"));
	assert_true(watch.oom.timer.at_us > 0);
	(void)strcpy(facts.memory_seen.oom_kill[0].container, "web");
	assert_true(has_line(update(), "oom ,", "\"container\":\"web\""));
	assert_true(watch.oom.timer.at_us == 0);
	assert_null(strstr(update(), "oom ,"));
}

static void test_kill_named_late(void **state)
{
	const char *text;

	(void)state;
	begin();
	kill_one(7, "", "4711");
	kill_one(8, "", "4712");
	assert_null(strstr(update(), "oom ,"));
	LOOP_UNTIL(&loop, watch.oom.told == 2);
	text = told();
	assert_true(has_line(text, "oom ,", "\"pid\":7") && strstr(text, "\"pid\":8"));
	/* The next one is waited for again. */
	kill_one(9, "", "4713");
	assert_null(strstr(update(), "oom ,"));
	(void)strcpy(facts.memory_seen.oom_kill[1].container, "db");
	text = update();
	assert_true(has_line(text, "oom ,", "\"pid\":8"));
	assert_true(has_line(text, "oom ,", "\"container\":\"db\""));
	assert_null(strstr(text, "\"pid\":9"));
	LOOP_UNTIL(&loop, watch.oom.told == 3);
	assert_true(has_line(told(), "oom ,", "\"pid\":9"));
	/* Names that never come do not keep anything from anybody. */
	for (int pid = 10; pid < 10 + 2 * MEMORY_OOM_KILLS; pid++)
		kill_one(pid, "x", "y");
	text = update();
	assert_null(strstr(text, "\"pid\":17"));
	assert_true(has_line(text, "oom ,", "\"pid\":18") &&
		    has_line(text, "oom ,", "\"left_out\":8}"));
	assert_non_null(strstr(text, "\"pid\":25"));
}

/* A container that is killed as often as it is started. */
static void test_kills_in_a_loop(void **state)
{
	unsigned int lines = 0;
	char text[64];

	(void)state;
	begin();
	for (int pid = 1; pid <= 1000; pid++) {
		kill_one(pid, "web", "4711");
		for (const char *at = update(); (at = strstr(at, "oom ,")) != NULL; at++)
			lines++;
	}
	assert_int_equal(lines, EVENT_FLOOD_BURST);
	assert_true(watch.oom.refill.at_us == watch.oom.flood.refilled_us + EVENT_FLOOD_REFILL_US);
	/* Silence: what was left out is told as soon as it may be. */
	watch.oom.flood.refilled_us -= EVENT_FLOOD_REFILL_US;
	loop_timer_set(&loop, &watch.oom.refill, clock_now_us(), watch.oom.refill.fn, &watch.oom);
	LOOP_UNTIL(&loop, watch.oom.flood.left_out == 0);
	(void)snprintf(text, sizeof(text), "oom ,\"left_out\":%d}\n", 1000 - EVENT_FLOOD_BURST);
	assert_string_equal(told(), text);
	/* Or with the next kill. */
	kill_one(1001, "web", "4711");
	assert_null(strstr(update(), "oom ,"));
	kill_one(1002, "web", "4711");
	watch.oom.flood.refilled_us -= EVENT_FLOOD_REFILL_US;
	assert_true(has_line(update(), "oom ,", "\"container_id\":\"4711\",\"left_out\":1}"));
	/* A name that comes while nothing may be told is told later. */
	watch.oom.flood.refilled_us -= EVENT_FLOOD_REFILL_US;
	kill_one(1003, "", "4712");
	assert_null(strstr(update(), "oom ,"));
	LOOP_UNTIL(&loop, watch.oom.told == 1003);
	(void)told();
	(void)strcpy(facts.memory_seen.oom_kill[0].container, "db");
	loop_timer_cancel(&loop, &watch.oom.refill);
	assert_null(strstr(update(), "oom ,"));
	assert_int_equal(watch.oom.flood.left_out, 0);
	/* By itself: there need be no other news. */
	assert_true(watch.oom.refill.at_us == event_flood_next_us(&watch.oom.flood));
	watch.oom.flood.refilled_us -= EVENT_FLOOD_REFILL_US;
	loop_timer_set(&loop, &watch.oom.refill, clock_now_us(), watch.oom.refill.fn, &watch.oom);
	LOOP_UNTIL(&loop, watch.oom.refill.at_us == 0);
	assert_true(has_line(told(), "oom ,", "\"container\":\"db\""));
}

/* ---- the kernel's log ------------------------------------------------------------------------------ */

static void say(const char *record, uint64_t now_us)
{
	event_kernel_take(&watch.kernel, record, record ? strlen(record) : 0, now_us);
}

static void test_kernel(void **state)
{
	uint64_t now_us = watch.kernel.flood.refilled_us;

	(void)state;
	say("3,10,1500,-;sd 0:0:0:0: \"it\" failed\n SUBSYSTEM=scsi\n", now_us);
	assert_string_equal(told(),
		"kernel ,\"level\":\"err\",\"log_ms\":1.5,\"text\":\"sd 0:0:0:0: \\\"it\\\" failed\"}\n");
	say("0,11,1500,-;dead\n", now_us);
	assert_true(has_line(told(), "kernel ,", "\"level\":\"emerg\""));
	assert_string_equal(kernel_error_level_name(KERNEL_ERROR_LEVEL + 1), "");
	/* Not the kernel's, not bad enough, no record. */
	say("11,12,1500,-;a program's error\n", now_us);
	say("4,13,1500,-;a warning\n", now_us);
	say("nonsense", now_us);
	say("3,14", now_us);
	say(NULL, now_us);
	assert_string_equal(told(), "");
	/* Somebody else's bytes. */
	say("3,14,1500,-;\x1b[31m\xff\n", now_us);
	assert_true(has_line(told(), "kernel ,", "\"text\":\"?[31m?\"}"));
}

static void test_kernel_lost_records(void **state)
{
	uint64_t now_us = watch.kernel.flood.refilled_us;

	(void)state;
	say("6,10,1,-;a\n", now_us);
	say("6,15,1,-;b\n", now_us);
	say(NULL, now_us);
	assert_string_equal(told(), "kernel ,\"overwritten\":4}\n");
	say("3,17,1,-;c\n", now_us);
	assert_true(has_line(told(), "kernel ,", "\"text\":\"c\",\"overwritten\":1}"));
	say(NULL, now_us);
	assert_string_equal(told(), "");
}

static void test_kernel_flood(void **state)
{
	uint64_t now_us = watch.kernel.flood.refilled_us;
	char record[64];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(record, sizeof(record), "3,%d,1,-;again\n", i);
		say(record, now_us);
	}
	say(NULL, now_us);
	assert_int_equal(events.ring.next - 1, EVENT_FLOOD_BURST);
	(void)told();
	assert_true(watch.kernel.timer.at_us == now_us + EVENT_FLOOD_REFILL_US);
	/* Silence: what was left out is told as soon as it may be. */
	now_us += EVENT_FLOOD_REFILL_US;
	say(NULL, now_us);
	assert_string_equal(told(), "kernel ,\"left_out\":984}\n");
	say("3,1000,1,-;again\n", now_us);
	assert_string_equal(told(), "");
	/* Or with the next message. */
	now_us += EVENT_FLOOD_REFILL_US;
	say("3,1001,1,-;and again\n", now_us);
	assert_true(has_line(told(), "kernel ,", "\"text\":\"and again\",\"left_out\":1}"));
	/* After a long silence the burst is what it was, not more. */
	now_us += 1000 * EVENT_FLOOD_REFILL_US;
	say("3,1002,1,-;later\n", now_us);
	assert_int_equal(watch.kernel.flood.tokens, EVENT_FLOOD_BURST - 1);
	now_us += EVENT_FLOOD_REFILL_US;
	say("3,1003,1,-;later\n", now_us);
	assert_int_equal(watch.kernel.flood.tokens, EVENT_FLOOD_BURST - 1);
}

/* ---- pressure -------------------------------------------------------------------------------------- */

static void test_pressure(void **state)
{
	(void)state;
	event_pressure_take(&watch.pressure, 5 * USEC_PER_SEC);
	assert_string_equal(told(),
		"memory ,\"what\":\"pressure\",\"value\":\"high\",\"was\":\"none\"}\n");
	event_pressure_take(&watch.pressure, 7 * USEC_PER_SEC);
	assert_string_equal(told(), "");
	assert_true(watch.pressure.calm.at_us == 7 * USEC_PER_SEC + EVENT_PRESSURE_CALM_US);
	/* That time is long over. */
	LOOP_UNTIL(&loop, watch.pressure.since_us == 0);
	assert_true(has_line(told(), "memory ,", "\"value\":\"none\",\"was\":\"high\",\"ms\":"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_followed, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_replayed, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_beats, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_stalled, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_health, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_numbers_in_a_reason, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_services, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_stages, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_engine, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_disk, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_disk_errors, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_memory, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_kills, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_kill_named_in_time, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_kill_named_late, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_kills_in_a_loop, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_kernel, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_kernel_lost_records, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_kernel_flood, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_pressure, set_up, tear_down),
};

UNIT_TEST_MAIN(tests)
