/* SPDX-License-Identifier: MIT
 *
 * test_text.c - text that goes into records, cgroup membership as /proc tells it, log lines.
 */
#include <fcntl.h>
#include <string.h>

#include "init/cgroup.h"
#include "init/text.h"
#include "lib/log.h"
#include "tests/unit/unit_test.h"

static char out[16];

static const char *copy(const char *from)
{
	memset(out, 0xee, sizeof(out));
	text_copy(out, sizeof(out), from);
	return out;
}

static void test_copy(void **state)
{
	(void)state;
	assert_string_equal(copy(""), "");
	assert_string_equal(copy("plain"), "plain");
	assert_memory_equal(copy("a"), "a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_string_equal(copy("a\nb\tc\x1b[0m\x7f"), "a?b?c?[0m?");
	assert_string_equal(copy("fifteen bytes.."), "fifteen bytes..");
	assert_string_equal(copy("sixteen bytes..."), "sixteen bytes..");
}

static void test_copy_keeps_utf8(void **state)
{
	(void)state;
	assert_string_equal(copy("\xc2\x80 \xc3\xbc \xe2\x82\xac"),
		"\xc2\x80 \xc3\xbc \xe2\x82\xac");
	assert_string_equal(copy("\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf"),
		"\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf");
	assert_string_equal(copy("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80"),
		"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80");
}

static void test_copy_refuses_what_is_no_utf8(void **state)
{
	(void)state;
	assert_string_equal(copy("\xff\xfe"), "??");
	assert_string_equal(copy("a\x80z"), "a?z");
	assert_string_equal(copy("\xc0\xaf"), "??"); /* overlong */
	assert_string_equal(copy("\xc1\xbf"), "??");
	assert_string_equal(copy("\xe0\x9f\xbf"), "???");      /* overlong */
	assert_string_equal(copy("\xed\xa0\x80"), "???");      /* surrogate */
	assert_string_equal(copy("\xf0\x8f\xbf\xbf"), "????"); /* overlong */
	assert_string_equal(copy("\xf4\x90\x80\x80"), "????"); /* beyond U+10FFFF */
	assert_string_equal(copy("\xf5\x80\x80\x80"), "????");
	assert_string_equal(copy("\xe2\x82z"), "??z");
	assert_string_equal(copy("12345678901234\xc3\xbc"),
		"12345678901234?"); /* cut in its middle */
	assert_string_equal(copy("\xf0\x9f\x98"), "???");
}

/* ---- /proc/PID/cgroup ---------------------------------------------------------------------- */

static bool in_group(const char *text, const char *base)
{
	char buffer[256];

	assert_in_range(strlen(text), 0, sizeof(buffer) - 1);
	strcpy(buffer, text);
	return cgroup_text_has(buffer, base, "engine", "docker.service");
}

static void test_cgroup_membership(void **state)
{
	(void)state;
	assert_true(in_group("0::/engine/docker.service\n", ""));
	assert_true(in_group("0::/engine/docker.service", ""));
	assert_true(in_group("0::/base/engine/docker.service/below\n", "/base"));
	assert_true(in_group("12:memory:/x\n1:name=systemd:/\n0::/engine/docker.service\n", ""));
	assert_false(in_group("0::/engine/docker.service-2\n", ""));
	assert_false(in_group("0::/engine/docker\n", ""));
	assert_false(in_group("0::/engine/docker.service\n", "/base"));
	assert_false(in_group("0::/base/engine/docker.service\n", ""));
	assert_false(in_group("0::/\n", ""));
	assert_false(in_group("4:cpu:/engine/docker.service\n", ""));
	assert_false(in_group("4:cpu:/x0::/engine/docker.service\n", ""));
	assert_false(in_group("", ""));
}

/* ---- log lines ----------------------------------------------------------------------------- */

static ssize_t logged(int fd, char *line, size_t size)
{
	ssize_t len = read(fd, line, size - 1);

	line[len < 0 ? 0 : len] = '\0';
	return len;
}

static void test_log_line(void **state)
{
	char line[1024];
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	log_open("me", fds[1], false);
	errno = ENOENT;
	log_warning("%s: %m", "thing");
	assert_int_equal(errno, ENOENT);
	(void)logged(fds[0], line, sizeof(line));
	assert_string_equal(line, "me: thing: No such file or directory\n");
	log_debug("not at this level");
	assert_int_equal(logged(fds[0], line, sizeof(line)), -1);
	log_open("me", fds[1], true);
	log_error("x");
	(void)logged(fds[0], line, sizeof(line));
	assert_string_equal(line, "<27>me: x\n"); /* LOG_DAEMON | LOG_ERR */
	/* One line, ended, however long the text. */
	log_error("%0600d", 1);
	assert_int_equal(logged(fds[0], line, sizeof(line)), 511);
	assert_int_equal(line[510], '\n');
	log_open("keel", STDERR_FILENO, false);
	close_p(&fds[0]);
	close_p(&fds[1]);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_copy),
	cmocka_unit_test(test_copy_keeps_utf8),
	cmocka_unit_test(test_copy_refuses_what_is_no_utf8),
	cmocka_unit_test(test_cgroup_membership),
	cmocka_unit_test(test_log_line),
};

UNIT_TEST_MAIN(tests)
