/* SPDX-License-Identifier: MIT
 *
 * test_document.c - what is written is read back by a JSON parser; the largest document fits.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "tests/unit/unit_test.h"

#include "agent/common/component.h"
#include "agent/common/document.h"
#include "agent/common/trim_policy.h"
#include "agent/report.h"

static struct facts facts;
static struct system_facts machine;
static struct health health;

static void fill_text(char *text, size_t size)
{
	/* The worst that passes text_sanitize: every byte needs an escape. */
	memset(text, '"', size - 1);
	text[size - 1] = '\0';
}

static void set_largest_seen(struct disk_seen *seen)
{
	seen->watched = seen->space_known = true;
	seen->space = (struct space_sample){
		UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
	seen->forecast = (struct space_verdict){
		.word = SPACE_CRITICAL, .full_known = true, .full_in_s = UINT64_MAX};
	fill_text(seen->errors.first_function, sizeof(seen->errors.first_function));
	fill_text(seen->errors.last_function, sizeof(seen->errors.last_function));
	seen->trims.waiting = trim_verdict_reason(TRIM_FREEING);
	fill_text(seen->job.verb, sizeof(seen->job.verb));
	fill_text(seen->job.step, sizeof(seen->job.step));
	seen->job.percent = 99.999;
}

static void set_largest_memory(struct memory_seen *seen)
{
	memset(seen, 0xff, sizeof(*seen)); /* the largest numbers */
	seen->known = seen->working = true;
	seen->abilities = (struct memory_abilities){0}; /* false is the longer word */
	seen->mode = MEMORY_MODE_DROPCACHE;
	seen->reporting_order = seen->pressure_percent = INT_MIN + 1;
	seen->groups = MEMORY_GROUPS_MAX;
	for (int i = 0; i < MEMORY_GROUPS_MAX; i++)
		fill_text(seen->group[i].name, sizeof(seen->group[i].name));
	fill_text(seen->last, sizeof(seen->last));
	fill_text(seen->waiting, sizeof(seen->waiting));
	seen->history = MEMORY_HISTORY_MAX;
	seen->oom_kept = MEMORY_OOM_KILLS;
	for (int i = 0; i < MEMORY_OOM_KILLS; i++) {
		struct memory_oom_kill *kill = &seen->oom_kill[i];

		kill->pid = INT_MIN;
		kill->global = false;
		fill_text(kill->process, sizeof(kill->process));
		fill_text(kill->group, sizeof(kill->group));
		fill_text(kill->container, sizeof(kill->container));
		fill_text(kill->container_id, sizeof(kill->container_id));
	}
}

static void set_largest_clock(struct clock_seen *seen)
{
	*seen = (struct clock_seen){.known = true,
		.discipline = CLOCK_DISCIPLINE_OTHER,
		.kernel = {.known = true,
			.max_error_us = UINT64_MAX,
			.est_error_us = UINT64_MAX,
			.frequency = LONG_MIN},
		.offset_source = CLOCK_SOURCE_HOST,
		.offset_us = INT64_MIN,
		.uncertainty_us = UINT64_MAX,
		.offset_at_us = UINT64_MAX,
		.last = {.action = CLOCK_ACTION_REFUSED,
			.reason = CLOCK_REASON_RIGHTS,
			.source = CLOCK_SOURCE_HOST,
			.offset_us = INT64_MIN,
			.at_us = UINT64_MAX},
		.steps = UINT_MAX,
		.sleeps = {UINT_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, false},
		.jumps = {UINT_MAX, INT64_MIN, UINT64_MAX}};
	seen->judged = seen->last;
	fill_text(seen->source_name, sizeof(seen->source_name));
}

static void set_largest_engine(struct facts_engine *engine)
{
	engine->state = ENGINE_STATE_UNREACHABLE;
	fill_text(engine->reason, sizeof(engine->reason));
	fill_text(engine->version, sizeof(engine->version));
	fill_text(engine->api_version, sizeof(engine->api_version));
	for (int i = 0; i < ENGINE_DAEMONS; i++) {
		struct facts_daemon *daemon = &engine->daemons[i];

		daemon->known = daemon->restarting = true;
		daemon->restarts = UINT_MAX;
		daemon->restarted_us = UINT64_MAX;
		fill_text(daemon->reason, sizeof(daemon->reason));
		fill_text(daemon->restart_reason, sizeof(daemon->restart_reason));
	}
}

static void set_largest_network(struct network_facts *network)
{
	network->resolvers.count = ARRAY_SIZE(network->resolvers.servers);
	for (size_t i = 0; i < ARRAY_SIZE(network->resolvers.servers); i++)
		fill_text(network->resolvers.servers[i].text,
			sizeof(network->resolvers.servers[i].text));
	fill_text(network->overlap, sizeof(network->overlap));
	for (size_t i = 0; i < PROXY_KINDS; i++)
		fill_text(network->proxies.value[i], PROXY_SETTINGS_VALUE);
}

static void set_largest(void)
{
	memset(&facts, 0, sizeof(facts));
	memset(&machine, 0, sizeof(machine));
	fill_text(facts.boot.reason, sizeof(facts.boot.reason));
	for (int i = 0; i < CONTROL_STAGES_MAX; i++) {
		fill_text(facts.stages[i].name, sizeof(facts.stages[i].name));
		fill_text(facts.stages[i].reason, sizeof(facts.stages[i].reason));
		facts.stages[i].start_us = facts.stages[i].end_us = UINT64_MAX;
	}
	for (int i = 0; i < CONTROL_SERVICES_MAX; i++) {
		struct control_service *service = &facts.services[i];

		fill_text(service->name, sizeof(service->name));
		fill_text(service->reason, sizeof(service->reason));
		fill_text(service->status, sizeof(service->status));
		service->exec_us = service->ready_us = service->since_us = UINT64_MAX / 3;
		service->pid = INT32_MIN;
		service->restarts = UINT32_MAX;
	}
	for (int i = 0; i < FACTS_LOGS_MAX; i++) {
		fill_text(facts.logs[i].text, sizeof(facts.logs[i].text));
		facts.logs[i].lines = FACTS_LOG_LINES;
		facts.logs[i].len = FACTS_LOG_MAX;
		for (size_t line = 1; line < FACTS_LOG_LINES; line++)
			facts.logs[i].text[line * 100] = '\0';
	}
	fill_text(facts.disk.device, sizeof(facts.disk.device));
	fill_text(facts.disk.uuid, sizeof(facts.disk.uuid));
	fill_text(facts.disk.label, sizeof(facts.disk.label));
	fill_text(facts.disk.mountpoint, sizeof(facts.disk.mountpoint));
	fill_text(facts.disk.reason, sizeof(facts.disk.reason));
	facts.disk.size_bytes = facts.disk.made_s = UINT64_MAX;
	fill_text(facts.disk.made_by, sizeof(facts.disk.made_by));
	set_largest_seen(&facts.disk_seen);
	set_largest_memory(&facts.memory_seen);
	set_largest_clock(&facts.clock);
	set_largest_engine(&facts.engine);
	set_largest_network(&machine.network);
	facts.docker.state = DOCKER_API_CLOSED;
	facts.docker.error = -EADDRINUSE;
	fill_text(facts.docker.address, sizeof(facts.docker.address));
	fill_text(health.reason, sizeof(health.reason));
	/* Every component has something to say. */
	facts.link = FACTS_LINK_UP;
	facts.boot_known = true;
	facts.disk.state = DISK_STATE_REFUSED;
	for (int i = 0; i < COMPONENTS; i++)
		facts.since[i] =
			(struct component_since){.boot_us = UINT64_MAX, .realtime_ms = UINT64_MAX};
	for (int i = 0; i < CONTROL_SERVICES_MAX; i++) {
		facts.services[i].state = SERVICE_STATE_FAILED;
		facts.services[i].essential = 1;
	}
}

static yyjson_doc *read_back(const char *text, size_t len)
{
	yyjson_doc *doc;

	assert_non_null(text);
	assert_int_equal(strlen(text), len);
	assert_null(memchr(text, '\n', len));
	doc = yyjson_read(text, len, YYJSON_READ_NOFLAG);
	assert_non_null(doc);
	return doc;
}

static const char *string_at(yyjson_val *object, const char *key)
{
	const char *text = yyjson_get_str(yyjson_obj_get(object, key));

	assert_non_null(text);
	return text;
}

static void set_example(void)
{
	memset(&facts, 0, sizeof(facts));
	memset(&machine, 0, sizeof(machine));
	memset(&health, 0, sizeof(health));
	facts.link = FACTS_LINK_UP;
	facts.boot.mode = BOOT_MODE_WSL;
	facts.boot.start_us = 1500;
	strcpy(facts.stages[2].name, "disk");
	facts.stages[2].state = STAGE_STATE_DONE;
	facts.stages[2].start_us = 10000;
	facts.stages[2].end_us = 12345;
	strcpy(facts.stages[3].name, "net");
	facts.stages[3].state = STAGE_STATE_RUNNING;
	facts.stages[3].start_us = 2000000;
	strcpy(facts.services[5].name, "docker.service");
	facts.services[5].essential = 1;
	facts.services[5].state = SERVICE_STATE_BACKOFF;
	facts.services[5].restarts = 3;
	facts.services[5].since_us = 1234567;
	strcpy(facts.services[5].reason, "killed by \"signal\" 9 \\ \xe2\x82\xac");
	facts.logs[5].lines = 2;
	memcpy(facts.logs[5].text, "one\0\"two\"", 10);
	facts.logs[5].len = 10;
	facts.disk.state = DISK_STATE_MOUNTED;
	strcpy(facts.disk.device, "/dev/sdb");
	facts.disk.size_bytes = 8589934592ULL;
	facts.engine.state = ENGINE_STATE_READY;
	strcpy(facts.engine.api_version, "1.45");
	facts.docker = (struct docker_facts){.state = DOCKER_API_CLOSED, .error = -EADDRINUSE};
	strcpy(facts.docker.address, "vsock:701");
	health.status = HEALTH_STATUS_DEGRADED;
	health.ready = true;
	strcpy(health.reason, "because");
	machine.uptime_us = 3000500;
	machine.memory.total = 2048;
	machine.memory.swap_total = 1024;
	machine.cpus = 4;
	machine.cpus_usable = 2;
	machine.cpus_present = 8;
	resolv_conf_parse("nameserver 127.0.0.53\nnameserver ::1\n", &machine.network.resolvers);
	machine.network.dns = NETWORK_DNS_FORWARDED;
	strcpy(machine.network.proxies.value[PROXY_HTTPS], "http://***@h");
	strcpy(machine.boot_id, "7c2d");
	strcpy(machine.release, "6.12");
}

static void check_machine(yyjson_val *root)
{
	yyjson_val *part = yyjson_obj_get(root, "machine"),
		   *network = yyjson_obj_get(root, "network");
	yyjson_val *resolvers = yyjson_obj_get(network, "resolvers");

	assert_int_equal(yyjson_get_int(yyjson_obj_get(part, "cpus_online")), 4);
	assert_int_equal(yyjson_get_int(yyjson_obj_get(part, "cpus_usable")), 2);
	assert_int_equal(yyjson_get_int(yyjson_obj_get(part, "cpus_present")), 8);
	assert_int_equal(yyjson_get_int(yyjson_obj_get(part, "memory_bytes")), 2048);
	assert_int_equal(yyjson_get_int(yyjson_obj_get(part, "swap_bytes")), 1024);
	assert_int_equal(yyjson_arr_size(resolvers), 2);
	assert_string_equal(yyjson_get_str(yyjson_arr_get(resolvers, 1)), "::1");
	assert_string_equal(string_at(network, "container_dns"), "forwarded");
	assert_string_equal(string_at(yyjson_obj_get(network, "proxy"), "https"), "http://***@h");
	assert_string_equal(string_at(yyjson_obj_get(network, "proxy"), "no"), "");
	assert_string_equal(network_dns_name(NETWORK_DNS_DIRECT), "direct");
	assert_string_equal(network_dns_name(NETWORK_DNS_PUBLIC), "public");
	assert_string_equal(network_dns_name(NETWORK_DNS_DOCKERD), "dockerd");
	assert_string_equal(network_dns_name(NETWORK_DNS_UNANSWERED), "unanswered");
	assert_string_equal(network_dns_name((enum network_dns)9), "?");
}

static void check_example(yyjson_val *root)
{
	yyjson_val *stages = yyjson_obj_get(root, "stages"),
		   *services = yyjson_obj_get(root, "services"), *log;

	assert_int_equal(yyjson_get_int(yyjson_obj_get(root, "schema")), 1);
	assert_string_equal(string_at(root, "version"), KEEL_VERSION);
	assert_string_equal(string_at(root, "mode"), "wsl");
	assert_string_equal(string_at(root, "status"), "degraded");
	assert_string_equal(string_at(root, "reason"), "because");
	assert_true(yyjson_get_bool(yyjson_obj_get(root, "ready")));
	assert_true(yyjson_get_num(yyjson_obj_get(root, "uptime_ms")) == 3000.5);
	assert_int_equal(yyjson_arr_size(stages), 2);
	assert_string_equal(string_at(yyjson_arr_get(stages, 0), "name"), "disk");
	assert_true(yyjson_get_num(yyjson_obj_get(yyjson_arr_get(stages, 0), "ms")) == 2.345);
	check_machine(root);
	/* One that runs has run until now. */
	assert_true(yyjson_get_num(yyjson_obj_get(yyjson_arr_get(stages, 1), "ms")) == 1000.5);
	assert_int_equal(yyjson_arr_size(services), 1);
	assert_string_equal(string_at(yyjson_arr_get(services, 0), "state"), "backoff");
	assert_string_equal(string_at(yyjson_arr_get(services, 0), "reason"),
		facts.services[5].reason);
	assert_true(yyjson_get_num(yyjson_obj_get(yyjson_arr_get(services, 0), "since_ms")) ==
		    1234.567);
	log = yyjson_obj_get(yyjson_arr_get(services, 0), "log");
	assert_int_equal(yyjson_arr_size(log), 2);
	assert_string_equal(yyjson_get_str(yyjson_arr_get(log, 0)), "one");
	assert_string_equal(yyjson_get_str(yyjson_arr_get(log, 1)), "\"two\"");
	assert_int_equal(yyjson_get_uint(yyjson_obj_get(yyjson_obj_get(root, "disk"),
				 "size_bytes")),
		8589934592ULL);
	assert_string_equal(string_at(yyjson_obj_get(root, "engine"), "api_version"), "1.45");
	assert_string_equal(string_at(yyjson_obj_get(root, "docker_api"), "state"), "closed");
	assert_string_equal(string_at(yyjson_obj_get(root, "docker_api"), "address"), "vsock:701");
	assert_string_equal(string_at(yyjson_obj_get(root, "docker_api"), "reason"),
		strerror(EADDRINUSE));
	assert_int_equal(yyjson_get_int(yyjson_obj_get(yyjson_obj_get(root, "memory"),
				 "total_bytes")),
		2048);
	assert_string_equal(string_at(yyjson_obj_get(root, "kernel"), "release"), "6.12");
}

static void test_health_round_trip(void **state)
{
	size_t len;
	const char *text;
	yyjson_doc *doc;

	(void)state;
	set_example();
	text = document_write_health(&facts, &health, &machine, &len);
	doc = read_back(text, len);
	check_example(yyjson_doc_get_root(doc));
	assert_true(yyjson_is_null(yyjson_obj_get(yyjson_obj_get(yyjson_doc_get_root(doc),
							  "kernel"),
		"check")));
	yyjson_doc_free(doc);
}

static void test_components_and_clock(void **state)
{
	yyjson_val *part, *clock;
	yyjson_doc *doc;
	const char *text;
	size_t len;

	(void)state;
	set_example();
	facts.boot_known = true;
	facts.since[COMPONENT_DISK] =
		(struct component_since){.known = true, .boot_us = 1500, .realtime_ms = 77};
	machine.realtime_ms = 1000;
	machine.monotonic_us = 2500;
	text = document_write_health(&facts, &health, &machine, &len);
	doc = read_back(text, len);
	part = yyjson_obj_get(yyjson_doc_get_root(doc), "components");
	assert_int_equal(yyjson_arr_size(part), COMPONENTS);
	part = yyjson_arr_get(part, COMPONENT_DISK);
	assert_int_equal(yyjson_obj_size(part), 6);
	assert_string_equal(string_at(part, "name"), "disk");
	assert_string_equal(string_at(part, "state"), "ok");
	assert_string_equal(string_at(part, "reason"), "");
	assert_string_equal(string_at(part, "hint"), "");
	assert_true(yyjson_get_num(yyjson_obj_get(part, "since_ms")) == 1.5);
	assert_int_equal(yyjson_get_uint(yyjson_obj_get(part, "since_realtime_ms")), 77);
	part = yyjson_arr_get(yyjson_obj_get(yyjson_doc_get_root(doc), "components"),
		COMPONENT_DOCKER);
	assert_string_equal(string_at(part, "state"), "degraded");
	assert_non_null(strstr(string_at(part, "hint"), "keelctl restart docker.service"));
	/* Before 1970, by a clock that was never set: the difference may be negative. */
	clock = yyjson_obj_get(yyjson_doc_get_root(doc), "clock");
	assert_true(yyjson_get_sint(yyjson_obj_get(clock, "boot_realtime_ms")) == 1000 - 3000);
	assert_true(yyjson_get_num(yyjson_obj_get(clock, "monotonic_ms")) == 2.5);
	yyjson_doc_free(doc);
}

static void test_report_lines(void **state)
{
	size_t len;
	const char *text;
	yyjson_doc *doc;

	(void)state;
	set_example();
	text = document_write_report_hello(&facts, &machine, &len);
	doc = read_back(text, len);
	assert_string_equal(string_at(yyjson_doc_get_root(doc), "type"), "hello");
	assert_string_equal(string_at(yyjson_doc_get_root(doc), "boot_id"), "7c2d");
	yyjson_doc_free(doc);
	text = document_write_report_health(&facts, &health, &machine, &len);
	doc = read_back(text, len);
	assert_string_equal(string_at(yyjson_doc_get_root(doc), "type"), "health");
	check_example(yyjson_obj_get(yyjson_doc_get_root(doc), "health"));
	yyjson_doc_free(doc);
	text = document_write_report_heartbeat(&health, 1500, &len);
	doc = read_back(text, len);
	assert_string_equal(string_at(yyjson_doc_get_root(doc), "status"), "degraded");
	assert_true(yyjson_get_num(yyjson_obj_get(yyjson_doc_get_root(doc), "uptime_ms")) == 1.5);
	yyjson_doc_free(doc);
}

/* What the agent sees goes before what PID 1 said at boot; what is not known is null or "". */
static void test_disk(void **state)
{
	size_t len;
	yyjson_doc *doc;
	yyjson_val *root;
	const char *text;

	(void)state;
	set_example();
	facts.disk.situation = DISK_SITUATION_TWO_DISKS;
	text = document_write_disk(&facts, &len);
	doc = read_back(text, len);
	root = yyjson_doc_get_root(doc);
	assert_string_equal(string_at(root, "situation"), "two-disks");
	assert_string_equal(string_at(root, "forecast"), "");
	assert_true(yyjson_is_null(yyjson_obj_get(root, "full_in_s")));
	assert_true(yyjson_is_null(yyjson_obj_get(root, "job")));
	assert_string_equal(string_at(yyjson_obj_get(root, "trim"), "waiting"), "");
	assert_false(yyjson_get_bool(yyjson_obj_get(root, "grown")));
	yyjson_doc_free(doc);
	facts.disk.situation = DISK_SITUATION_OK;
	facts.disk_seen = (struct disk_seen){.watched = true,
		.size_bytes = 77,
		.grown = true,
		.read_only = true,
		.space_known = true,
		.space = {.total = 10, .used = 4, .free = 5, .inodes = 3, .inodes_free = 2},
		.forecast = {.word = SPACE_LOW, .full_known = true, .full_in_s = 60},
		.trims = {.last_at = 12, .last_bytes = 13, .total_bytes = 14, .waiting = "x"},
		.job = {.verb = "repair", .step = "check", .percent = -1}};
	text = document_write_disk(&facts, &len);
	doc = read_back(text, len);
	root = yyjson_doc_get_root(doc);
	assert_string_equal(string_at(root, "situation"), "file-system-errors");
	assert_string_equal(string_at(root, "forecast"), "low");
	assert_int_equal(yyjson_get_uint(yyjson_obj_get(root, "full_in_s")), 60);
	assert_int_equal(yyjson_get_uint(yyjson_obj_get(root, "size_bytes")), 77);
	assert_int_equal(yyjson_get_uint(yyjson_obj_get(root, "free_bytes")), 5);
	assert_true(yyjson_get_bool(yyjson_obj_get(root, "grown")));
	assert_true(yyjson_get_bool(yyjson_obj_get(root, "read_only")));
	assert_string_equal(string_at(yyjson_obj_get(root, "job"), "step"), "check");
	assert_true(yyjson_is_null(yyjson_obj_get(yyjson_obj_get(root, "job"), "percent")));
	yyjson_doc_free(doc);
}

static void set_memory(struct memory_seen *seen)
{
	*seen = (struct memory_seen){.known = true,
		.looked_us = 9000500,
		.mode = MEMORY_MODE_GRADUAL,
		.abilities = {.cgroup = true, .psi = true},
		.cache = 70,
		.free_blocks = {[10] = 3},
		.reporting_order = 5,
		.reportable = 60,
		.groups = 2,
		.group = {{.name = "engine", .current = 11, .anon = 5, .cache = 6, .floor = 4},
			{.name = "containers/\xff\n", .cold = 7, .reclaimed = 8}},
		.containers_max = 1000,
		.pressure_percent = 0,
		.reclaimed = 8,
		.steps = 2,
		.cpu_us = 1500,
		.last_us = 4000000,
		.last = "64 MiB from containers",
		.waiting = "nothing cold is left",
		.history = 2,
		.sample = {{1000000, 100, 40}, {3000999, 90, 30}},
		.oom_kills = 12,
		.oom_kept = 1,
		.oom_kill = {{.at_us = 2000, .pid = 42, .process = "a\x80", .container = "web"}}};
}

static void check_memory(yyjson_val *memory)
{
	yyjson_val *group = yyjson_arr_get(yyjson_obj_get(memory, "groups"), 1), *kills, *kill;

	assert_int_equal(yyjson_get_uint(yyjson_obj_get(memory, "total_bytes")), 2048);
	assert_true(yyjson_get_num(yyjson_obj_get(memory, "looked_ms")) == 9000.5);
	assert_string_equal(string_at(memory, "mode"), "gradual");
	assert_true(yyjson_is_true(yyjson_obj_get(yyjson_obj_get(memory, "abilities"), "psi")));
	assert_true(yyjson_is_false(yyjson_obj_get(yyjson_obj_get(memory, "abilities"),
		"reclaim")));
	/* Names of others are made clean: one bad byte would cost the whole document. */
	assert_string_equal(string_at(group, "name"), "containers/?\?");
	assert_int_equal(yyjson_get_uint(yyjson_obj_get(group, "cold_bytes")), 7);
	assert_int_equal(yyjson_get_uint(yyjson_obj_get(yyjson_obj_get(memory, "limits"),
				 "containers_max_bytes")),
		1000);
	assert_true(yyjson_is_null(yyjson_obj_get(yyjson_obj_get(memory, "limits"),
		"containers_high_bytes")));
	assert_int_equal(yyjson_arr_size(yyjson_obj_get(memory, "free_blocks")), MEMORY_ORDERS);
	assert_int_equal(yyjson_get_int(yyjson_obj_get(memory, "reporting_order")), 5);
	assert_true(yyjson_is_int(yyjson_obj_get(memory, "pressure_percent")));
	assert_true(yyjson_get_num(yyjson_obj_get(memory, "cpu_ms")) == 1.5);
	assert_true(yyjson_is_null(yyjson_obj_get(memory, "target_bytes")));
	assert_string_equal(string_at(yyjson_obj_get(memory, "last"), "text"),
		"64 MiB from containers");
	assert_string_equal(string_at(memory, "waiting"), "nothing cold is left");
	kills = yyjson_obj_get(memory, "oom_kills");
	kill = yyjson_arr_get(yyjson_obj_get(kills, "last"), 0);
	assert_int_equal(yyjson_get_uint(yyjson_obj_get(kills, "count")), 12);
	assert_int_equal(yyjson_arr_size(yyjson_obj_get(kills, "last")), 1);
	assert_string_equal(string_at(kill, "process"), "a?");
	assert_string_equal(string_at(kill, "container"), "web");
}

/* The history is for who asks; what is pushed at every change goes without. */
static void test_memory(void **state)
{
	size_t len;
	yyjson_doc *doc;
	yyjson_val *memory, *history;
	const char *text;

	(void)state;
	set_example();
	set_memory(&facts.memory_seen);
	text = document_write_report_health(&facts, &health, &machine, &len);
	doc = read_back(text, len);
	memory = yyjson_obj_get(yyjson_doc_get_root(doc), "health");
	memory = yyjson_obj_get(memory, "memory");
	check_memory(memory);
	assert_null(yyjson_obj_get(memory, "history"));
	yyjson_doc_free(doc);
	text = document_write_memory(&facts, &machine, &len);
	doc = read_back(text, len);
	check_memory(yyjson_doc_get_root(doc));
	history = yyjson_obj_get(yyjson_doc_get_root(doc), "history");
	assert_int_equal(yyjson_arr_size(history), 2);
	assert_int_equal(yyjson_get_uint(yyjson_arr_get(yyjson_arr_get(history, 1), 0)), 3000);
	assert_int_equal(yyjson_get_uint(yyjson_arr_get(yyjson_arr_get(history, 1), 2)), 30);
	yyjson_doc_free(doc);
}

/* Nobody has looked yet, or nobody does: keelctl status without the agent. */
static void test_memory_unknown(void **state)
{
	size_t len;
	yyjson_doc *doc;
	yyjson_val *memory;
	const char *text;

	(void)state;
	set_example();
	text = document_write_memory(&facts, &machine, &len);
	doc = read_back(text, len);
	memory = yyjson_doc_get_root(doc);
	assert_int_equal(yyjson_get_uint(yyjson_obj_get(memory, "total_bytes")), 2048);
	assert_string_equal(string_at(memory, "mode"), "unknown");
	assert_true(yyjson_is_null(yyjson_obj_get(memory, "reporting_order")));
	assert_true(yyjson_is_null(yyjson_obj_get(memory, "pressure_percent")));
	assert_int_equal(yyjson_arr_size(yyjson_obj_get(memory, "groups")), 0);
	yyjson_doc_free(doc);
}

static void test_kernel_check_is_embedded(void **state)
{
	static const char check[] = "{\n  \"ok\": false,\n  \"missing\": [\"CONFIG_X\"]\n}\n";
	size_t len;
	const char *text;
	yyjson_doc *doc;
	yyjson_val *value;

	(void)state;
	set_example();
	strcpy(machine.kernel_check, check);
	machine.kernel_check_len = strlen(check);
	text = document_write_report_health(&facts, &health, &machine, &len);
	doc = read_back(text, len); /* on one line, although the file was not */
	value = yyjson_obj_get(yyjson_obj_get(yyjson_doc_get_root(doc), "health"), "kernel");
	value = yyjson_obj_get(yyjson_obj_get(value, "check"), "missing");
	assert_string_equal(yyjson_get_str(yyjson_arr_get(value, 0)), "CONFIG_X");
	yyjson_doc_free(doc);
	strcpy(machine.kernel_check, "not json }");
	machine.kernel_check_len = strlen("not json }");
	text = document_write_health(&facts, &health, &machine, &len);
	doc = read_back(text, len);
	check_example(yyjson_doc_get_root(doc));
	yyjson_doc_free(doc);
}

static void test_largest_document_fits(void **state)
{
	size_t len;
	const char *text;
	yyjson_doc *doc;
	yyjson_val *root;

	(void)state;
	set_largest();
	/* The densest JSON: the check gives way, the rest stays. */
	memset(machine.kernel_check, '[', SYSTEM_KERNEL_CHECK_MAX / 2);
	memset(machine.kernel_check + SYSTEM_KERNEL_CHECK_MAX / 2, ']',
		SYSTEM_KERNEL_CHECK_MAX / 2);
	machine.kernel_check_len = SYSTEM_KERNEL_CHECK_MAX;
	for (int round = 0; round < 2; round++) {
		text = document_write_report_health(&facts, &health, &machine, &len);
		doc = read_back(text, len);
		assert_true(len < REPORT_MESSAGE_MAX);
		root = yyjson_obj_get(yyjson_doc_get_root(doc), "health");
		assert_int_equal(yyjson_arr_size(yyjson_obj_get(root, "services")),
			CONTROL_SERVICES_MAX);
		assert_int_equal(yyjson_obj_size(yyjson_arr_get(yyjson_obj_get(root, "services"),
					 31)),
			12);
		assert_int_equal(yyjson_arr_size(yyjson_obj_get(root, "stages")),
			CONTROL_STAGES_MAX);
		assert_int_equal(yyjson_arr_size(yyjson_obj_get(root, "components")), COMPONENTS);
		assert_int_equal(yyjson_obj_size(yyjson_obj_get(root, "disk")), 24);
		assert_true(yyjson_is_obj(yyjson_obj_get(yyjson_obj_get(root, "clock"), "last")));
		assert_int_equal(yyjson_obj_size(yyjson_obj_get(root, "kernel")), 3);
		assert_int_equal(yyjson_arr_size(yyjson_obj_get(yyjson_obj_get(root, "memory"),
					 "groups")),
			MEMORY_GROUPS_MAX);
		yyjson_doc_free(doc);
		/* And flat: many small values. */
		for (size_t i = 0; i < SYSTEM_KERNEL_CHECK_MAX; i++)
			machine.kernel_check[i] = i % 2 ? '1' : ',';
		machine.kernel_check[0] = '[';
		machine.kernel_check[SYSTEM_KERNEL_CHECK_MAX - 1] = ']';
		machine.kernel_check[SYSTEM_KERNEL_CHECK_MAX - 2] = '1';
		machine.kernel_check[SYSTEM_KERNEL_CHECK_MAX - 3] = '1';
	}
	text = document_write_services(&facts, &len);
	doc = read_back(text, len);
	assert_int_equal(yyjson_arr_size(yyjson_obj_get(yyjson_doc_get_root(doc), "services")),
		CONTROL_SERVICES_MAX);
	yyjson_doc_free(doc);
	text = document_write_memory(&facts, &machine, &len);
	doc = read_back(text, len);
	assert_int_equal(yyjson_arr_size(yyjson_obj_get(yyjson_doc_get_root(doc), "history")),
		MEMORY_HISTORY_MAX);
	yyjson_doc_free(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_health_round_trip),
		cmocka_unit_test(test_components_and_clock),
		cmocka_unit_test(test_report_lines),
		cmocka_unit_test(test_disk),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_memory_unknown),
		cmocka_unit_test(test_kernel_check_is_embedded),
		cmocka_unit_test(test_largest_document_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
