/* SPDX-License-Identifier: MIT
 *
 * test_notify.c - sd_notify(3) datagrams, as daemons write them and as nobody should.
 */
#include <string.h>

#include "init/notify.h"
#include "tests/unit/unit_test.h"

static struct notify_message parse(const char *text, size_t len)
{
	struct notify_message message;

	memset(&message, 0xee, sizeof(message));
	notify_parse(text, len, &message);
	return message;
}

#define PARSE(text) parse(text, sizeof(text) - 1)

static void test_ready(void **state)
{
	(void)state;
	assert_true(PARSE("READY=1").ready);
	assert_true(PARSE("READY=1\n").ready);
	assert_true(PARSE("MAINPID=5\nREADY=1\nSTATUS=up").ready);
	assert_false(PARSE("").ready);
	assert_false(PARSE("READY=0").ready);
	assert_false(PARSE("READY=1x").ready);
	assert_false(PARSE("READY=1\0").ready);
	assert_false(PARSE(" READY=1").ready);
	assert_false(PARSE("XREADY=1").ready);
	assert_false(PARSE("STATUS=READY=1").ready);
	assert_false(PARSE("STOPPING=1").ready);
	assert_false(parse("READY=1", 6).ready);
}

static void test_status(void **state)
{
	(void)state;
	assert_string_equal(PARSE("STATUS=loading").status, "loading");
	assert_string_equal(PARSE("STATUS=loading\nREADY=1").status, "loading");
	assert_string_equal(PARSE("STATUS=a\nSTATUS=bc").status, "bc"); /* the last word counts */
	assert_string_equal(PARSE("STATUS=long\nSTATUS=x").status, "x");
	assert_string_equal(PARSE("STATUS=").status, "");
	assert_string_equal(PARSE("STATUS").status, "");
	assert_string_equal(PARSE("READY=1").status, "");
	assert_string_equal(parse("STATUS=abc", 8).status, "a"); /* no NUL, no more than len */
}

static void test_long_status_is_cut(void **state)
{
	char text[1024];
	struct notify_message message;

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, "STATUS=", 7);
	message = parse(text, sizeof(text));
	assert_int_equal(strlen(message.status), sizeof(message.status) - 1);
}

static void test_every_field(void **state)
{
	struct notify_message message =
		PARSE("RELOADING=1\nSTOPPING=1\nWATCHDOG=1\nMAINPID=4711\n"
		      "EXTEND_TIMEOUT_USEC=5000000\nWATCHDOG_USEC=20\nX_OTHER=1");

	(void)state;
	assert_true(message.reloading && message.stopping && message.watchdog);
	assert_false(message.ready || message.watchdog_trigger || message.has_status);
	assert_int_equal(message.main_pid, 4711);
	assert_int_equal(message.extend_us, 5000000);
	assert_int_equal(message.watchdog_us, 20);
	assert_true(PARSE("WATCHDOG=trigger").watchdog_trigger);
	assert_false(PARSE("WATCHDOG=trigger").watchdog);
	assert_true(PARSE("STATUS=").has_status);
}

/* A value that is none, or out of range, is as if it had not been said. */
static void test_bad_numbers(void **state)
{
	static const char *const bad[] = {"MAINPID=", "MAINPID=-1", "MAINPID=+5", "MAINPID= 5",
		"MAINPID=5x", "MAINPID=0", "MAINPID=2147483648", "MAINPID=99999999999999999999999"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse(bad[i], strlen(bad[i])).main_pid, 0);
	assert_int_equal(PARSE("EXTEND_TIMEOUT_USEC=8640000000001").extend_us, 0);
	assert_int_equal(PARSE("EXTEND_TIMEOUT_USEC=8640000000000").extend_us, 8640000000000);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_every_field),
	cmocka_unit_test(test_bad_numbers),
	cmocka_unit_test(test_ready),
	cmocka_unit_test(test_status),
	cmocka_unit_test(test_long_status_is_cut),
};

UNIT_TEST_MAIN(tests)
