/* SPDX-License-Identifier: MIT
 *
 * test_disk_space.c - looks at how full the data disk is: one that fails says so, and the next one is made nevertheless.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/loop_test.h"

#include "agent/disk_space.h"
#include "agent/runner.h"

static struct loop loop;
static struct disk_space space;
static struct disk_seen seen;
static unsigned int looks, words;
static char directory[64];
static uint64_t device;

static void on_space(void *ctx, bool word)
{
	assert_ptr_equal(ctx, &space);
	looks++;
	words += word;
}

static int set_up(void **state)
{
	const struct space_policy policy = {.calm_us = 30 * USEC_PER_SEC};
	struct stat info;

	(void)state;
	(void)snprintf(directory, sizeof(directory), "/tmp/keel-space-XXXXXX");
	assert_non_null(mkdtemp(directory));
	assert_int_equal(stat(directory, &info), 0);
	device = info.st_dev;
	runner_use(&(struct runner_options){.data = directory, .root_fd = -1, .base_fd = -1});
	assert_int_equal(loop_init(&loop), 0);
	seen = (struct disk_seen){0};
	looks = words = 0;
	disk_space_init(&space, &loop, &policy, &seen, on_space, &space);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	disk_space_stop(&space);
	loop_fini(&loop);
	(void)rmdir(directory);
	return 0;
}

static void expect_known(bool known)
{
	assert_int_equal(seen.space_known, known);
	assert_int_equal(seen.space.total > 0, known);
	assert_false(!known && seen.forecast.full_known);
	assert_true(seen.space.at_us > 0);
	assert_true(space.timer.at_us > clock_now_us()); /* it goes on by itself */
}

/* Its time has come. */
static void expire(void)
{
	unsigned int before = looks;

	loop_timer_set(&loop, &space.timer, clock_now_us(), space.timer.fn, space.timer.ctx);
	LOOP_UNTIL(&loop, looks > before);
}

static void test_a_failed_look_is_not_the_last(void **state)
{
	(void)state;
	disk_space_start(&space, directory, device);
	expect_known(true);
	assert_int_equal(words, 1); /* now it is known */
	assert_int_equal(rmdir(directory), 0);
	expire();
	expect_known(false);
	assert_int_equal(words, 2);
	expire();
	expect_known(false);
	assert_int_equal(words, 2);
	disk_space_refresh(&space,
		USEC_PER_SEC); /* a failed one is fresh, too: not at every wake-up */
	assert_int_equal(looks, 3);
	assert_int_equal(mkdir(directory, 0700), 0);
	expire();
	expect_known(true);
	assert_int_equal(words, 3);
	disk_space_stop(&space);
	assert_false(seen.space_known);
	assert_int_equal(seen.space.free, 0);
}

/* What is below a disk that somebody unmounted has room of its own. */
static void test_another_file_system(void **state)
{
	(void)state;
	disk_space_start(&space, directory, device + 1);
	expect_known(false);
	assert_int_equal(words, 0);
	assert_int_equal(looks, 1);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	TEST(test_a_failed_look_is_not_the_last),
	TEST(test_another_file_system),
};

UNIT_TEST_MAIN(tests)
