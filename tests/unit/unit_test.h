/* SPDX-License-Identifier: MIT
 *
 * unit_test.h - cmocka with the headers that it wants before itself.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A test program has one table, `tests`, and nothing else in main(). (No parentheses: cmocka prints the
 * argument as the group's name.) */
#define UNIT_TEST_MAIN(tests)                                     \
	int main(void)                                            \
	{                                                         \
		return cmocka_run_group_tests(tests, NULL, NULL); \
	}
