/* SPDX-License-Identifier: MIT
 *
 * test_e2fsck.c - e2fsck's exit status, every one, and its progress lines.
 */
#include "init/disk/e2fsck.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/unit_test.h"

/* e2fsck(8), written down apart from the implementation. */
static enum disk_check expected(int status)
{
	if (status == 0 || status == 1)
		return DISK_CHECK_PASSED;
	if (status > 0 && status < 128 && (status & 4) != 0)
		return DISK_CHECK_NEEDS_DECISION;
	return DISK_CHECK_CANNOT_RUN;
}

static void test_every_status(void **state)
{
	(void)state;
	for (int status = -4096; status <= 1024; status++)
		assert_int_equal(e2fsck_judge(status), expected(status));
}

static void test_a_signal_is_no_verdict(void **state)
{
	(void)state;
	/* 128 + SIGILL has the bit of "left uncorrected", 128 + SIGHUP that of "corrected". */
	for (int number = 1; number < _NSIG; number++)
		assert_int_equal(e2fsck_judge(128 + number), DISK_CHECK_CANNOT_RUN);
}

static bool feed(struct e2fsck_progress *progress, const char *text)
{
	return e2fsck_progress_feed(progress, text, strlen(text));
}

static void test_progress_of_a_check(void **state)
{
	struct e2fsck_progress progress = {0};

	(void)state;
	assert_false(feed(&progress, "1 0 24 /dev/sda\n"));
	assert_int_equal(progress.permille, 0);
	assert_true(feed(&progress, "1 12 24 /dev/sda\n"));
	assert_int_equal(progress.permille, 350);
	assert_true(feed(&progress, "1 24 24 /dev/sda\n2 0 0 /dev/sda\n"));
	assert_int_equal(progress.permille, 700);
	assert_true(feed(&progress, "2 1 2 /dev/sda\n"));
	assert_int_equal(progress.permille, 800);
	assert_true(feed(&progress, "5 24 24 /dev/sda\n"));
	assert_int_equal(progress.permille, 1000);
	/* It never goes back: e2fsck starts again from its first pass at times. */
	assert_false(feed(&progress, "1 1 24 /dev/sda\n"));
	assert_int_equal(progress.permille, 1000);
}

static void test_progress_in_pieces(void **state)
{
	static const char text[] = "1 6 24 /dev/sda\n3 1 1 /dev/sda\n";
	struct e2fsck_progress progress = {0};
	int grown = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		grown += e2fsck_progress_feed(&progress, text + i, 1);
	assert_int_equal(grown, 2);
	assert_int_equal(progress.permille, 920);
}

static void test_what_is_no_progress(void **state)
{
	static const char *const lines[] = {"\n", "1\n", "1 2\n", "1 2 3\n", "0 1 1 /dev/sda\n",
		"6 1 1 /dev/sda\n", "-1 1 1 /dev/sda\n", "1 -1 1 /dev/sda\n", "1  1 1 /dev/sda\n",
		"x 1 1 /dev/sda\n", "1 x 1 /dev/sda\n", "1 1 x /dev/sda\n", " 1 1 1 /dev/sda\n",
		"99999999999999999999999999 1 1 /dev/sda\n",
		"1 1 99999999999999999999999 /dev/sda\n", "1 1 1 /dev/sda"};
	struct e2fsck_progress progress = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		assert_false(feed(&progress, lines[i]));
		assert_int_equal(progress.permille, 0);
	}
	/* The last had no end: what follows belongs to it. */
	assert_true(feed(&progress, "x\n"));
}

static void test_progress_beyond_its_maximum(void **state)
{
	struct e2fsck_progress progress = {0};

	(void)state;
	assert_true(feed(&progress, "1 18446744073709551615 3 /dev/sda\n"));
	assert_int_equal(progress.permille, 700);
	assert_true(feed(&progress, "2 9223372036854775807 18446744073709551615 /dev/sda\n"));
	assert_in_range(progress.permille, 799, 800);
}

static void test_a_line_too_long_is_skipped(void **state)
{
	struct e2fsck_progress progress = {0};
	char line[sizeof(progress.line) + 40];

	(void)state;
	for (size_t len = sizeof(progress.line) - 2; len < sizeof(line); len++) {
		progress = (struct e2fsck_progress){0};
		memset(line, 'x', len);
		memcpy(line, "5 1 1 ", 6);
		line[len] = '\n';
		assert_int_equal(e2fsck_progress_feed(&progress, line, len + 1),
			len < sizeof(progress.line));
		assert_true(feed(&progress, "5 1 1 /dev/sda\n") ==
			    (progress.permille == 1000 && len >= sizeof(progress.line)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_status),
		cmocka_unit_test(test_a_signal_is_no_verdict),
		cmocka_unit_test(test_progress_of_a_check),
		cmocka_unit_test(test_progress_in_pieces),
		cmocka_unit_test(test_what_is_no_progress),
		cmocka_unit_test(test_progress_beyond_its_maximum),
		cmocka_unit_test(test_a_line_too_long_is_skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
