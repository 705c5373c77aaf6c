/* SPDX-License-Identifier: MIT
 *
 * test_memory_limits.c - the limits for every size of a VM, and how they are written.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/file.h"
#include "lib/memory_limits.h"
#include "tests/unit/unit_test.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static struct memory_limits of(uint64_t total, uint64_t reserve, unsigned int zram_percent)
{
	struct memory_limits limits;

	memory_limits(total, reserve, zram_percent, &limits);
	return limits;
}

static void test_reserve_by_size(void **state)
{
	static const struct {
		uint64_t total, reserve;
	} table[] = {
		{256 * MIB, 64 * MIB},
		{512 * MIB, 128 * MIB},
		{768 * MIB, 192 * MIB},
		{1 * GIB, 224 * MIB},
		{2 * GIB, 224 * MIB},
		{10 * GIB, 512 * MIB},
		{20 * GIB, 1 * GIB},
		{64 * GIB, 1 * GIB},
		{4096 * GIB, 1 * GIB},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		assert_int_equal(of(table[i].total, 0, 0).reserve, table[i].reserve);
}

/* Whatever the size, the reserve and the swap: what is protected fits into what containers leave, and they may have half. */
static void test_always(void **state)
{
	static const uint64_t reserves[] = {0, 1, MIB, 100 * MIB, GIB, 40 * GIB, UINT64_MAX};
	static const unsigned int percents[] = {0, 1, 50, 200};

	(void)state;
	for (uint64_t total = MIB; total <= 1024 * GIB; total += total / 7 + 4096) {
		for (size_t i = 0; i < ARRAY_SIZE(reserves) * ARRAY_SIZE(percents); i++) {
			uint64_t reserve = reserves[i % ARRAY_SIZE(reserves)];
			unsigned int percent = percents[i / ARRAY_SIZE(reserves)];
			struct memory_limits limits = of(total, reserve, percent);

			assert_true(limits.containers_max + limits.reserve == total);
			assert_true(limits.reserve <= total / 2);
			assert_true(limits.containers_high <= limits.containers_max);
			/* Just below: a hog is not to live in between. */
			assert_true(limits.containers_high + 2 * MIB >= limits.containers_max);
			assert_true(limits.engine_min <= limits.engine_low);
			assert_true(limits.engine_low + limits.keel_min + limits.user_low <=
				    limits.reserve);
			if (reserve > 0 && reserve <= total / 4)
				assert_true(limits.reserve >= reserve);
		}
	}
}

static void test_larger_has_more(void **state)
{
	struct memory_limits before = of(64 * MIB, 0, 0);

	(void)state;
	for (uint64_t total = 64 * MIB; total < 128 * GIB; total += 64 * MIB) {
		struct memory_limits limits = of(total, 0, 0);

		assert_true(limits.containers_max >= before.containers_max);
		assert_true(limits.engine_low >= before.engine_low);
		before = limits;
	}
}

static void test_zram_makes_room(void **state)
{
	(void)state;
	assert_int_equal(of(4 * GIB, 0, 50).reserve - of(4 * GIB, 0, 0).reserve,
		4 * GIB / 200 * 50);
	/* The engine gets nothing of it. */
	assert_int_equal(of(4 * GIB, 0, 50).engine_low, of(4 * GIB, 0, 0).engine_low);
	assert_int_equal(of(4 * GIB, 0, 200).reserve, 2 * GIB);
}

static void test_unknown_size(void **state)
{
	struct memory_limits none = {.reserve = 0}, limits = of(0, GIB, 50);

	(void)state;
	assert_memory_equal(&limits, &none, sizeof(none));
}

/* ---- writing ------------------------------------------------------------------------------------- */

static char top[] = "/tmp/keel-memory-limits-XXXXXX";
static int top_fd;

static int set_up(void **state)
{
	static const char *const dirs[] = {"keel", "engine", "containers"}; /* no "user" */

	(void)state;
	top_fd = mkdtemp(top) ? open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (top_fd < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (mkdirat(top_fd, dirs[i], 0700) < 0)
			return -1;
	return 0;
}

static int tear_down(void **state)
{
	char command[96];

	(void)state;
	(void)close(top_fd);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", top);
	return system(command); /* NOLINT(cert-env33-c): a test's own directory */
}

static void put(const char *name, mode_t mode)
{
	_cleanup_close_ int fd = openat(top_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, mode);

	assert_true(fd >= 0);
}

static void expect(const char *name, const char *text)
{
	char found[32];

	assert_true(file_read_at(top_fd, name, found, sizeof(found)) >= 0);
	assert_string_equal(found, text);
}

struct failures {
	unsigned int count;
	char file[64];
	int error;
};

static void on_failure(void *ctx, const char *file, int error)
{
	struct failures *failures = ctx;

	failures->count++;
	failures->error = error;
	(void)snprintf(failures->file, sizeof(failures->file), "%s", file);
}

static void test_written(void **state)
{
	struct memory_limits limits = {
		.containers_max = 800 * MIB, .engine_low = 5, .engine_min = 0};
	struct failures failures = {.count = 0};

	(void)state;
	put("engine/memory.min", 0600);
	put("engine/memory.low", 0600);
	put("containers/memory.high", 0600);
	put("containers/memory.max", 0600);
	/* A file that cannot be written as one: the error is told, the rest is written. keel/ and user/ have none. */
	assert_int_equal(mkdirat(top_fd, "keel/memory.min", 0700), 0);
	assert_int_equal(memory_limits_apply(&limits, top_fd, on_failure, &failures), 1);
	assert_int_equal(failures.count, 1);
	assert_int_equal(failures.error, -EISDIR);
	assert_string_equal(failures.file, "keel/memory.min");
	expect("engine/memory.min", "0");
	expect("engine/memory.low", "5");
	expect("containers/memory.high", "max");
	expect("containers/memory.max", "838860800");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_reserve_by_size),
	cmocka_unit_test(test_always),
	cmocka_unit_test(test_larger_has_more),
	cmocka_unit_test(test_zram_makes_room),
	cmocka_unit_test(test_unknown_size),
	cmocka_unit_test_setup_teardown(test_written, set_up, tear_down),
};

UNIT_TEST_MAIN(tests)
