/* SPDX-License-Identifier: MIT
 *
 * test_log_reader.c - reading stored logs while they grow, are rotated, are cut; the last words of a service.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit_test.h"

#include "agent/common/crash_log.h"
#include "agent/common/log_reader.h"
#include "lib/clock.h"

static char directory[64];
static int dir_fd;
static struct log_reader reader;

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(directory, sizeof(directory), "/tmp/keel-reader-XXXXXX");
	assert_non_null(mkdtemp(directory));
	assert_int_equal(setenv("KEEL_LOG_DIR", directory, 1), 0);
	dir_fd = log_reader_open_directory();
	assert_true(dir_fd >= 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	log_reader_close(&reader);
	(void)unlinkat(dir_fd, "a.service.log", 0);
	(void)unlinkat(dir_fd, "a.service.log.1", 0);
	close_p(&dir_fd);
	assert_int_equal(unsetenv("KEEL_LOG_DIR"), 0);
	assert_int_equal(rmdir(directory), 0);
	return 0;
}

static void put(const char *text)
{
	int fd = openat(dir_fd, "a.service.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close_p(&fd);
}

/* A line whose text is its number, and whose time of boot its number of seconds. */
static void put_lines(unsigned int first, unsigned int last)
{
	for (unsigned int i = first; i <= last; i++) {
		char line[LOG_PREFIX_MAX + 16];
		size_t len = log_line_stamp(line, i * USEC_PER_SEC, i * USEC_PER_SEC);

		(void)snprintf(line + len, sizeof(line) - len, "%u\n", i);
		put(line);
	}
}

static void rotate(void)
{
	assert_int_equal(renameat(dir_fd, "a.service.log", dir_fd, "a.service.log.1"), 0);
}

static void expect_lines(unsigned int first, unsigned int last)
{
	struct log_line line;

	for (unsigned int i = first; i <= last; i++) {
		char text[16];

		assert_int_equal(log_reader_next(&reader, &line), 1);
		(void)snprintf(text, sizeof(text), "%u", i);
		assert_int_equal(line.len, strlen(text));
		assert_memory_equal(line.text, text, line.len);
		assert_true(line.boot_us == i * USEC_PER_SEC);
	}
	assert_int_equal(log_reader_next(&reader, &line), 0);
}

static void nothing(void **state)
{
	(void)state;
	assert_int_equal(log_reader_open(&reader, dir_fd, "a.service"), -ENOENT);
}

static void growing(void **state)
{
	(void)state;
	put_lines(1, 500);
	assert_int_equal(log_reader_open(&reader, dir_fd, "a.service"), 0);
	expect_lines(1, 500);
	put_lines(501, 501);
	expect_lines(501, 501);
	put("1970-01-01T00:08:22.000000Z 502.000000 50");
	expect_lines(1, 0);
	put("2\nnot a stored line\n");
	put_lines(503, 503);
	expect_lines(502, 503);
}

static void rotated(void **state)
{
	(void)state;
	put_lines(1, 10);
	rotate();
	put_lines(11, 20);
	assert_int_equal(log_reader_open(&reader, dir_fd, "a.service"), 0);
	expect_lines(1, 20);
	/* What comes between the last look and the rotation is not lost. */
	put_lines(21, 22);
	rotate();
	put_lines(23, 24);
	expect_lines(21, 24);
	rotate();
	expect_lines(1, 0);
	put_lines(25, 25);
	expect_lines(25, 25);
	/* Twice in between: the old file is one that was not read yet. */
	put_lines(26, 26);
	rotate();
	put_lines(27, 28);
	rotate();
	put_lines(29, 29);
	expect_lines(26, 29);
}

static void tail(void **state)
{
	(void)state;
	put_lines(1, 300);
	rotate();
	put_lines(301, 400);
	assert_int_equal(log_reader_open(&reader, dir_fd, "a.service"), 0);
	for (unsigned int n = 0; n <= 400; n += 20) {
		log_reader_seek_tail(&reader, n);
		expect_lines(401 - n, 400);
	}
	log_reader_seek_tail(&reader, 1000);
	expect_lines(1, 400);
	log_reader_seek_tail(&reader, 1);
	expect_lines(400, 400);
	put_lines(401, 402);
	expect_lines(401, 402);
}

/* keel-log takes back what it wrote just before it was killed, and writes it again. */
static void cut(void **state)
{
	char path[96];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/a.service.log", directory);
	put_lines(1, 1);
	put_lines(2, 3);
	assert_int_equal(log_reader_open(&reader, dir_fd, "a.service"), 0);
	expect_lines(1, 3);
	assert_int_equal(truncate(path, 39), 0);
	expect_lines(1, 0);
	put_lines(4, 5);
	expect_lines(4, 5);
}

static void overlong(void **state)
{
	char *text = malloc(5 * LOG_LINE_MAX);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 5 * LOG_LINE_MAX);
	text[5 * LOG_LINE_MAX - 2] = '\n';
	text[5 * LOG_LINE_MAX - 1] = '\0';
	put(text);
	put_lines(1, 1);
	assert_int_equal(log_reader_open(&reader, dir_fd, "a.service"), 0);
	expect_lines(1, 1);
	free(text);
}

/* ---- last words --------------------------------------------------------------------------------- */

static struct facts facts;

static const char *word(size_t index)
{
	const char *text = facts.logs[3].text;

	while (index-- > 0)
		text += strlen(text) + 1;
	return text;
}

static void last_words(void **state)
{
	struct control_service *service = &facts.services[3];

	(void)state;
	memset(&facts, 0, sizeof(facts));
	put_lines(1, 30);
	put("1970-01-01T00:00:31.000000Z 31.000000 bad\x1b\xff\n");
	put_lines(32, 40);
	strcpy(service->name, "a.service");
	service->exit_status = 256;
	assert_false(crash_log_read(&facts));
	service->exit_us = 31 * USEC_PER_SEC;
	assert_true(crash_log_read(&facts));
	assert_false(crash_log_read(&facts));
	assert_int_equal(facts.logs[3].lines, 10);
	assert_string_equal(word(0), "22");
	assert_string_equal(word(8), "30");
	assert_string_equal(word(9), "bad??");
	/* It has recovered and ended well. */
	service->exit_status = 0;
	service->exit_us = 40 * USEC_PER_SEC;
	assert_true(crash_log_read(&facts));
	assert_int_equal(facts.logs[3].lines, 0);
}

static void long_words(void **state)
{
	struct control_service *service = &facts.services[3];
	char line[LOG_LINE_MAX];

	(void)state;
	memset(&facts, 0, sizeof(facts));
	strcpy(service->name, "a.service");
	service->exit_status = SIGKILL;
	service->exit_us = 10 * USEC_PER_SEC;
	for (unsigned int i = 1; i <= 5; i++) {
		size_t len = log_line_stamp(line, 1, i * USEC_PER_SEC);

		memset(line + len, (int)('0' + i), 1000);
		memcpy(line + len + 1000, "\n", 2);
		put(line);
	}
	assert_true(crash_log_read(&facts));
	/* The newest are kept, cut to their bound. */
	assert_int_equal(facts.logs[3].lines, 2);
	assert_int_equal(word(0)[0], '4');
	assert_int_equal(strlen(word(1)), FACTS_LOG_LINE_MAX - 1);
	assert_int_equal(word(1)[0], '5');
}

static void many(void **state)
{
	unsigned int with_log = 0;

	(void)state;
	memset(&facts, 0, sizeof(facts));
	put_lines(1, 1);
	for (unsigned int i = 0; i < 40; i++) {
		strcpy(facts.services[i].name, "a.service");
		facts.services[i].exit_status = 256;
		facts.services[i].exit_us = (i < 20 ? 100 - i : 50) * USEC_PER_SEC;
	}
	assert_true(crash_log_read(&facts));
	for (unsigned int i = 0; i < 40; i++)
		with_log += facts.logs[i].lines > 0;
	assert_int_equal(with_log, FACTS_LOGS_MAX);
	assert_int_equal(facts.logs[19].lines, 1);
	assert_int_equal(facts.logs[39].lines, 0);
}

static void wanted(void **state)
{
	struct control_service service = {.name = "a", .exit_us = 1};
	static const struct {
		int status;
		bool wanted;
	} cases[] = {{0, false}, {256, true}, {SIGTERM, false}, {SIGKILL, true}, {SIGSEGV, true},
		{-1, false}, {SIGPIPE, false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		service.exit_status = cases[i].status;
		assert_int_equal(crash_log_wanted(&service), cases[i].wanted);
	}
	service.exit_status = 256;
	service.exit_us = 0;
	assert_false(crash_log_wanted(&service));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(nothing, set_up, tear_down),
	cmocka_unit_test_setup_teardown(growing, set_up, tear_down),
	cmocka_unit_test_setup_teardown(rotated, set_up, tear_down),
	cmocka_unit_test_setup_teardown(tail, set_up, tear_down),
	cmocka_unit_test_setup_teardown(cut, set_up, tear_down),
	cmocka_unit_test_setup_teardown(overlong, set_up, tear_down),
	cmocka_unit_test_setup_teardown(last_words, set_up, tear_down),
	cmocka_unit_test_setup_teardown(long_words, set_up, tear_down),
	cmocka_unit_test_setup_teardown(many, set_up, tear_down),
	cmocka_unit_test(wanted),
};

UNIT_TEST_MAIN(tests)
