/* SPDX-License-Identifier: MIT
 *
 * test_shutdown_plan.c - every way through the phases: whatever hangs, wherever, all is over within the grace.
 */
#include "init/shutdown_plan.h"
#include "lib/clock.h"
#include "tests/unit/unit_test.h"

static const unsigned int graces[] = {1, 5, 10, 25, 60, 3600};
static const unsigned int limits[] = {0, 1, 10, 16, 17, 60, 3600};

static struct shutdown_plan make(enum boot_mode mode, unsigned int shutdown_s, unsigned int grace_s,
	uint64_t now)
{
	struct config config;

	config_set_defaults(&config);
	config.boot.shutdown_s = shutdown_s;
	config.boot.grace_s = grace_s;
	return shutdown_plan_make(mode, &config, now);
}

/* Each phase either ends at once, in the middle of its time, or expires: all 3^6 ways. */
static void walk(const struct shutdown_plan *plan, enum shutdown_phase phase, uint64_t now)
{
	uint64_t end;

	if (phase == SHUTDOWN_END) {
		assert_true(now <= plan->start_us + plan->grace_s * USEC_PER_SEC);
		return;
	}
	end = shutdown_plan_end(plan, phase, now);
	assert_true(end >= now);
	walk(plan, phase + 1, now);
	walk(plan, phase + 1, now + (end - now) / 2);
	walk(plan, phase + 1, end);
}

static void test_all_within_grace(void **state)
{
	(void)state;
	for (size_t g = 0; g < ARRAY_SIZE(graces); g++)
		for (size_t l = 0; l < ARRAY_SIZE(limits); l++)
			for (int patient = 0; patient <= 1; patient++) {
				struct shutdown_plan plan =
					make(BOOT_MODE_WSL, limits[l], graces[g], 7 * USEC_PER_SEC);

				plan.patient = patient;
				walk(&plan, SHUTDOWN_SERVICES, plan.start_us);
				/* After a crash nobody knows the services any more. */
				walk(&plan, SHUTDOWN_GROUPS, plan.start_us);
			}
}

/* However long those before it took, each phase has its share: the data disk is unmounted in any case. */
static void test_shares(void **state)
{
	struct shutdown_plan plan = make(BOOT_MODE_WSL, 60, 25, 0);
	static const uint64_t worst_ms[] = {
		[SHUTDOWN_SERVICES] = 16500,
		[SHUTDOWN_KEEL] = 17500,
		[SHUTDOWN_GROUPS] = 19500,
		[SHUTDOWN_PROCESSES] = 20500,
		[SHUTDOWN_KILLED] = 21000,
		[SHUTDOWN_UNMOUNT] = 25000,
	};
	uint64_t now = 0;

	(void)state;
	plan.patient = true;
	for (unsigned int phase = SHUTDOWN_SERVICES; phase < SHUTDOWN_END; phase++) {
		now = shutdown_plan_end(&plan, phase, now);
		assert_int_equal(now, worst_ms[phase] * 1000);
	}
	/* A clock that leapt by an hour takes nobody's share. */
	now = 3600 * USEC_PER_SEC;
	assert_int_equal(shutdown_plan_end(&plan, SHUTDOWN_UNMOUNT, now), now + 4 * USEC_PER_SEC);
	assert_int_equal(shutdown_plan_end(&plan, SHUTDOWN_KILLED, now), now + USEC_PER_SEC / 2);
}

/* What was not used is there for what comes after, up to what it is good for. */
static void test_quick(void **state)
{
	struct shutdown_plan plan = make(BOOT_MODE_WSL, 60, 25, 0);

	(void)state;
	assert_int_equal(shutdown_plan_end(&plan, SHUTDOWN_GROUPS, 1000), 2 * USEC_PER_SEC + 1000);
	plan.patient = true;
	assert_int_equal(shutdown_plan_end(&plan, SHUTDOWN_GROUPS, 1000), 10 * USEC_PER_SEC + 1000);
	assert_int_equal(shutdown_plan_end(&plan, SHUTDOWN_UNMOUNT, 1000), 25 * USEC_PER_SEC);
}

static void test_no_end(void **state)
{
	const struct shutdown_plan plans[] = {
		make(BOOT_MODE_VM, 60, 25, 0), make(BOOT_MODE_WSL, 60, 0, 0)};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(plans); i++) {
		const struct shutdown_plan *plan = &plans[i];
		uint64_t late = 100 * USEC_PER_SEC;

		assert_int_equal(shutdown_plan_end(plan, SHUTDOWN_SERVICES, 0), 60 * USEC_PER_SEC);
		assert_int_equal(shutdown_plan_end(plan, SHUTDOWN_KEEL, 1000), 60 * USEC_PER_SEC);
		assert_int_equal(shutdown_plan_end(plan, SHUTDOWN_KEEL, late),
			late + 5 * USEC_PER_SEC);
		assert_int_equal(shutdown_plan_end(plan, SHUTDOWN_PROCESSES, late),
			late + 2 * USEC_PER_SEC);
		assert_int_equal(shutdown_plan_end(plan, SHUTDOWN_UNMOUNT, late),
			late + 120 * USEC_PER_SEC);
		assert_true(shutdown_plan_end(plan, SHUTDOWN_NONE, 0) == UINT64_MAX);
		assert_true(shutdown_plan_end(plan, SHUTDOWN_END, 0) == UINT64_MAX);
	}
}

/* One that hangs leaves time for the others, and the last is given up in time. */
static void test_stuck(void **state)
{
	(void)state;
	assert_int_equal(shutdown_plan_stuck(120 * USEC_PER_SEC), 10 * USEC_PER_SEC);
	assert_int_equal(shutdown_plan_stuck(24 * USEC_PER_SEC), 8 * USEC_PER_SEC);
	assert_int_equal(shutdown_plan_stuck(4 * USEC_PER_SEC), 1333333);
	assert_int_equal(shutdown_plan_stuck(0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_within_grace),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_quick),
		cmocka_unit_test(test_no_end),
		cmocka_unit_test(test_stuck),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
