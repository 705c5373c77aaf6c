/* SPDX-License-Identifier: MIT
 *
 * test_metrics.c - what GET /metrics says, read back by a parser that takes nothing but the format (version 0.0.4): each
 * name has its HELP, its TYPE and all its samples in one piece, no sample is there twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit_test.h"

#include "agent/metrics_memory.h"

#define FAMILIES_MAX 128
#define SERIES_MAX   1024

static char text[METRICS_MAX];
static struct metrics_kernel kernel;
static struct memory_seen seen;

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

/* {label="value"} with no other escapes than there are. */
static const char *skip_label(const char *p)
{
	if (*p != '{')
		return p;
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
	assert_int_equal(p[1], '}');
	return p + 2;
}

static void take_sample(const char *line)
{
	const char *family = found.family[found.families - 1], *rest;
	char *name = found.name[found.series], *end;
	size_t len = name_length(line);

	assert_true(found.series < SERIES_MAX);
	assert_int_equal(strlen(family), len);
	assert_memory_equal(line, family, len);
	rest = skip_label(line + len);
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

static void write_and_read(void)
{
	read_back(metrics_write_memory(text, sizeof(text), &kernel, &seen));
}

/* ---- what is in it ----------------------------------------------------------------------------------- */

static int set_up(void **state)
{
	(void)state;
	kernel = (struct metrics_kernel){.info_known = true,
		.pressure_known = true,
		.oom_kill_known = true,
		.info = {.total = 2063069184, .swap_free = 7},
		.pressure = {.some_us = 1234567, .full_us = 4},
		.oom_kill = 3};
	seen = (struct memory_seen){.known = true,
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
	return 0;
}

static void test_values(void **state)
{
	(void)state;
	write_and_read();
	assert_true(value_of("node_memory_MemTotal_bytes") == 2063069184.0);
	assert_true(value_of("node_memory_SwapFree_bytes") == 7);
	assert_true(value_of("node_pressure_memory_waiting_seconds_total") == 1.234567);
	assert_true(value_of("node_pressure_memory_stalled_seconds_total") == 0.000004);
	assert_true(value_of("node_vmstat_oom_kill") == 3);
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
	assert_true(value_of("keel_build_info{version=\"" KEEL_VERSION "\"}") == 1);
}

static void test_what_is_not_known_is_left_out(void **state)
{
	(void)state;
	seen.reporting_order = -1;
	seen.groups = 0;
	seen.containers_max = 0;
	write_and_read();
	assert_false(has("keel_memory_reporting_order"));
	assert_false(has("keel_memory_group_current_bytes"));
	assert_true(has("keel_memory_containers_limit_bytes"));
	seen.containers_high = 0;
	write_and_read();
	assert_false(has("keel_memory_containers_limit_bytes"));
	seen.containers_max = 9;
	write_and_read();
	assert_true(value_of("keel_memory_containers_limit_bytes{limit=\"max\"}") == 9);
	seen.known = false;
	write_and_read();
	assert_false(has("keel_memory_mode"));
	kernel = (struct metrics_kernel){0};
	write_and_read();
	assert_int_equal(found.families, 1);
}

/* Every group there can be, names that need an escape at each byte, the largest numbers: it fits, with room to spare. */
static void test_largest(void **state)
{
	size_t len;

	(void)state;
	memset(&seen, 0xff, sizeof(seen));
	seen.known = seen.working = true;
	seen.mode = MEMORY_MODE_OFF;
	seen.abilities = (struct memory_abilities){0};
	seen.reporting_order = 10;
	for (int i = 0; i < MEMORY_GROUPS_MAX; i++) {
		memset(seen.group[i].name, '"', MEMORY_NAME_MAX - 1);
		seen.group[i].name[0] = (char)('a' + i);
		seen.group[i].name[MEMORY_NAME_MAX - 1] = '\0';
	}
	memset(&kernel.info, 0xff, sizeof(kernel.info));
	memset(&kernel.pressure, 0xff, sizeof(kernel.pressure));
	len = metrics_write_memory(text, sizeof(text), &kernel, &seen);
	assert_true(len > 0 && len < METRICS_MAX / 2);
	read_back(len);
	/* What does not fit is nothing, never half of it. */
	for (size_t size = 1; size <= len; size += size < 3000 ? 1 : 997)
		assert_int_equal(metrics_write_memory(text, size, &kernel, &seen), 0);
	assert_int_equal(metrics_write_memory(text, len + 1, &kernel, &seen), len);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(test_values, set_up),
	cmocka_unit_test_setup(test_what_is_not_known_is_left_out, set_up),
	cmocka_unit_test_setup(test_largest, set_up),
};

UNIT_TEST_MAIN(tests)
