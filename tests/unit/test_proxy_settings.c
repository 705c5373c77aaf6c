/* SPDX-License-Identifier: MIT
 *
 * Proxies: taken from an environment, written, read back, shown.
 */
#include "tests/unit/unit_test.h"

#include <string.h>

#include "agent/common/proxy_settings.h"

#define BLOCK(text) text, sizeof(text) - 1

static void test_environment(void **state)
{
	struct proxy_settings settings;

	(void)state;
	assert_int_equal(
		proxy_settings_from_environment(
			BLOCK("PATH=/bin\0http_proxy=http://low\0HTTP_PROXY=http://up\0HTTPS_PROXY=\0"
			      "https_proxy=s\0no_proxy=a,b\0NONSENSE\0XHTTP_PROXY=x\0"),
			&settings),
		0);
	assert_string_equal(settings.value[PROXY_HTTP], "http://up");
	assert_string_equal(settings.value[PROXY_HTTPS], "s");
	assert_string_equal(settings.value[PROXY_NO], "a,b");
	/* In the other order, without a last NUL. */
	assert_int_equal(proxy_settings_from_environment(
				 BLOCK("HTTP_PROXY=http://up\0http_proxy=http://low"), &settings),
		0);
	assert_string_equal(settings.value[PROXY_HTTP], "http://up");
	assert_true(proxy_settings_any(&settings));
	assert_int_equal(proxy_settings_from_environment(BLOCK("NO_PROXY=long\0NO_PROXY=a"),
				 &settings),
		0);
	assert_memory_equal(settings.value[PROXY_NO], "a\0\0\0", 5);
	assert_int_equal(proxy_settings_from_environment("", 0, &settings), 0);
	assert_false(proxy_settings_any(&settings));
}

static void test_bad(void **state)
{
	char block[PROXY_SETTINGS_VALUE + 32] = "HTTP_PROXY=", line[PROXY_SETTINGS_VALUE + 32];
	struct proxy_settings settings;

	(void)state;
	assert_int_equal(proxy_settings_from_environment(BLOCK("HTTP_PROXY=a\nB=c"), &settings),
		-EINVAL);
	/* Nothing is left of those before it. */
	assert_int_equal(proxy_settings_from_environment(
				 BLOCK("HTTP_PROXY=http://u:p@h\0NO_PROXY=a\1"), &settings),
		-EINVAL);
	assert_false(proxy_settings_any(&settings));
	assert_int_equal(proxy_settings_from_file("HTTP_PROXY=http://u:p@h\nNO_PROXY=a\tb\n",
				 &settings),
		-EINVAL);
	assert_false(proxy_settings_any(&settings));
	memset(block + strlen(block), 'x', PROXY_SETTINGS_VALUE);
	assert_int_equal(proxy_settings_from_environment(block, strlen(block), &settings), -EINVAL);
	block[strlen(block) - 1] = '\0';
	assert_int_equal(proxy_settings_from_environment(block, strlen(block), &settings), 0);
	assert_int_equal(strlen(settings.value[PROXY_HTTP]), PROXY_SETTINGS_VALUE - 1);
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	memcpy(line, "NO_PROXY=", 9);
	assert_int_equal(proxy_settings_from_file(line, &settings), -EINVAL);
}

static void test_file(void **state)
{
	struct proxy_settings settings = {{"http://u:p\"\\$x@h:1", "", "localhost, 10.0.0.0/8"}},
			      again;
	char text[PROXY_SETTINGS_TEXT];

	(void)state;
	assert_int_equal(proxy_settings_write(&settings, text, sizeof(text)), 0);
	assert_string_equal(text,
		"HTTP_PROXY=\"http://u:p\\\"\\\\$x@h:1\"\nhttp_proxy=\"http://u:p\\\"\\\\$x@h:1\"\n"
		"NO_PROXY=\"localhost, 10.0.0.0/8\"\nno_proxy=\"localhost, 10.0.0.0/8\"\n");
	assert_int_equal(proxy_settings_from_file(text, &again), 0);
	assert_memory_equal(&again, &settings, sizeof(settings));
	assert_int_equal(proxy_settings_write(&settings, text, 40), -ENOSPC);
	assert_int_equal(proxy_settings_from_file(
				 "# by hand\n\nHTTP_PROXY=http://h \r\nno_proxy='a\\b'\nNO\n",
				 &again),
		0);
	assert_string_equal(again.value[PROXY_HTTP], "http://h");
	assert_string_equal(again.value[PROXY_NO], "a\\b");
	assert_int_equal(proxy_settings_from_file("HTTP_PROXY=a\\\nHTTPS_PROXY=\"x'\nNO_PROXY=\n",
				 &again),
		0);
	assert_string_equal(again.value[PROXY_HTTP], "a\\");
	assert_string_equal(again.value[PROXY_HTTPS], "\"x'");
	assert_int_equal(proxy_settings_from_file("HTTPS_PROXY=\"", &again), 0);
	assert_string_equal(again.value[PROXY_HTTPS], "\"");
}

static void test_mask(void **state)
{
	static const struct {
		const char *value, *shown;
	} cases[] = {
		{"", ""},
		{"http://h:3128", "http://h:3128"},
		{"http://u:p@h:3128/", "http://***@h:3128/"},
		{"http://u:p@ss@h", "http://***@h"},
		{"u:p@h", "***@h"},
		{"http://u:pa/ss@h", "http://***@h"},
		{"u:pa/ss@h", "***@h"},
		{"u:p://ss@h", "***@h"},
		{"://u:p@h", "***@h"},
		{"http://h/a@b", "http://***@b"},
		{"@", "***@"},
	};
	char text[PROXY_SETTINGS_VALUE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(proxy_settings_mask(cases[i].value, text), cases[i].shown);
	assert_string_equal(proxy_settings_variable(PROXY_HTTPS), "HTTPS_PROXY");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_environment),
	cmocka_unit_test(test_bad),
	cmocka_unit_test(test_file),
	cmocka_unit_test(test_mask),
};

UNIT_TEST_MAIN(tests)
