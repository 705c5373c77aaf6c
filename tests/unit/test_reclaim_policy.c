/* SPDX-License-Identifier: MIT
 *
 * test_reclaim_policy.c - what the policy does with a VM (reclaim_model.h) in the cases that it was made for.
 */
#include "tests/unit/reclaim_model.h"

#define GIB_MIB 1024

static void test_dead(void **state)
{
	struct model model = model_make(2 * GIB_MIB * MIB);
	struct model_group *dead = model_add(&model, RECLAIM_DEAD, 500, 300, 0);

	(void)state;
	dead->slab = 90 * MIB;
	assert_int_equal(model_episode(&model, RECLAIM_EVENT_ENDED), RECLAIM_REASON_NOTHING);
	assert_true(model_cache(dead) < 20 * MIB);
	assert_true(model_cache(dead) >= 16 * MIB);
}

static void test_dead_hot(void **state)
{
	struct model model = model_make(2 * GIB_MIB * MIB);

	(void)state;
	model_add(&model, RECLAIM_DEAD, 500, 300, 200);
	model_add(&model, RECLAIM_LIVE, 50, 100, 80);
	assert_int_equal(model_episode(&model, RECLAIM_EVENT_ENDED), RECLAIM_REASON_REFAULTS);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_dead),
	cmocka_unit_test(test_dead_hot),
};

UNIT_TEST_MAIN(tests)
