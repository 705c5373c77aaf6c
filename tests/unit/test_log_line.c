/* SPDX-License-Identifier: MIT
 *
 * test_log_line.c - stored lines: written, read back, refused; names; what a terminal must not obey; the kernel's
 * records; times that people write.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/unit_test.h"

#include "agent/common/log_line.h"
#include "agent/ctl/kmsg.h"
#include "agent/ctl/log_time.h"
#include "lib/clock.h"

static void stamped(void **state)
{
	char prefix[LOG_PREFIX_MAX];
	size_t len = log_line_stamp(prefix, UINT64_C(1795634138123456), 12345678);

	(void)state;
	assert_string_equal(prefix, "2026-11-25T19:15:38.123456Z 12.345678 ");
	assert_int_equal(len, strlen(prefix));
}

static void read_back(void **state)
{
	static const uint64_t times[][2] = {{0, 0}, {UINT64_C(1795634138123456), 12345678},
		{UINT64_C(951782400000000), 1},
		{UINT64_C(4102444799999999), UINT64_C(9999999999999999)}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		char text[LOG_PREFIX_MAX + 8];
		size_t len = log_line_stamp(text, times[i][0], times[i][1]);
		struct log_line line;

		memcpy(text + len, "a  b", 5);
		assert_int_equal(log_line_parse(text, len + 4, &line), 0);
		assert_true(line.wall_us == times[i][0]);
		assert_true(line.boot_us == times[i][1]);
		assert_int_equal(line.len, 4);
		assert_memory_equal(line.text, "a  b", 4);
		/* An empty line is one too. */
		assert_int_equal(log_line_parse(text, len, &line), 0);
		assert_int_equal(line.len, 0);
		for (size_t cut = 0; cut < len; cut++)
			assert_int_equal(log_line_parse(text, cut, &line), -EINVAL);
	}
}

static void refused(void **state)
{
	static const char *const lines[] = {
		"",
		"text",
		"2026-13-25T19:15:38.123456Z 12.345678 text",
		"2026-11-25T24:15:38.123456Z 12.345678 text",
		"2026-11-25T19:15:38,123456Z 12.345678 text",
		"2026-11-25T19:15:38.123456Z 12.34567 text",
		"2026-11-25T19:15:38.123456Z 12.345678text",
		"2026-11-25T19:15:38.123456Z 12345678901.345678 text",
		"2026-11-25T19:15:38.123456Z -1.345678 text",
		"2026-11-25T19:15:38.123456+ 12.345678 text",
	};
	struct log_line line;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		assert_int_equal(log_line_parse(lines[i], strlen(lines[i]), &line), -EINVAL);
}

static void expect_harmless(const char *text, size_t len, const char *want)
{
	char out[256];
	size_t n = log_line_harmless(out, text, len);

	assert_int_equal(n, strlen(want));
	assert_memory_equal(out, want, n);
}

static void harmless(void **state)
{
	(void)state;
	expect_harmless("a\tb \xc3\xa4 \xf0\x9f\x90\xb3", 11, "a\tb \xc3\xa4 \xf0\x9f\x90\xb3");
	expect_harmless("\x1b[31m\x07\r", 7, "\\x1b[31m\\x07\\x0d");
	expect_harmless("\0\x7f", 2, "\\x00\\x7f");
	/* C1 controls, in UTF-8 and bare; an overlong form; a surrogate; a sequence that is cut. */
	expect_harmless("\xc2\x9b\x9b", 3, "\\xc2\\x9b\\x9b");
	expect_harmless("\xc0\xaf\xed\xa0\x80", 5, "\\xc0\\xaf\\xed\\xa0\\x80");
	expect_harmless("\xf0\x9f\x90", 3, "\\xf0\\x9f\\x90");
	expect_harmless("\xf5\x80\x80\x80", 4, "\\xf5\\x80\\x80\\x80");
}

static void names(void **state)
{
	static const char *const bad[] = {"", ".", "..", "../x", "a/b", ".hidden", "a b", "a%2f",
		"x\n", ".service", "123456789-123456789-123456789-123456789-123456789-123456789-"};
	char name[LOG_NAME_MAX];

	(void)state;
	assert_int_equal(log_name_complete("docker", 6, name), 0);
	assert_string_equal(name, "docker.service");
	assert_int_equal(log_name_complete("docker.service", 14, name), 0);
	assert_string_equal(name, "docker.service");
	assert_int_equal(log_name_complete("user@1.x", 8, name), 0);
	assert_string_equal(name, "user@1.x.service");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(log_name_complete(bad[i], strlen(bad[i]), name), -EINVAL);
	assert_int_equal(log_name_complete("a\0b", 3, name), -EINVAL);
	assert_false(log_name_valid("docker", 6));
}

static void kernel_records(void **state)
{
	static const char *const bad[] = {"", "6", "6,1,2", "6,1,2,-", "x,1,2,-;t", "6,,2,-;t",
		"6,1,1234567890123456789,-;t"};
	const char *text = "30,339,5140900,-;keel-init: hello\n SUBSYSTEM=acpi\n";
	struct kmsg_record record;

	(void)state;
	assert_int_equal(kmsg_parse(text, strlen(text), &record), 0);
	assert_int_equal(record.level, 6);
	assert_true(record.boot_us == 5140900);
	assert_int_equal(record.len, strlen("keel-init: hello"));
	assert_memory_equal(record.text, "keel-init: hello", record.len);
	assert_int_equal(kmsg_parse("4,1,2,c;", 8, &record), 0);
	assert_int_equal(record.len, 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(kmsg_parse(bad[i], strlen(bad[i]), &record), -EINVAL);
}

static uint64_t parsed_s(const char *text)
{
	/* 2026-11-25 19:15:38 UTC */
	uint64_t us = 0;

	assert_int_equal(log_time_parse(text, UINT64_C(1795634138) * USEC_PER_SEC, &us), 0);
	return us / USEC_PER_SEC;
}

static void times(void **state)
{
	static const char *const bad[] = {"", "tomorrow", "25:00", "1:2:3:4", "2026-13-01",
		"2026-01-01 1", "-5", "5 min", "-5min ago", "5 min late", "@", "@x", "2026-01-01x",
		"-1-3-1", "+5 min ago", " 5 min ago", "+1:2", "@-1", "@12345678901"};
	uint64_t us;

	(void)state;
	assert_int_equal(setenv("TZ", "UTC0", 1), 0);
	tzset();
	assert_int_equal(parsed_s("now"), 1795634138);
	assert_int_equal(parsed_s("@17"), 17);
	assert_int_equal(parsed_s("@4000000000"), 4000000000);
	assert_int_equal(parsed_s("today"), 1795564800);
	assert_int_equal(parsed_s("yesterday"), 1795564800 - 86400);
	assert_int_equal(parsed_s("17:00"), 1795564800 + 17 * 3600);
	assert_int_equal(parsed_s("17:00:09"), 1795564800 + 17 * 3600 + 9);
	assert_int_equal(parsed_s("2026-11-24"), 1795564800 - 86400);
	assert_int_equal(parsed_s("2026-11-24 01:02:03"), 1795564800 - 86400 + 3723);
	assert_int_equal(parsed_s("2026-11-24T01:02"), 1795564800 - 86400 + 3720);
	assert_int_equal(parsed_s("-5min"), 1795634138 - 300);
	assert_int_equal(parsed_s("5 min ago"), 1795634138 - 300);
	assert_int_equal(parsed_s("-2h"), 1795634138 - 7200);
	assert_int_equal(parsed_s("1 day ago"), 1795634138 - 86400);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(log_time_parse(bad[i], 1, &us), -EINVAL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(stamped),
	cmocka_unit_test(read_back),
	cmocka_unit_test(refused),
	cmocka_unit_test(harmless),
	cmocka_unit_test(names),
	cmocka_unit_test(kernel_records),
	cmocka_unit_test(times),
};

UNIT_TEST_MAIN(tests)
