/* SPDX-License-Identifier: MIT
 *
 * test_module_list.c - modules-load.d(5): one file's text, and which files count.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "init/modules/module_list.h"
#include "lib/file.h"

static int parse(struct module_list *list, const char *text)
{
	return module_list_parse(list, text, strlen(text));
}

static void test_names_comments_and_spaces(void **state)
{
	struct module_list list = {0};

	(void)state;
	assert_int_equal(
		parse(&list,
			"# a comment\n; another\n\n  overlay \t\r\nbr-netfilter\noverlay\nlast"),
		0);
	assert_int_equal(list.count, 3);
	assert_string_equal(list.names[0], "overlay");
	assert_string_equal(list.names[1], "br_netfilter");
	assert_string_equal(list.names[2], "last");
}

static void test_bad_lines_are_skipped_and_told(void **state)
{
	struct module_list list = {0};
	char name[MODULE_NAME_MAX + 2];

	(void)state;
	assert_int_equal(parse(&list, "two words\n../etc/passwd\ngood\n"), -EINVAL);
	assert_int_equal(list.count, 1);
	assert_string_equal(list.names[0], "good");
	memset(name, 'x', sizeof(name));
	name[MODULE_NAME_MAX] = '\0';
	assert_int_equal(parse(&list, name), -EINVAL);
	name[MODULE_NAME_MAX - 1] = '\0';
	assert_int_equal(parse(&list, name), 0);
	assert_int_equal(list.count, 2);
}

static void test_the_list_is_bounded(void **state)
{
	struct module_list list = {0};
	char text[32];

	(void)state;
	for (int i = 0; i < MODULE_LIST_MAX; i++) {
		(void)snprintf(text, sizeof(text), "module%d", i);
		assert_int_equal(parse(&list, text), 0);
	}
	assert_int_equal(parse(&list, "one_more"), -E2BIG);
	assert_int_equal(parse(&list, "module0"), 0); /* there already */
	assert_int_equal(list.count, MODULE_LIST_MAX);
}

static void write_conf(const char *dir, const char *name, const char *text)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, text, strlen(text)), 0);
	(void)close(fd);
}

static void test_directories(void **state)
{
	char base[] = "/tmp/keel-test-modules-XXXXXX", etc[64], usr[64], command[96];
	const char *const dirs[] = {etc, "/nonexistent/modules-load.d", usr};
	struct module_list list = {0};

	(void)state;
	assert_non_null(mkdtemp(base));
	(void)snprintf(etc, sizeof(etc), "%s/etc", base);
	(void)snprintf(usr, sizeof(usr), "%s/usr", base);
	assert_int_equal(mkdir(etc, 0755), 0);
	assert_int_equal(mkdir(usr, 0755), 0);
	write_conf(usr, "b.conf", "from_b");
	write_conf(usr, "a.conf", "from_usr_a");
	write_conf(etc, "a.conf", "from_etc_a"); /* hides the one in usr */
	write_conf(usr, "masked.conf", "masked");
	(void)snprintf(command, sizeof(command), "%s/masked.conf", etc);
	assert_int_equal(symlink("/dev/null", command), 0);
	write_conf(usr, "readme", "ignored");
	write_conf(usr, ".hidden.conf", "ignored");
	module_list_read(&list, dirs, 3);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.names[0], "from_etc_a");
	assert_string_equal(list.names[1], "from_b");
	(void)snprintf(command, sizeof(command), "rm -r %s", base);
	assert_int_equal(system(command), 0); /* NOLINT: a path of our own making */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_comments_and_spaces),
		cmocka_unit_test(test_bad_lines_are_skipped_and_told),
		cmocka_unit_test(test_the_list_is_bounded),
		cmocka_unit_test(test_directories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
