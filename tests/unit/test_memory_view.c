/* SPDX-License-Identifier: MIT
 *
 * test_memory_view.c - pages of keelctl memory, and the sizes that people type.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit_test.h"

#include "agent/ctl/bytes.h"
#include "agent/ctl/memory_view.h"

/* ---- sizes ------------------------------------------------------------------------------------------- */

static void test_bytes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{"1", 1},
		{"4096", 4096},
		{"512M", UINT64_C(512) << 20},
		{"3k", 3072},
		{"2G", UINT64_C(2) << 30},
		{"16777215T", UINT64_C(16777215) << 40},
		{"18446744073709551615", UINT64_MAX},
	};
	static const char *const bad[] = {"", "0", "0M", "M", "-1", "+1", " 1", "1 ", "1.5G",
		"1GiB", "1MB", "1X", "1m1", "0x10", "16777216T", "18446744073709551616",
		"184467440737095516150", "1\n", "1-", "1K ", "1+", "1\x0b", "all"};
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(bytes_parse(good[i].text, &bytes), 0);
		assert_true(bytes == good[i].bytes);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (bytes_parse(bad[i], &bytes) != -EINVAL)
			fail_msg("\"%s\"", bad[i]);
}

/* ---- pages ------------------------------------------------------------------------------------------- */

static const char example[] =
	"{\"total_bytes\":1073741824,\"free_bytes\":536870912,\"cached_bytes\":1,"
	"\"swap_total_bytes\":1048576,\"swap_free_bytes\":524288,\"looked_ms\":100000.0,"
	"\"cache_bytes\":268435456,\"mode\":\"adaptive\","
	"\"abilities\":{\"cgroup\":true,\"reclaim\":false,\"psi\":false,\"compaction\":true,"
	"\"reporting\":true},\"groups\":["
	"{\"name\":\"engine\",\"current_bytes\":104857600,\"anon_bytes\":52428800,\"shmem_bytes\":0,"
	"\"cache_bytes\":41943040,\"cold_bytes\":1024,\"floor_bytes\":16777216,\"reclaimed_bytes\":0},"
	"{\"name\":\"containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\","
	"\"current_bytes\":7},{\"name\":\"containers/buildkit/x\"}],"
	"\"limits\":{\"containers_max_bytes\":805306368,\"containers_high_bytes\":704643072,"
	"\"reserve_bytes\":268435456},\"reporting_order\":5,\"reportable_bytes\":524288000,"
	"\"stranded_bytes\":12582912,\"pressure_percent\":3,\"reclaimed_bytes\":1610612736,\"steps\":24,"
	"\"cpu_ms\":812.4,\"compactions\":2,\"compacted_bytes\":104857600,\"target_bytes\":2147483648,"
	"\"working\":false,\"last\":{\"at_ms\":88000.0,\"text\":\"64 MiB from containers\"},"
	"\"waiting\":\"nothing cold is left\",\"oom_kills\":{\"count\":3,\"last\":["
	"{\"at_ms\":40000.0,\"pid\":123,\"process\":\"hog\",\"global\":false,\"group\":\"containers/x\","
	"\"container\":\"web\",\"container_id\":\"x\"}]},"
	"\"history\":[[1000,268435456,134217728],[51000,1073741824,536870912],[101000,536870912,0]]}";

static const char page_80[] =
	"Memory      1.0 GiB: 256.0 MiB in use, 256.0 MiB cache, 512.0 MiB free\n"
	"            [#################:::::::::::::::::                                ]\n"
	"Swap        512.0 KiB of 1.0 MiB free\n"
	"Free        500.0 MiB reportable (order 5 and up), 12.0 MiB in smaller blocks\n"
	"Compaction  2 times, 100.0 MiB became reportable\n"
	"Limits      containers 768.0 MiB, slowed from 672.0 MiB; 256.0 MiB for the rest\n"
	"OOM kills   3; the last: hog (pid 123) of container web, 1 min 0 s ago\n"
	"Missing     memory.reclaim, pressure (PSI)\n"
	"Mode        adaptive, target 2.0 GiB, pressure 3 %\n"
	"Given back  1.5 GiB in 24 steps, which took 812 ms of CPU\n"
	"Last step   64 MiB from containers, 12.0 s ago\n"
	"Now         waiting: nothing cold is left\n"
	"\n"
	"GROUP                          TOTAL  PROCESSES      CACHE       COLD GIVEN BACK\n"
	"engine                     100.0 MiB   50.0 MiB   40.0 MiB    1.0 KiB        0 B\n"
	"  0123456789ab                   7 B        0 B        0 B        0 B        0 B\n"
	"  buildkit/x                     0 B        0 B        0 B        0 B        0 B\n"
	"\n";

static const char plot_80[] =
	"The last 1 min 40 s (# in use, : cache)\n"
	"   1.0 GiB |                                  :::::::::::::::::::::::::::::::::\n"
	"           |                                  :::::::::::::::::::::::::::::::::\n"
	"           |                                  :::::::::::::::::::::::::::::::::\n"
	"           |                                  :::::::::::::::::::::::::::::::::\n"
	"           |                                  ##################################\n"
	"           |                                  ##################################\n"
	"           |::::::::::::::::::::::::::::::::::##################################\n"
	"           |####################################################################\n"
	"         0 +--------------------------------------------------------------------\n";

static char page[64 * 1024];

static void render(const char *json, unsigned int width, bool colour, bool utf8)
{
	yyjson_doc *doc = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);
	FILE *out = fmemopen(page, sizeof(page), "w");
	struct memory_view view = {.out = out, .width = width, .colour = colour, .utf8 = utf8};

	assert_non_null(doc);
	assert_non_null(out);
	memory_view_page(&view, yyjson_doc_get_root(doc));
	assert_int_equal(ferror(out), 0);
	assert_int_equal(fclose(out), 0);
	yyjson_doc_free(doc);
}

/* Without the blanks at the ends of lines, which nobody sees. */
static void strip_blanks(void)
{
	char *to = page;

	for (const char *p = page; *p; p++) {
		if (*p == '\n')
			while (to > page && to[-1] == ' ')
				to--;
		*to++ = *p;
	}
	*to = '\0';
}

static void test_page(void **state)
{
	char want[sizeof(page_80) + sizeof(plot_80)];

	(void)state;
	(void)strcat(strcpy(want, page_80), plot_80);
	render(example, 80, false, false);
	strip_blanks();
	assert_string_equal(page, want);
}

/* Columns: what is no continuation byte and no colour. */
static void check_widths(unsigned int width)
{
	unsigned int columns = 0;

	for (const char *p = page; *p; p++) {
		if (*p == '\033')
			p += strcspn(p, "m");
		else if (*p == '\n')
			columns = 0;
		else if (((unsigned char)*p & 0xc0) != 0x80 && ++columns > width)
			fail_msg("more than %u columns: %s", width, page);
	}
}

static void test_widths(void **state)
{
	/* The lines of text may be longer than a narrow terminal; table, bar and plot may not. */
	static const char figures[] =
		"{\"total_bytes\":100,\"free_bytes\":50,\"groups\":[{\"name\":"
		"\"containers/a name that is longer than any column here is\","
		"\"current_bytes\":1099511627775}],\"mode\":\"off\","
		"\"history\":[[0,1,1],[10,100,50]]}";

	(void)state;
	for (unsigned int width = MEMORY_VIEW_WIDTH_MIN; width <= MEMORY_VIEW_WIDTH_MAX; width++)
		for (int bits = 0; bits < 4; bits++) {
			render(figures, width, bits & 1, bits & 2);
			check_widths(width > 60 ? width : 60);
			if (width >= 80) {
				render(example, width, bits & 1, bits & 2);
				check_widths(width);
			}
		}
	render(example, 0, false, false);
	render(example, 100000, true, true);
	check_widths(MEMORY_VIEW_WIDTH_MAX);
}

static void test_colours_and_blocks(void **state)
{
	(void)state;
	render(example, 80, true, true);
	assert_non_null(strstr(page, "\033[0;36m█"));
	assert_non_null(strstr(page, "\033[0;34m█"));
	assert_non_null(strstr(page, "\033[0m"));
	render(example, 80, false, true);
	assert_null(strchr(page, '\033'));
	assert_non_null(strstr(page, "░"));
	assert_non_null(strstr(page, "│"));
	/* A level between two rows, below, above, and both in one cell. */
	render("{\"total_bytes\":6400,\"history\":[[0,6400,0],[1,500,0],[2,100,100],[3,900,800],[4,1100,100]]}",
		80, true, true);
	assert_non_null(strstr(page, "█▅"));
	assert_non_null(strstr(page, "\033[0;34m▁"));
	assert_non_null(strstr(page, "\033[0;36;44m▁"));
	assert_non_null(strstr(page, "\033[0;36m▃"));
	render("{\"total_bytes\":800,\"history\":[[0,563,0],[1,563,0]]}", 80, false, true);
	assert_non_null(strstr(page, "│▅▅▅"));
	/* Half of it, and half again, as long as all fits. */
	render("{\"total_bytes\":8192,\"history\":[[0,1500,0],[1,500,0]]}", 80, false, true);
	assert_non_null(strstr(page, "  2.0 KiB │"));
	render("{\"total_bytes\":8192,\"history\":[[0,0,0],[1,0,0]]}", 80, false, true);
	assert_non_null(strstr(page, "      1 B │"));
}

/* What is not there, not known, or not what it should be. */
static void test_strange_documents(void **state)
{
	static const char *const documents[] = {
		"{}",
		"[]",
		"null",
		"{\"total_bytes\":\"1\",\"groups\":{},\"history\":7,\"last\":[],\"oom_kills\":1}",
		"{\"total_bytes\":18446744073709551615,\"cache_bytes\":18446744073709551615,\"free_bytes\":0,\"cpu_ms\":1e308,\"looked_ms\":-1e308,\"last\":{\"at_ms\":1e300}}",
		"{\"total_bytes\":1,\"free_bytes\":18446744073709551615}",
		"{\"total_bytes\":10,\"history\":[[5,1,1],[1,1,1]]}",
		"{\"total_bytes\":10,\"history\":[[5,1,1],[1,99,1],[18446744073709551615,99,1000],[6,1,1],[9,5,5]]}",
		"{\"total_bytes\":10,\"history\":[[0,1,1],[18446744073709551615,2,1]]}",
		"{\"total_bytes\":0,\"history\":[[0,1,1],[1,2,1]]}",
		"{\"total_bytes\":10,\"history\":[{},[],1,[\"\"],[7]]}",
		"{\"groups\":[1,{},{\"name\":\"containers/\"},{\"name\":\"containers\"}]}",
		"{\"reporting_order\":-1,\"pressure_percent\":1.5}",
		"{\"oom_kills\":{\"count\":1}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(documents); i++)
		for (int bits = 0; bits < 4; bits++)
			render(documents[i], 80, bits & 1, bits & 2);
	/* Nobody has looked: nothing is said of the kernel. */
	render("{\"mode\":\"unknown\",\"abilities\":{\"cgroup\":false}}", 80, false, false);
	assert_null(strstr(page, "Missing"));
	assert_non_null(strstr(page, "Now         nothing to do\n"));
	render("{\"steps\":1,\"compactions\":1,\"groups\":[{\"name\":\".\"}]}", 80, false, false);
	assert_non_null(strstr(page, " in 1 step, "));
	assert_non_null(strstr(page, "Compaction  1 time, "));
	assert_non_null(strstr(page, "\nthe rest  "));
	render("{\"mode\":\"off\",\"abilities\":{\"cgroup\":false,\"psi\":false,\"reporting\":false}}",
		80, false, false);
	assert_non_null(strstr(page,
		"Missing     control groups with memory (v2), page reporting\n"));
	render("{\"working\":true,\"waiting\":\"x\",\"oom_kills\":{\"count\":1,\"last\":[{\"global\":true,"
	       "\"group\":\"engine\",\"process\":\"p\"}]}}",
		80, false, false);
	assert_non_null(strstr(page, "Now         working\n"));
	assert_non_null(strstr(page, "p (pid 0) of engine, for want of memory in the whole guest"));
}

/* Others name groups, containers and processes. */
static void test_control_characters(void **state)
{
	(void)state;
	render("{\"mode\":\"\\u001b[2J\",\"waiting\":\"\\u0007\",\"last\":{\"at_ms\":1,\"text\":\"\\r\\n\"},"
	       "\"groups\":[{\"name\":\"containers/\\u001b]0;x\\u0007\"},{\"name\":\"\\u00e9\\u00e9\\u00e9"
	       "\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\"}],"
	       "\"oom_kills\":{\"count\":1,\"last\":[{\"process\":\"\\u001b\",\"group\":\"\\b\","
	       "\"container\":\"\\u007f\"}]}}",
		40, false, false);
	for (const char *p = page; *p; p++)
		assert_true((unsigned char)*p >= 0x20 || *p == '\n');
	assert_null(strchr(page, '\x7f'));
}

static const char *line_of(void (*print)(FILE *, yyjson_val *), const char *json)
{
	yyjson_doc *doc = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);
	FILE *out = fmemopen(page, sizeof(page), "w");

	assert_non_null(out);
	print(out, yyjson_doc_get_root(doc));
	assert_int_equal(fclose(out), 0);
	yyjson_doc_free(doc);
	return page;
}

static void test_lines(void **state)
{
	(void)state;
	assert_string_equal(line_of(memory_view_settings,
				    "{\"mode\":\"off\",\"target_bytes\":null}"),
		"mode off, no target\n");
	assert_string_equal(line_of(memory_view_settings,
				    "{\"mode\":\"gradual\",\"target_bytes\":1048576}"),
		"mode gradual, target 1.0 MiB (kept in mode adaptive only)\n");
	assert_string_equal(
		line_of(memory_view_answer,
			"{\"reclaimed_bytes\":613416960,\"free_before_bytes\":419430400,"
			"\"free_after_bytes\":1073741824,\"reason\":\"nothing\",\"detail\":\"nothing cold is left\","
			"\"took_ms\":1200.5}"),
		"585.0 MiB given back in 1.2 s; free before 400.0 MiB, now 1.0 GiB: nothing cold is left\n");
	assert_string_equal(line_of(memory_view_answer, "{}"),
		"0 B given back in 0.0 ms; free before 0 B, now 0 B\n");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_bytes),
	cmocka_unit_test(test_page),
	cmocka_unit_test(test_widths),
	cmocka_unit_test(test_colours_and_blocks),
	cmocka_unit_test(test_strange_documents),
	cmocka_unit_test(test_control_characters),
	cmocka_unit_test(test_lines),
};

UNIT_TEST_MAIN(tests)
