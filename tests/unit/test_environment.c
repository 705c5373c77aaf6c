/* SPDX-License-Identifier: MIT
 *
 * test_environment.c - what a program is started with: its environment, its words.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "init/environment.h"
#include "tests/unit/unit_test.h"

static struct environment environment;

static int setup(void **state)
{
	(void)state;
	memset(&environment, 0, sizeof(environment));
	return 0;
}

static const char *value_of(const char *name)
{
	return environment_get(&environment, name, strlen(name));
}

static void test_set(void **state)
{
	(void)state;
	assert_int_equal(environment_set(&environment, "A=%d", 1), 0);
	assert_int_equal(environment_set(&environment, "AB=2"), 0);
	assert_int_equal(environment_set(&environment, "A=3"), 0);
	assert_int_equal(environment.count, 2);
	assert_string_equal(environment.list[0], "A=3");
	assert_string_equal(value_of("AB"), "2");
	assert_null(value_of("B"));
	assert_null(environment.list[2]);
}

static void test_set_is_bounded(void **state)
{
	(void)state;
	for (int i = 0; i < ENVIRONMENT_MAX; i++)
		assert_int_equal(environment_set(&environment, "N%d=x", i), 0);
	assert_int_equal(environment_set(&environment, "MORE=x"), -E2BIG);
	assert_int_equal(environment_set(&environment, "N5=y"),
		0); /* one that is there may change */
	assert_null(environment.list[ENVIRONMENT_MAX]);
	environment.used = ENVIRONMENT_TEXT - 4;
	assert_int_equal(environment_set(&environment, "N5=z"), -E2BIG);
	assert_string_equal(value_of("N5"), "y");
}

static void test_file_text(void **state)
{
	static const char text[] = "# a comment\n"
				   "; another = one\n"
				   "A=1\n"
				   "  B = two words  \n"
				   "C=\"quoted  \" \n"
				   "D='single \\n' \n"
				   "E=a\\\n"
				   "b\n"
				   "F=\"two\n"
				   "lines\"\n"
				   "not an assignment\n"
				   "1G=no name\n"
				   "H=\n"
				   "I=a=b#c\n"
				   "export J=1\n"
				   "A=last";

	(void)state;
	assert_int_equal(environment_read_text(&environment, text), 0);
	assert_string_equal(value_of("A"), "last");
	assert_null(value_of("B ")); /* no blank before the = */
	assert_string_equal(value_of("C"), "quoted  ");
	assert_string_equal(value_of("D"), "single \\n");
	assert_string_equal(value_of("E"), "ab");
	assert_string_equal(value_of("F"), "two\nlines");
	assert_null(value_of("1G"));
	assert_string_equal(value_of("H"), "");
	assert_string_equal(value_of("I"), "a=b#c");
	assert_int_equal(environment.count, 7);
}

static void test_files(void **state)
{
	char path[] = "/tmp/keel-environment-XXXXXX", optional[64];
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(write(fd, "A=1\n", 4), 4);
	close_p(&fd);
	assert_int_equal(environment_read_file(&environment, path), 0);
	assert_string_equal(value_of("A"), "1");
	(void)unlink(path);
	assert_int_equal(environment_read_file(&environment, path), -ENOENT);
	(void)snprintf(optional, sizeof(optional), "-%s", path);
	assert_int_equal(environment_read_file(&environment, optional), 0);
}

static void test_expand(void **state)
{
	static const char *const expected[] = {"/bin/x", "value", "pre-value--post", "42", "42",
		"x", "${A", "$", "a}value", "", "$A", "one", "two", "$1"};
	char *words[] = {"/bin/x", "${A}", "pre-${A}-${EMPTY}-post", "$MAINPID", "${MAINPID}",
		"$EMPTY", "$NO", "${NO}x", "${A", "$", "a}${A}", "", "$$A", "$LIST", "$1", NULL};

	(void)state;
	assert_int_equal(environment_set(&environment, "A=value"), 0);
	assert_int_equal(environment_set(&environment, "EMPTY="), 0);
	assert_int_equal(environment_set(&environment, "MAINPID=42"), 0);
	assert_int_equal(environment_set(&environment, "LIST= one  two "), 0);
	assert_int_equal(environment_expand(&environment, words), 0);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		assert_string_equal(environment.args[i], expected[i]);
	assert_null(environment.args[ARRAY_SIZE(expected)]);
}

/* A value is not looked into again. */
static void test_expand_once(void **state)
{
	char *words[] = {"${A}", NULL};

	(void)state;
	assert_int_equal(environment_set(&environment, "A=${B}"), 0);
	assert_int_equal(environment_set(&environment, "B=b"), 0);
	assert_int_equal(environment_expand(&environment, words), 0);
	assert_string_equal(environment.args[0], "${B}");
}

static void test_expand_is_bounded(void **state)
{
	char *words[] = {"${A}${A}", "x", NULL}, *many[] = {"$LIST", NULL}, *none[] = {"$NO", NULL};
	char list[2 * ENVIRONMENT_ARGS_MAX + 3];

	(void)state;
	for (size_t room = 1; room <= 20; room++) {
		memset(&environment, 0, sizeof(environment));
		assert_int_equal(environment_set(&environment, "A=12345678"), 0);
		environment.used = ENVIRONMENT_TEXT - room;
		/* 16 characters, NUL, "x", NUL. */
		assert_int_equal(environment_expand(&environment, words), room < 19 ? -E2BIG : 0);
	}
	memset(&environment, 0, sizeof(environment));
	for (size_t i = 0; i < sizeof(list) - 1; i++)
		list[i] = i % 2 ? ' ' : 'x';
	list[sizeof(list) - 1] = '\0';
	assert_int_equal(environment_set(&environment, "LIST=%s", list), 0);
	assert_int_equal(environment_expand(&environment, many), -E2BIG);
	assert_int_equal(environment_expand(&environment, none), -EINVAL); /* nothing to run */
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(test_set, setup),
	cmocka_unit_test_setup(test_set_is_bounded, setup),
	cmocka_unit_test_setup(test_file_text, setup),
	cmocka_unit_test_setup(test_files, setup),
	cmocka_unit_test_setup(test_expand, setup),
	cmocka_unit_test_setup(test_expand_once, setup),
	cmocka_unit_test_setup(test_expand_is_bounded, setup),
};

UNIT_TEST_MAIN(tests)
