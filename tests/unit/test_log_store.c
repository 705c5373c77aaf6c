/* SPDX-License-Identifier: MIT
 *
 * test_log_store.c - keel-log's parts: where lines end, what a budget lets through, when files are rotated, what a
 * restart takes back, what is left of the spool.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/unit_test.h"

#include "agent/log/budget.h"
#include "agent/log/line_split.h"
#include "agent/log/spool.h"
#include "agent/log/store.h"
#include "lib/clock.h"

/* ---- lines ---------------------------------------------------------------------------------- */

static void split(const char *data, size_t len, bool ended, size_t used, size_t line_len)
{
	size_t got = 12345;

	assert_int_equal(line_split(data, len, ended, &got), used);
	assert_int_equal(got, line_len);
}

static void lines(void **state)
{
	(void)state;
	split("one\ntwo", 7, false, 4, 3);
	split("\n", 1, false, 1, 0);
	split("two", 3, false, 0, 0);
	split("two", 3, true, 3, 3);
	split("", 0, true, 0, 0);
	split("cr\r\n", 4, false, 4, 3);
	split("a\0b\n", 4, false, 4, 3);
}

static void long_lines(void **state)
{
	static char text[3 * LOG_TEXT_MAX];

	(void)state;
	memset(text, 'x', sizeof(text));
	split(text, LOG_TEXT_MAX, false, 0, 0);
	split(text, LOG_TEXT_MAX + 1, false, LOG_TEXT_MAX, LOG_TEXT_MAX);
	split(text, sizeof(text), true, LOG_TEXT_MAX, LOG_TEXT_MAX);
	/* One that is just as long as it may be, and its newline. */
	text[LOG_TEXT_MAX] = '\n';
	split(text, sizeof(text), false, LOG_TEXT_MAX + 1, LOG_TEXT_MAX);
	/* A character that lies across the cut goes to the next piece. */
	memcpy(text + LOG_TEXT_MAX - 2, "\xe2\x82\xac", 3);
	split(text, sizeof(text), false, LOG_TEXT_MAX - 2, LOG_TEXT_MAX - 2);
	/* No UTF-8 at all. */
	memset(text, 0x80, sizeof(text));
	split(text, sizeof(text), false, LOG_TEXT_MAX, LOG_TEXT_MAX);
}

/* ---- budget --------------------------------------------------------------------------------- */

static void budget(void **state)
{
	struct budget budget = {0};
	uint64_t start = 77;

	(void)state;
	assert_false(budget_spent(&budget, start));
	assert_true(budget_take(&budget, start, BUDGET_BYTES - 10));
	assert_true(budget_take(&budget, start + 5, 10));
	assert_true(budget_spent(&budget, start + 5));
	assert_false(budget_take(&budget, start + 6, 1));
	assert_false(budget_take(&budget, start + BUDGET_WINDOW_US - 1, 1));
	/* The next window begins with the next line, however late. */
	assert_false(budget_spent(&budget, start + BUDGET_WINDOW_US));
	assert_true(budget_take(&budget, start + 3 * BUDGET_WINDOW_US, 1));
	assert_true(budget_end_us(&budget) == start + 4 * BUDGET_WINDOW_US);
}

static void budget_closed(void **state)
{
	struct budget budget = {0};

	(void)state;
	assert_true(budget_take(&budget, 1, BUDGET_BYTES - 10));
	/* What does not fit closes the window, for shorter lines too. */
	assert_false(budget_take(&budget, 2, 11));
	assert_false(budget_take(&budget, 3, 1));
	assert_true(budget_spent(&budget, 3));
	assert_false(budget_take(&budget, 4, SIZE_MAX));
}

/* ---- store ---------------------------------------------------------------------------------- */

static char directory[64];
static int dir_fd;

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(directory, sizeof(directory), "/tmp/keel-store-XXXXXX");
	assert_non_null(mkdtemp(directory));
	dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir_fd >= 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlinkat(dir_fd, "a.service.log", 0);
	(void)unlinkat(dir_fd, "a.service.log.1", 0);
	(void)unlinkat(dir_fd, ".a.service.state", 0);
	close_p(&dir_fd);
	assert_int_equal(rmdir(directory), 0);
	return 0;
}

static long size_of(const char *name)
{
	struct stat info;

	return fstatat(dir_fd, name, &info, 0) < 0 ? -1 : (long)info.st_size;
}

static void rotation_decided(void **state)
{
	(void)state;
	assert_false(store_must_rotate(0, 1));
	assert_false(store_must_rotate(0, 2 * STORE_FILE_MAX));
	assert_false(store_must_rotate(STORE_FILE_MAX - 5, 5));
	assert_true(store_must_rotate(STORE_FILE_MAX - 5, 6));
	assert_true(store_must_rotate(1, STORE_FILE_MAX));
}

static void rotated(void **state)
{
	static char data[STORE_FILE_MAX / 2];
	struct store store;

	(void)state;
	memset(data, 'x', sizeof(data));
	store_open(&store, dir_fd, "a.service");
	assert_int_equal(store_append(&store, data, sizeof(data)), 0);
	assert_int_equal(store_append(&store, data, sizeof(data)), 0);
	assert_int_equal(size_of("a.service.log"), STORE_FILE_MAX);
	assert_int_equal(size_of("a.service.log.1"), -1);
	assert_int_equal(store_append(&store, "y\n", 2), 0);
	assert_int_equal(size_of("a.service.log"), 2);
	assert_int_equal(size_of("a.service.log.1"), STORE_FILE_MAX);
	/* Somebody removes it: it is made again. */
	assert_int_equal(unlinkat(dir_fd, "a.service.log", 0), 0);
	assert_int_equal(store_append(&store, "zz\n", 3), 0);
	assert_int_equal(size_of("a.service.log"), 3);
	store_close(&store);
}

/* Killed between any two steps. */
static void taken_back(void **state)
{
	struct store store;

	(void)state;
	store_open(&store, dir_fd, "a.service");
	assert_true(store.state.position == 0);
	assert_int_equal(store_append(&store, "one\n", 4), 0);
	store.state.position = 4;
	store.state.dropped_bytes = 17;
	store_commit(&store);
	assert_int_equal(store_append(&store, "two\n", 4), 0);
	store.state.position = 8;
	store_close(&store); /* as a kill does: no commit */

	store_open(&store, dir_fd, "a.service");
	assert_int_equal(size_of("a.service.log"), 4);
	assert_true(store.state.position == 4);
	assert_true(store.state.dropped_bytes == 17);
	assert_int_equal(store_append(&store, "two\n", 4), 0);
	store.state.position = 8;
	store_commit(&store);
	store_close(&store);

	store_open(&store, dir_fd, "a.service");
	assert_int_equal(size_of("a.service.log"), 8);
	assert_true(store.state.position == 8);
	store_close(&store);
}

static void strange_state(void **state)
{
	int fd = openat(dir_fd, ".a.service.state", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	struct store store;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "nonsense", 8), 8);
	close_p(&fd);
	store_open(&store, dir_fd, "a.service");
	assert_true(store.state.position == 0 && store.state.spool_ino == 0);
	assert_int_equal(store_append(&store, "one\n", 4), 0);
	store_close(&store);
}

/* ---- spool ---------------------------------------------------------------------------------- */

#define LONG_AGO_S 1000000000

static int writer_fd;
static struct spool spool;

static int set_up_spool(void **state)
{
	(void)set_up(state);
	writer_fd = openat(dir_fd, "a.service", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_true(writer_fd >= 0);
	return 0;
}

static int tear_down_spool(void **state)
{
	spool_close(&spool);
	close_p(&writer_fd);
	(void)unlinkat(dir_fd, "a.service", 0);
	return tear_down(state);
}

static void put(const char *text)
{
	assert_int_equal(write(writer_fd, text, strlen(text)), strlen(text));
}

static void put_long_ago(const char *text)
{
	const struct timespec times[2] = {{.tv_sec = LONG_AGO_S}, {.tv_sec = LONG_AGO_S}};

	put(text);
	assert_int_equal(futimens(writer_fd, times), 0);
}

static void expect_text(const char *text)
{
	char buffer[128];

	assert_int_equal(spool_read(&spool, buffer, sizeof(buffer)), strlen(text));
	assert_memory_equal(buffer, text, strlen(text));
}

static void need_holes(void)
{
	if (fallocate(writer_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1) < 0)
		skip(); /* the directory for temporary files is on a file system without holes */
}

static void freed(void **state)
{
	char buffer[4];

	(void)state;
	need_holes();
	put("one\ntwo\n");
	assert_int_equal(spool_open(&spool, dir_fd, "a.service"), 0);
	assert_true(spool.position == 0);
	assert_int_equal(spool_look(&spool), 0);
	expect_text("one\ntwo\n");
	spool_free(&spool, 4);
	assert_int_equal(pread(writer_fd, buffer, 4, 0), 4);
	assert_memory_equal(buffer, "\0\0\0\0", 4);
	put("three\n");
	expect_text("two\n"); /* what was there at the last look */
	assert_int_equal(spool_look(&spool), 0);
	expect_text("two\nthree\n");
	/* Another reader begins where data begins, or where the last one was. */
	spool_close(&spool);
	assert_int_equal(spool_open(&spool, dir_fd, "a.service"), 0);
	assert_true(spool.position == 4);
	spool_resume(&spool, 8);
	assert_int_equal(spool_look(&spool), 0);
	expect_text("three\n");
	/* Not a position of this file. */
	spool_resume(&spool, 4711);
	assert_true(spool.position == 8);
	spool_free(&spool, 14);
	spool_close(&spool);
	assert_int_equal(spool_open(&spool, dir_fd, "a.service"), 0);
	assert_true(spool.position == 14);
}

/* Freeing and reserving change the file's time; when its lines were written does not change by that. */
static void writers_time(void **state)
{
	(void)state;
	need_holes();
	put_long_ago("one\ntwo");
	assert_int_equal(spool_open(&spool, dir_fd, "a.service"), 0);
	assert_int_equal(spool_look(&spool), 0);
	assert_true(spool.mtime_us == LONG_AGO_S * USEC_PER_SEC);
	spool_reserve(&spool);
	spool_free(&spool, 4);
	assert_int_equal(spool_look(&spool), 0);
	assert_true(spool.mtime_us == LONG_AGO_S * USEC_PER_SEC);
	put(" and more\n");
	assert_int_equal(spool_look(&spool), 0);
	assert_true(spool.mtime_us > LONG_AGO_S * USEC_PER_SEC);
}

/* A shell's "> /dev/stderr". */
static void written_anew(void **state)
{
	(void)state;
	need_holes();
	put("one\n");
	assert_int_equal(spool_open(&spool, dir_fd, "a.service"), 0);
	assert_int_equal(spool_look(&spool), 0);
	spool_free(&spool, 4);
	assert_int_equal(ftruncate(writer_fd, 0), 0);
	put("x\n");
	assert_int_equal(spool_look(&spool), 1);
	expect_text("x\n");
	spool_free(&spool, 2);
	/* As long as before, and longer: the freed bytes are not zeroes any more. */
	assert_int_equal(ftruncate(writer_fd, 0), 0);
	put("y\n");
	assert_int_equal(spool_look(&spool), 1);
	expect_text("y\n");
	spool_free(&spool, 2);
	assert_int_equal(ftruncate(writer_fd, 0), 0);
	put("longer\n");
	assert_int_equal(spool_look(&spool), 1);
	expect_text("longer\n");
	assert_int_equal(spool_look(&spool), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(lines),
	cmocka_unit_test(long_lines),
	cmocka_unit_test(budget),
	cmocka_unit_test(budget_closed),
	cmocka_unit_test(rotation_decided),
	cmocka_unit_test_setup_teardown(rotated, set_up, tear_down),
	cmocka_unit_test_setup_teardown(taken_back, set_up, tear_down),
	cmocka_unit_test_setup_teardown(strange_state, set_up, tear_down),
	cmocka_unit_test_setup_teardown(freed, set_up_spool, tear_down_spool),
	cmocka_unit_test_setup_teardown(writers_time, set_up_spool, tear_down_spool),
	cmocka_unit_test_setup_teardown(written_anew, set_up_spool, tear_down_spool),
};

UNIT_TEST_MAIN(tests)
