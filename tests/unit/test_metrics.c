/* SPDX-License-Identifier: MIT
 *
 * test_metrics.c - what GET /metrics says, read back by a parser that takes nothing but the format (version 0.0.4): each
 * name has its HELP, its TYPE and all its samples in one piece, no sample is there twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit_test.h"

#include "agent/common/proxy.h"
#include "agent/events.h"
#include "agent/http.h"
#include "agent/metrics.h"
#include "agent/metrics_agent.h"
#include "agent/metrics_disk.h"
#include "agent/metrics_memory.h"
#include "agent/metrics_node.h"
#include "agent/metrics_services.h"
#include "agent/report.h"

#define FAMILIES_MAX 192
#define SERIES_MAX   1536

static char text[METRICS_MAX];
static struct metrics_node node;
static struct metrics_process process;
static struct metrics_doors doors;
static struct facts facts;

/* ---- the format -------------------------------------------------------------------------------------- */

static struct {
	unsigned int families, series;
	char family[FAMILIES_MAX][96];
	char name[SERIES_MAX][2 * MEMORY_NAME_MAX + 96]; /* with labels */
	double value[SERIES_MAX];
} found;

static size_t name_length(const char *p)
{
	size_t len = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	assert_true(len > 0 && !(p[0] >= '0' && p[0] <= '9'));
	return len;
}

/* {label="value",label="value"} with no other escapes than there are. */
static const char *skip_labels(const char *p)
{
	if (*p != '{')
		return p;
	do {
		p++;
		p += name_length(p);
		assert_memory_equal(p, "=\"", 2);
		for (p += 2; *p != '"'; p++) {
			assert_true((unsigned char)*p >= 0x20);
			if (*p == '\\') {
				p++;
				assert_true(*p == '\\' || *p == '"' || *p == 'n');
			}
		}
		p++;
	} while (*p == ',');
	assert_int_equal(*p, '}');
	return p + 1;
}

static void take_sample(const char *line)
{
	const char *family = found.family[found.families - 1], *rest;
	char *name = found.name[found.series], *end;
	size_t len = name_length(line);

	assert_true(found.series < SERIES_MAX);
	assert_int_equal(strlen(family), len);
	assert_memory_equal(line, family, len);
	rest = skip_labels(line + len);
	assert_true((size_t)(rest - line) < sizeof(found.name[0]));
	memcpy(name, line, (size_t)(rest - line));
	name[rest - line] = '\0';
	for (unsigned int i = 0; i < found.series; i++)
		assert_string_not_equal(found.name[i], name);
	assert_int_equal(*rest, ' ');
	assert_true(rest[1] >= '0' && rest[1] <= '9');
	found.value[found.series++] = strtod(rest + 1, &end);
	assert_int_equal(*end, '\0');
}

/* The two lines before the samples. Returns the second. */
static char *take_head(char *line, char **save)
{
	static const char *const types[] = {"gauge", "counter", "untyped"};
	char *name = line + strlen("# HELP "), *type;
	size_t len = name_length(name);
	bool known = false, total;

	assert_memory_equal(line, "# HELP ", strlen("# HELP "));
	assert_true(name[len] == ' ' && strlen(name + len) > 5);
	assert_null(strchr(name + len, '\\'));
	assert_true(found.families < FAMILIES_MAX && len < sizeof(found.family[0]));
	for (unsigned int i = 0; i < found.families; i++)
		assert_false(strlen(found.family[i]) == len &&
			     memcmp(found.family[i], name, len) == 0);
	memcpy(found.family[found.families], name, len);
	found.family[found.families++][len] = '\0';
	line = strtok_r(NULL, "\n", save);
	assert_non_null(line);
	assert_memory_equal(line, "# TYPE ", strlen("# TYPE "));
	assert_memory_equal(line + strlen("# TYPE "), name, len + 1);
	type = line + strlen("# TYPE ") + len + 1;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		known |= strcmp(type, types[i]) == 0;
	assert_true(known);
	/* What counts up is called so, and nothing else is. */
	total = len > 6 && memcmp(name + len - 6, "_total", 6) == 0;
	assert_int_equal(total, strcmp(type, "counter") == 0);
	return line;
}

static void read_back(size_t len)
{
	unsigned int samples = 1;
	char *save = NULL;

	memset(&found, 0, sizeof(found));
	assert_true(len > 0 && len < sizeof(text) && strlen(text) == len);
	assert_int_equal(text[len - 1], '\n');
	assert_null(strstr(text, "\n\n"));
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (line[0] == '#') {
			assert_true(samples > 0); /* of the family before */
			(void)take_head(line, &save);
			samples = 0;
		} else {
			take_sample(line);
			samples++;
		}
	}
	assert_true(samples > 0);
}

static double value_of(const char *name)
{
	for (unsigned int i = 0; i < found.series; i++)
		if (strcmp(found.name[i], name) == 0)
			return found.value[i];
	fail_msg("%s is not there", name);
	return 0;
}

static bool has(const char *name)
{
	for (unsigned int i = 0; i < found.families; i++)
		if (strcmp(found.family[i], name) == 0)
			return true;
	return false;
}

/* Everything there is, without what metrics.c reads. The length, 0: it does not fit. */
static size_t write_all(size_t size)
{
	struct metrics_text out = {.buffer = text, .size = size};

	metrics_put_node(&out, &node);
	metrics_put_services(&out, &facts);
	metrics_put_disk(&out, &facts);
	metrics_put_memory(&out, &facts.memory_seen);
	metrics_put_doors(&out, &doors);
	metrics_put_process(&out, &process, 1000000);
	return out.full ? 0 : out.len;
}

static void write_and_read(void)
{
	read_back(write_all(sizeof(text)));
}

/* ---- what is in it ----------------------------------------------------------------------------------- */

static void set_up_memory(void)
{
	facts.memory_seen = (struct memory_seen){.known = true,
		.mode = MEMORY_MODE_GRADUAL,
		.abilities = {.psi = true},
		.groups = 2,
		.group = {{.name = "engine",
				  .current = 11,
				  .anon = 12,
				  .shmem = 13,
				  .cache = 14,
				  .cold = 15,
				  .floor = 16,
				  .reclaimed = 17},
			{.name = "containers/a\"b\\c\n\xff", .current = 21, .reclaimed = 27}},
		.free_blocks = {5, [10] = 6},
		.reporting_order = 9,
		.stranded = 31,
		.containers_max = 41,
		.containers_high = 42,
		.cpu_us = 1500000,
		.steps = 51,
		.working = true,
		.oom_kills = 61,
		.target = 71};
}

static void set_up_services(void)
{
	facts.link = FACTS_LINK_UP;
	facts.boot_known = true;
	facts.boot.start_us = 250000;
	facts.stages[0] = (struct control_stage){
		.name = "mounts", .state = STAGE_STATE_DONE, .start_us = 1000, .end_us = 1501000};
	facts.stages[1] =
		(struct control_stage){.name = "disk", .state = STAGE_STATE_RUNNING, .start_us = 5};
	facts.services[3] = (struct control_service){
		.name = "a.service", .state = SERVICE_STATE_ACTIVE, .wanted = 1, .restarts = 4};
	facts.services[4] = (struct control_service){
		.name = "b.service", .state = SERVICE_STATE_FAILED, .wanted = 1};
	facts.services[5] =
		(struct control_service){.name = "c.service", .state = SERVICE_STATE_RELOADING};
	/* Not of this keel's making: not counted, and no time. */
	facts.services[6] = (struct control_service){.name = "d.service", .state = 200};
	facts.stages[2] = (struct control_stage){
		.name = "net", .state = STAGE_STATE_DONE, .start_us = 5, .end_us = 4};
	facts.engine.daemons[ENGINE_DOCKERD] =
		(struct facts_daemon){.known = true, .state = DAEMON_STATE_READY, .restarts = 2};
}

static void set_up_disk(void)
{
	facts.disk = (struct control_disk){
		.state = DISK_STATE_MOUNTED, .device = "/dev/sd\"a", .mountpoint = "/data"};
	facts.disk_seen = (struct disk_seen){.watched = true,
		.size_bytes = 1000,
		.space_known = true,
		.space = {.total = 900, .used = 200, .free = 650, .inodes = 80, .inodes_free = 70},
		.forecast = {.word = SPACE_LOW, .full_known = true, .full_in_s = 3600},
		.errors = {.count = 3, .io_count = 5},
		.trims = {.last_at = 1700000000, .total_bytes = 77}};
}

static int set_up(void **state)
{
	(void)state;
	node = (struct metrics_node){.info_known = true,
		.load_known = true,
		.pressure_known = {true, true, true},
		.vmstat_known = {[0] = true},
		.info = {.total = 2063069184, .swap_total = 9, .swap_free = 7},
		.pressure = {{.some_us = 5, .full_us = 6}, {.some_us = 7, .full_us = 8},
			{.some_us = 1234567, .full_us = 4}},
		.vmstat = {3},
		.load_centi = {5, 123, 4500},
		.boot_s = 1700000001,
		.time_us = 1700000002500000,
		.cpus = 8,
		.camel_case = true};
	process = (struct metrics_process){.known = true,
		.cpu_us = 1230000,
		.started_us = 2500000,
		.resident_bytes = 4096,
		.virtual_bytes = 8192,
		.fds = 12,
		.fds_max = 1024};
	doors = (struct metrics_doors){.answers = {0, 1, 2, 3, 4, 5},
		.proxy_bytes = {6, 7},
		.refused = 8,
		.report_connected = 1};
	memset(&facts, 0, sizeof(facts));
	set_up_memory();
	set_up_services();
	set_up_disk();
	return 0;
}

static void test_values_of_the_node(void **state)
{
	(void)state;
	write_and_read();
	assert_true(value_of("node_memory_MemTotal_bytes") == 2063069184.0);
	assert_true(value_of("node_memory_SwapFree_bytes") == 7);
	assert_true(value_of("keel_memory_swap_free_bytes") == 7);
	assert_true(has("node_memory_Buffers_bytes"));
	assert_true(value_of("machine_memory_bytes") == 2063069184.0);
	assert_true(value_of("machine_swap_bytes") == 9);
	assert_true(value_of("machine_cpu_cores") == 8);
	assert_true(value_of("node_pressure_cpu_waiting_seconds_total") == 0.000005);
	assert_false(has("node_pressure_cpu_stalled_seconds_total"));
	assert_true(value_of("node_pressure_io_waiting_seconds_total") == 0.000007);
	assert_true(value_of("node_pressure_io_stalled_seconds_total") == 0.000008);
	assert_true(value_of("node_pressure_memory_waiting_seconds_total") == 1.234567);
	assert_true(value_of("node_pressure_memory_stalled_seconds_total") == 0.000004);
	assert_true(value_of("node_vmstat_oom_kill") == 3);
	assert_false(has("node_vmstat_pgfault"));
	assert_true(value_of("node_load1") == 0.05);
	assert_true(value_of("node_load5") == 1.23);
	assert_true(value_of("node_load15") == 45);
	assert_true(value_of("node_boot_time_seconds") == 1700000001);
	assert_true(value_of("node_time_seconds") == 1700000002.5);
	node.camel_case = false;
	write_and_read();
	assert_false(has("node_memory_MemTotal_bytes"));
	assert_false(has("node_memory_SwapFree_bytes"));
	assert_true(has("node_memory_Buffers_bytes"));
	assert_true(has("node_memory_SReclaimable_bytes"));
	assert_true(value_of("machine_memory_bytes") == 2063069184.0);
}

static void test_values_of_memory(void **state)
{
	(void)state;
	write_and_read();
	assert_true(value_of("keel_memory_mode{mode=\"gradual\"}") == 1);
	assert_true(value_of("keel_memory_mode{mode=\"adaptive\"}") == 0);
	assert_true(value_of("keel_memory_ability{ability=\"psi\"}") == 1);
	assert_true(value_of("keel_memory_ability{ability=\"reclaim\"}") == 0);
	assert_true(value_of("keel_memory_group_current_bytes{group=\"engine\"}") == 11);
	assert_true(value_of("keel_memory_group_floor_bytes{group=\"engine\"}") == 16);
	assert_true(value_of("keel_memory_group_reclaimed_bytes_total{group=\"engine\"}") == 17);
	assert_true(
		value_of("keel_memory_group_current_bytes{group=\"containers/a\\\"b\\\\c??\"}") ==
		21);
	assert_true(value_of("keel_memory_free_blocks{order=\"10\"}") == 6);
	assert_true(value_of("keel_memory_reporting_order") == 9);
	assert_true(value_of("keel_memory_stranded_bytes") == 31);
	assert_true(value_of("keel_memory_containers_limit_bytes{limit=\"max\"}") == 41);
	assert_true(value_of("keel_memory_containers_limit_bytes{limit=\"high\"}") == 42);
	assert_true(value_of("keel_memory_reclaim_cpu_seconds_total") == 1.5);
	assert_true(value_of("keel_memory_reclaim_steps_total") == 51);
	assert_true(value_of("keel_memory_reclaim_working") == 1);
	assert_true(value_of("keel_memory_oom_kills_total") == 61);
	assert_true(value_of("keel_memory_target_bytes") == 71);
}

#define FILE_SYSTEM "{device=\"/dev/sd\\\"a\",fstype=\"ext4\",mountpoint=\"/data\"}"

static void test_values_of_the_disk(void **state)
{
	(void)state;
	write_and_read();
	assert_true(value_of("node_filesystem_size_bytes" FILE_SYSTEM) == 900);
	assert_true(value_of("node_filesystem_free_bytes" FILE_SYSTEM) == 700);
	assert_true(value_of("node_filesystem_avail_bytes" FILE_SYSTEM) == 650);
	assert_true(value_of("node_filesystem_files" FILE_SYSTEM) == 80);
	assert_true(value_of("node_filesystem_files_free" FILE_SYSTEM) == 70);
	assert_true(value_of("node_filesystem_readonly" FILE_SYSTEM) == 0);
	assert_true(value_of("keel_disk_mounted") == 1);
	assert_true(value_of("keel_disk_ok") == 0); /* it has errors */
	assert_true(value_of("keel_disk_size_bytes") == 1000);
	assert_true(value_of("keel_disk_forecast{forecast=\"low\"}") == 1);
	assert_true(value_of("keel_disk_forecast{forecast=\"ok\"}") == 0);
	assert_true(value_of("keel_disk_full_in_seconds") == 3600);
	assert_true(value_of("keel_disk_filesystem_errors") == 3);
	assert_true(value_of("keel_disk_io_errors") == 5);
	assert_true(value_of("keel_disk_trimmed_bytes_total") == 77);
	assert_true(value_of("keel_disk_last_trim_timestamp_seconds") == 1700000000);
	facts.disk_seen.read_only = true;
	memset(&facts.disk_seen.errors, 0, sizeof(facts.disk_seen.errors));
	facts.disk_seen.trims.last_at = 0;
	facts.disk_seen.forecast.full_known = false;
	write_and_read();
	assert_true(value_of("node_filesystem_readonly" FILE_SYSTEM) == 1);
	assert_false(has("keel_disk_last_trim_timestamp_seconds"));
	assert_false(has("keel_disk_full_in_seconds"));
	facts.disk_seen.read_only = false;
	facts.disk.state = DISK_STATE_RESCUE;
	write_and_read();
	assert_true(value_of("node_filesystem_readonly" FILE_SYSTEM) == 1);
	assert_true(value_of("keel_disk_mounted") == 0);
}

static void test_values_of_services(void **state)
{
	(void)state;
	write_and_read();
	assert_true(value_of("keel_service_up{name=\"a.service\"}") == 1);
	assert_true(value_of("keel_service_up{name=\"b.service\"}") == 0);
	assert_true(value_of("keel_service_up{name=\"c.service\"}") == 1);
	assert_true(value_of("keel_service_wanted{name=\"a.service\"}") == 1);
	assert_true(value_of("keel_service_wanted{name=\"c.service\"}") == 0);
	assert_true(value_of("keel_service_failed{name=\"b.service\"}") == 1);
	assert_true(value_of("keel_service_failed{name=\"a.service\"}") == 0);
	assert_true(value_of("keel_service_restarts_total{name=\"a.service\"}") == 4);
	assert_true(value_of("keel_services{state=\"active\"}") == 1);
	assert_true(value_of("keel_services{state=\"failed\"}") == 1);
	assert_true(value_of("keel_services{state=\"waiting\"}") == 0);
	assert_true(value_of("keel_boot_stage_seconds{stage=\"mounts\",state=\"done\"}") == 1.5);
	assert_true(value_of("keel_boot_init_seconds") == 0.25);
	assert_true(value_of("keel_engine_up{daemon=\"dockerd\"}") == 1);
	assert_true(value_of("keel_engine_up{daemon=\"containerd\"}") == 0);
	assert_true(value_of("keel_engine_restarts_total{daemon=\"dockerd\"}") == 2);
	assert_true(value_of("keel_service_up{name=\"d.service\"}") == 0);
	assert_true(value_of("keel_ready") == 0);
	for (unsigned int i = 0; i < found.series; i++) { /* disk runs */
		assert_null(strstr(found.name[i], "stage=\"disk\""));
		assert_null(strstr(found.name[i], "stage=\"net\""));
	}
	facts.engine.daemons[ENGINE_DOCKERD].state = DAEMON_STATE_SLOW;
	write_and_read();
	assert_true(value_of("keel_engine_up{daemon=\"dockerd\"}") == 0);
	assert_true(value_of("keel_status{status=\"degraded\"}") +
			    value_of("keel_status{status=\"failed\"}") +
			    value_of("keel_status{status=\"starting\"}") ==
		    1);
}

static void test_values_of_the_agent(void **state)
{
	(void)state;
	write_and_read();
	assert_true(value_of("keel_api_requests_total{class=\"1xx\"}") == 1);
	assert_true(value_of("keel_api_requests_total{class=\"5xx\"}") == 5);
	assert_true(value_of("keel_docker_proxy_bytes_total{to=\"client\"}") == 6);
	assert_true(value_of("keel_docker_proxy_bytes_total{to=\"engine\"}") == 7);
	assert_true(value_of("keel_api_peers_refused_total") == 8);
	assert_true(value_of("keel_report_connected") == 1);
	assert_true(value_of("process_cpu_seconds_total") == 1.23);
	assert_true(value_of("process_start_time_seconds") == 3.5);
	assert_true(value_of("process_resident_memory_bytes") == 4096);
	assert_true(value_of("process_open_fds") == 12);
	assert_true(value_of("process_max_fds") == 1024);
}

static void test_what_is_not_known_is_left_out(void **state)
{
	struct memory_seen *seen = &facts.memory_seen;

	(void)state;
	seen->reporting_order = -1;
	seen->groups = 0;
	seen->containers_max = 0;
	write_and_read();
	assert_false(has("keel_memory_reporting_order"));
	assert_false(has("keel_memory_group_current_bytes"));
	assert_true(has("keel_memory_containers_limit_bytes"));
	seen->containers_high = 0;
	write_and_read();
	assert_false(has("keel_memory_containers_limit_bytes"));
	seen->containers_max = 9;
	write_and_read();
	assert_true(value_of("keel_memory_containers_limit_bytes{limit=\"max\"}") == 9);
	memset(&facts, 0, sizeof(facts));
	memset(&node, 0, sizeof(node));
	memset(&process, 0, sizeof(process));
	write_and_read();
	assert_false(has("keel_memory_mode"));
	assert_false(has("node_memory_MemTotal_bytes"));
	assert_false(has("node_load1"));
	assert_false(has("node_boot_time_seconds"));
	assert_false(has("machine_cpu_cores"));
	assert_false(has("keel_service_up"));
	assert_false(has("keel_boot_stage_seconds"));
	assert_false(has("keel_boot_init_seconds"));
	assert_false(has("node_filesystem_size_bytes"));
	assert_false(has("process_open_fds"));
	assert_false(has("process_cpu_seconds_total"));
	assert_true(has("keel_ready"));
	facts.disk_seen.watched = true;
	write_and_read();
	assert_true(has("keel_disk_size_bytes"));
	assert_false(has("node_filesystem_size_bytes"));
}

static void test_query(void **state)
{
	static const char *const bad[] = {
		"names", "names=", "names=x", "name=node-exporter", "&", "names=node-exporter&a=b"};
	bool camel_case = true;

	(void)state;
	assert_int_equal(metrics_parse_query(NULL, 0, &camel_case), 0);
	assert_false(camel_case);
	assert_int_equal(metrics_parse_query("names=node-exporter", 19, &camel_case), 0);
	assert_true(camel_case);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(metrics_parse_query(bad[i], strlen(bad[i]), &camel_case), -EINVAL);
}

/* ---- what is read ------------------------------------------------------------------------------------ */

static void test_load(void **state)
{
	static const char *const bad[] = {"", "1", "1.", "1.2", "1.23", "1.23 ", "1.23 4.56 ",
		"1.23 4.56 7.8 1", ".12 1.00 1.00 ", "1,23 4,56 7,89 ", "1:23 1.00 1.00 ",
		"1.:3 1.00 1.00 ", "1./3 1.00 1.00 ", "1234567890123.00 1.00 1.00 "};
	uint64_t load[3];

	(void)state;
	assert_int_equal(metrics_read_load("0.05 12.00 3.99 2/345 678\n", load), 0);
	assert_true(load[0] == 5 && load[1] == 1200 && load[2] == 399);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(metrics_read_load(bad[i], load), -EPROTO);
}

static void test_process(void **state)
{
	static const char good[] = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 "
				   "1234 8192 3 18446744073709551615 1 1 0\n";
	struct metrics_process read = {0};

	(void)state;
	assert_int_equal(metrics_read_process(good, 100, 4096, &read), 0);
	assert_true(read.known && read.cpu_us == 2000000 && read.started_us == 12340000);
	assert_true(read.virtual_bytes == 8192 && read.resident_bytes == 3UL * 4096);
	assert_int_equal(metrics_read_process(good, 0, 4096, &read), -EPROTO);
	assert_int_equal(metrics_read_process("", 100, 4096, &read), -EPROTO);
	assert_int_equal(metrics_read_process("7 (a) S 1 2 3", 100, 4096, &read), -EPROTO);
	assert_int_equal(metrics_read_process("7 (a)", 100, 4096, &read), -EPROTO);
}

/* The whole answer, from this machine's /proc. */
static void test_answer(void **state)
{
	static struct http_server server;
	static struct events events;
	static struct report report;
	static struct listener listeners[2];
	static struct proxy proxies[2];
	const struct metrics_sources sources = {.facts = &facts,
		.http = &server,
		.events = &events,
		.report = &report,
		.listeners = listeners,
		.proxies = proxies,
		.doors = 2};
	size_t len;
	const char *answer;

	(void)state;
	event_ring_init(&events.ring, 1);
	report.fd = -1;
	listeners[1].refused = 5;
	proxies[0].counts.bytes[1] = 6;
	proxies[1].counts.bytes[1] = 7;
	server.counts.answers[2] = 9;
	answer = metrics_answer(&sources, true, &len);
	assert_non_null(answer);
	assert_true(len < sizeof(text));
	memcpy(text, answer, len + 1);
	read_back(len);
	assert_true(value_of("keel_build_info{version=\"" KEEL_VERSION "\"}") == 1);
	assert_true(value_of("keel_api_peers_refused_total") == 5);
	assert_true(value_of("keel_docker_proxy_bytes_total{to=\"engine\"}") == 13);
	assert_true(value_of("keel_api_requests_total{class=\"2xx\"}") == 9);
	assert_true(value_of("keel_report_connected") == 0);
	assert_true(value_of("keel_events_total") == 0);
	assert_true(value_of("process_open_fds") >= 3);
	assert_true(value_of("process_resident_memory_bytes") > 4096);
	assert_true(value_of("node_time_seconds") > value_of("process_start_time_seconds"));
	assert_true(value_of("process_start_time_seconds") >=
		    value_of("node_boot_time_seconds") - 1);
}

/* ---- how much there can be --------------------------------------------------------------------------- */

/* Names that need an escape at each byte, and differ. */
static void fill_name(char *name, size_t size, size_t number)
{
	memset(name, '"', size - 1);
	(void)snprintf(name, size, "%03zu", number);
	name[3] = '"';
	name[size - 1] = '\0';
}

static void fill_tables(void)
{
	struct memory_seen *seen = &facts.memory_seen;

	memset(seen, 0xff, sizeof(*seen));
	seen->known = seen->working = true;
	seen->mode = MEMORY_MODE_OFF;
	seen->abilities = (struct memory_abilities){0};
	seen->reporting_order = 10;
	for (size_t i = 0; i < MEMORY_GROUPS_MAX; i++)
		fill_name(seen->group[i].name, MEMORY_NAME_MAX, i);
	for (size_t i = 0; i < CONTROL_SERVICES_MAX; i++) {
		fill_name(facts.services[i].name, CONTROL_NAME_MAX, i);
		facts.services[i].restarts = UINT32_MAX;
	}
	for (size_t i = 0; i < CONTROL_STAGES_MAX; i++) {
		fill_name(facts.stages[i].name, CONTROL_NAME_MAX, i);
		facts.stages[i].state = STAGE_STATE_DEGRADED;
		facts.stages[i].start_us = 0;
		facts.stages[i].end_us = UINT64_MAX;
	}
	fill_name(facts.disk.device, sizeof(facts.disk.device), 1);
	fill_name(facts.disk.mountpoint, sizeof(facts.disk.mountpoint), 2);
	memset(&facts.disk_seen.space, 0xff, sizeof(facts.disk_seen.space));
	memset(&facts.disk_seen.errors, 0xff, sizeof(facts.disk_seen.errors));
	memset(&node.info, 0xff, sizeof(node.info));
	memset(node.pressure, 0xff, sizeof(node.pressure));
	memset(node.vmstat, 0xff, sizeof(node.vmstat));
	memset(node.vmstat_known, true, sizeof(node.vmstat_known));
	memset(&doors, 0xff, sizeof(doors));
}

/* Every group, service and stage there can be, the largest numbers: it fits, with room to spare. */
static void test_largest(void **state)
{
	size_t len;

	(void)state;
	fill_tables();
	len = write_all(sizeof(text));
	assert_true(len > 0 && len < METRICS_MAX * 3 / 4);
	read_back(len);
	/* What does not fit is nothing, never half of it. */
	for (size_t size = 1; size <= len; size += size < 3000 ? 1 : 997)
		assert_int_equal(write_all(size), 0);
	assert_int_equal(write_all(len + 1), len);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(test_values_of_the_node, set_up),
	cmocka_unit_test_setup(test_values_of_memory, set_up),
	cmocka_unit_test_setup(test_values_of_the_disk, set_up),
	cmocka_unit_test_setup(test_values_of_services, set_up),
	cmocka_unit_test_setup(test_values_of_the_agent, set_up),
	cmocka_unit_test_setup(test_what_is_not_known_is_left_out, set_up),
	cmocka_unit_test(test_query),
	cmocka_unit_test(test_load),
	cmocka_unit_test(test_process),
	cmocka_unit_test_setup(test_answer, set_up),
	cmocka_unit_test_setup(test_largest, set_up),
};

UNIT_TEST_MAIN(tests)
