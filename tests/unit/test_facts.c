/* SPDX-License-Identifier: MIT
 *
 * test_facts.c - records into facts, clean text.
 */
#include <string.h>

#include "tests/unit/unit_test.h"

#include "agent/common/facts.h"
#include "agent/common/system.h"

static void check_text(const char *in, const char *out)
{
	char text[64];

	strcpy(text, in);
	text_sanitize(text);
	assert_string_equal(text, out);
}

static void test_text_becomes_clean_utf8(void **state)
{
	(void)state;
	check_text("", "");
	check_text("plain", "plain");
	check_text("gr\xc3\xb6\xc3\x9f"
		   "er \xe2\x82\xac \xf0\x9f\x90\xb3",
		"gr\xc3\xb6\xc3\x9f"
		"er \xe2\x82\xac \xf0\x9f\x90\xb3");
	check_text("a\nb\tc\x7f"
		   "d\x1b[31m",
		"a?b?c?d?[31m");
	check_text("\xc2\x9b"
		   "31m \xc2\x80\xc2\x9f \xc2\xa0",
		"??31m ???? \xc2\xa0");
	check_text("cut \xe2\x82", "cut ??"); /* the end of a fixed-size field */
	check_text("\xc0\xaf overlong", "?? overlong");
	check_text("\xe0\x80\xaf", "???");
	check_text("\xed\xa0\x80 surrogate", "??? surrogate");
	check_text("\xf4\x90\x80\x80 beyond", "???? beyond");
	check_text("\xff\xfe", "??");
	check_text("\x80", "?");
}

static void test_records_are_kept_by_index(void **state)
{
	struct facts facts = {0};
	struct control_record record = {.type = CONTROL_RECORD_SERVICE, .index = 7};

	(void)state;
	strcpy(record.service.name, "docker.service");
	strcpy(record.service.status, "a\x01");
	record.service.pid = 12;
	facts_apply_record(&facts, &record);
	assert_ptr_equal(facts_find_service(&facts, "docker.service"), &facts.services[7]);
	assert_int_equal(facts.services[7].pid, 12);
	assert_string_equal(facts.services[7].status, "a?");
	assert_null(facts_find_service(&facts, "other.service"));

	memset(&record.stage, 0, sizeof(record.stage));
	record.type = CONTROL_RECORD_STAGE;
	record.index = CONTROL_STAGES_MAX - 1;
	strcpy(record.stage.name, "modules");
	record.stage.state = STAGE_STATE_RUNNING;
	facts_apply_record(&facts, &record);
	assert_false(facts_stage_over(&facts, "modules"));
	record.stage.state = STAGE_STATE_FAILED;
	facts_apply_record(&facts, &record);
	assert_true(facts_stage_over(&facts, "modules"));
	assert_false(facts_stage_over(&facts, "net"));
}

static void test_boot_and_disk(void **state)
{
	struct facts facts = {0};
	struct control_record record = {.type = CONTROL_RECORD_BOOT};

	(void)state;
	record.boot.state = BOOT_STATE_DEGRADED;
	facts_apply_record(&facts, &record);
	assert_true(facts.boot_known);
	assert_int_equal(facts.boot.state, BOOT_STATE_DEGRADED);
	memset(&record.disk, 0, sizeof(record.disk));
	record.type = CONTROL_RECORD_DISK;
	record.disk.state = DISK_STATE_MOUNTED;
	strcpy(record.disk.label, "\xff");
	facts_apply_record(&facts, &record);
	assert_string_equal(facts.disk.label, "?");
	record.type = CONTROL_RECORD_END;
	facts_apply_record(&facts, &record);
	assert_int_equal(facts.disk.state, DISK_STATE_MOUNTED);
}

static void test_lists_of_processors(void **state)
{
	static const struct {
		const char *list;
		unsigned int count;
	} cases[] = {{"0\n", 1}, {"0-3\n", 4}, {"0-3,8,10-11\n", 7}, {"7", 1}, {"0-65535", 65536},
		{"", 0}, {"\n", 0}, {"3-", 0}, {"3-1\n", 0}, {"-3", 0}, {"0,\n", 0}, {"0;1", 0},
		{"0-65536", 0}, {"0-4294967296\n", 0}, {"0-65535,0", 0}, {"all\n", 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(system_count_cpus(cases[i].list), cases[i].count);
}

static void test_system_facts_of_this_machine(void **state)
{
	static const struct facts none;
	static struct system_facts facts;

	(void)state;
	system_read_facts(&facts, &none);
	assert_in_range(facts.cpus, 1, facts.cpus_present);
	assert_in_range(facts.cpus_usable, 1, facts.cpus);
	assert_false(proxy_settings_any(&facts.network.proxies));
	assert_true(facts.memory.total > 0);
	assert_true(facts.memory.available <= facts.memory.total);
	assert_true(facts.uptime_us > 0);
	assert_int_equal(strlen(facts.boot_id), 36);
	assert_true(facts.release[0] != '\0');
}

static void test_the_same_but_for_numbers(void **state)
{
	(void)state;
	assert_true(text_same_words("", ""));
	assert_true(text_same_words("silent for 9 s", "silent for 10 s"));
	assert_false(text_same_words("silent for 9 s", "silent for 9 s; restarted"));
	assert_false(text_same_words("silent for 9 s", "silent for long s"));
	assert_false(text_same_words("sda1 is full", "sda2 is full"));
	assert_false(text_same_words("", "9"));
}

static void test_counts_that_are_told(void **state)
{
	static const struct {
		uint64_t count, told;
		bool news;
	} cases[] = {{0, 0, false}, {1, 0, true}, {1, 1, false}, {2, 1, true}, {3, 2, false},
		{4, 2, true}, {1, 2, true}, {0, 1, true}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(count_is_news(cases[i].count, cases[i].told), cases[i].news);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_becomes_clean_utf8),
		cmocka_unit_test(test_records_are_kept_by_index),
		cmocka_unit_test(test_the_same_but_for_numbers),
		cmocka_unit_test(test_counts_that_are_told),
		cmocka_unit_test(test_boot_and_disk),
		cmocka_unit_test(test_lists_of_processors),
		cmocka_unit_test(test_system_facts_of_this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
