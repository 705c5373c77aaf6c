/* SPDX-License-Identifier: MIT
 *
 * test_power_button.c - which keys ask for what. The devices themselves: tests/vm.
 */
#include <linux/input.h>

#include "agent/power_button.h"
#include "tests/unit/unit_test.h"

static unsigned int held;

static int press(unsigned int code)
{
	return power_button_key(&held, code, true);
}

static int release(unsigned int code)
{
	return power_button_key(&held, code, false);
}

static void test_power(void **state)
{
	(void)state;
	held = 0;
	assert_int_equal(press(KEY_POWER), CONTROL_VERB_POWEROFF);
	assert_int_equal(release(KEY_POWER), 0);
	for (unsigned int code = 0; code <= KEY_MAX; code++)
		assert_int_equal(press(code), code == KEY_POWER ? CONTROL_VERB_POWEROFF
					      : code == KEY_KPDOT && held == 3 ? CONTROL_VERB_REBOOT
					      : code == KEY_DELETE             ? CONTROL_VERB_REBOOT
									       : 0);
}

static void test_ctrl_alt_del(void **state)
{
	static const unsigned int ctrls[] = {KEY_LEFTCTRL, KEY_RIGHTCTRL};
	static const unsigned int alts[] = {KEY_LEFTALT, KEY_RIGHTALT};

	(void)state;
	held = 0;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(press(KEY_DELETE), 0);
		assert_int_equal(press(ctrls[i & 1]), 0);
		assert_int_equal(press(KEY_DELETE), 0);
		assert_int_equal(press(alts[i >> 1]), 0);
		assert_int_equal(press(KEY_A), 0);
		assert_int_equal(press(KEY_DELETE), CONTROL_VERB_REBOOT);
		assert_int_equal(release(KEY_DELETE), 0);
		assert_int_equal(release(ctrls[i & 1]), 0);
		assert_int_equal(press(KEY_DELETE), 0);
		assert_int_equal(release(alts[i >> 1]), 0);
	}
	assert_int_equal(held, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_power),
	cmocka_unit_test(test_ctrl_alt_del),
};

UNIT_TEST_MAIN(tests)
