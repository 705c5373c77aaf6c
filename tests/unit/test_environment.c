/* SPDX-License-Identifier: MIT
 *
 * test_environment.c - what a program is started with: its environment, its expanded arguments.
 */
#include <string.h>

#include "init/environment.h"
#include "tests/unit/unit_test.h"

static struct init init;
static struct service service;
static char *environment[ENVIRONMENT_MAX + 1];
static struct environment_pool pool;

static int setup(void **state)
{
	(void)state;
	memset(&init, 0, sizeof(init));
	memset(&service, 0, sizeof(service));
	service.init = &init;
	return 0;
}

static bool has(const char *assignment)
{
	for (size_t i = 0; environment[i]; i++)
		if (strcmp(environment[i], assignment) == 0)
			return true;
	return false;
}

static void test_helper_environment(void **state)
{
	(void)state;
	strcpy(init.cgroup.path, "/base");
	environment_make(&init, NULL, &pool, environment);
	assert_true(has("KEEL_CGROUP=/base"));
	assert_true(has("KEEL_MODE=vm"));
	assert_true(has("HOME=/root"));
	assert_false(has("container=wsl"));
	assert_false(has("NOTIFY_SOCKET=/run/keel/notify"));
	assert_false(has("TERM=linux"));
}

static void test_service_environment(void **state)
{
	static char assignment[] = "A=1";

	(void)state;
	init.mode = BOOT_MODE_WSL;
	service.unit.type = UNIT_TYPE_NOTIFY;
	service.unit.tty_path = assignment;
	for (size_t i = 0; i < UNIT_ENV_MAX; i++)
		service.unit.environment[i] = assignment;
	environment_make(&init, &service, &pool, environment);
	assert_true(has("container=wsl"));
	assert_true(has("KEEL_MODE=wsl"));
	assert_true(has("KEEL_CGROUP="));
	assert_true(has("NOTIFY_SOCKET=/run/keel/notify"));
	assert_true(has("TERM=linux"));
	assert_true(has("A=1"));
	/* The fullest environment that there can be fits exactly. */
	assert_null(environment[ENVIRONMENT_MAX]);
	assert_string_equal(environment[ENVIRONMENT_MAX - 1], "A=1");
	service.unit.type = UNIT_TYPE_EXEC;
	environment_make(&init, &service, &pool, environment);
	assert_false(has("NOTIFY_SOCKET=/run/keel/notify"));
}

static void test_expand(void **state)
{
	char *variables[] = {"AB=wrong", "A=value", "EMPTY=", NULL};
	char *args[] = {"/bin/x", "${A}", "pre-${A}-${EMPTY}-post", "$MAINPID", "${MAINPID}", "$A",
		"${NO}x", "${A", "$", "a}${A}", "", NULL};
	char text[256], *out[UNIT_ARGS_MAX + 1];

	(void)state;
	assert_int_equal(environment_expand(args, variables, 42, text, sizeof(text), out), 0);
	assert_string_equal(out[0], "/bin/x");
	assert_string_equal(out[1], "value");
	assert_string_equal(out[2], "pre-value--post");
	assert_string_equal(out[3], "42");
	assert_string_equal(out[4], "42");
	assert_string_equal(out[5], "$A");
	assert_string_equal(out[6], "x");
	assert_string_equal(out[7], "${A");
	assert_string_equal(out[8], "$");
	assert_string_equal(out[9], "a}value");
	assert_string_equal(out[10], "");
	assert_null(out[11]);
}

/* A value is not looked into again. */
static void test_expand_once(void **state)
{
	char *variables[] = {"A=${B}", "B=b", NULL}, *args[] = {"${A}", NULL};
	char text[64], *out[UNIT_ARGS_MAX + 1];

	(void)state;
	assert_int_equal(environment_expand(args, variables, 1, text, sizeof(text), out), 0);
	assert_string_equal(out[0], "${B}");
}

static void test_expand_is_bounded(void **state)
{
	char *variables[] = {"A=12345678", NULL}, *args[] = {"${A}${A}", "x", NULL};
	char *out[UNIT_ARGS_MAX + 1];

	(void)state;
	for (size_t size = 1; size <= 20; size++) {
		char text[20];

		/* 16 characters, NUL, "x", NUL; the tight array lets ASan see one byte too many. */
		assert_int_equal(environment_expand(args, variables, 1, text + sizeof(text) - size,
					 size, out),
			size < 19 ? -E2BIG : 0);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(test_helper_environment, setup),
	cmocka_unit_test_setup(test_service_environment, setup),
	cmocka_unit_test_setup(test_expand, setup),
	cmocka_unit_test_setup(test_expand_once, setup),
	cmocka_unit_test_setup(test_expand_is_bounded, setup),
};

UNIT_TEST_MAIN(tests)
