/* SPDX-License-Identifier: MIT
 *
 * test_engine_policy.c - every combination of what the policy looks at, against what must always hold;
 * then the exact times.
 */
#include <string.h>

#include "agent/common/engine_policy.h"
#include "lib/clock.h"
#include "tests/unit/unit_test.h"

#define SECONDS(n) ((n) * USEC_PER_SEC)
#define NOW        SECONDS(100000)

static const struct engine_policy usual = {.restart = true,
	.restarts_per_hour = 3,
	.hung_after_us = SECONDS(30),
	.calm_us = SECONDS(30)};

static bool is_up(const struct engine_policy_facts *facts)
{
	return facts->unit == SERVICE_STATE_ACTIVE || facts->unit == SERVICE_STATE_RELOADING;
}

static void check(const struct engine_policy *policy, const struct engine_policy_facts *facts)
{
	struct engine_verdict verdict = engine_policy(policy, facts, NOW);
	uint64_t silence = NOW - facts->silent_us;

	if (!is_up(facts)) {
		assert_int_equal(verdict.action, ENGINE_ACTION_NONE);
		assert_true(verdict.state == DAEMON_STATE_DOWN ||
			    verdict.state == DAEMON_STATE_STARTING ||
			    verdict.state == DAEMON_STATE_FAILED);
		return;
	}
	assert_true(verdict.state != DAEMON_STATE_DOWN && verdict.state != DAEMON_STATE_FAILED);
	if (verdict.state == DAEMON_STATE_READY)
		assert_true(facts->answered && facts->misses == 0);
	if (verdict.state == DAEMON_STATE_HUNG) {
		assert_true(facts->misses >= ENGINE_POLICY_MISSES);
		assert_true(silence >= policy->hung_after_us);
		assert_true(!facts->stalled || silence >= 10 * policy->hung_after_us);
		assert_true(facts->answered || silence >= 2 * policy->hung_after_us);
	}
	if (verdict.action == ENGINE_ACTION_RESTART) {
		assert_int_equal(verdict.state, DAEMON_STATE_HUNG);
		assert_true(policy->restart && !facts->stopping && !facts->probing);
		assert_true(facts->recent_restarts < policy->restarts_per_hour);
		assert_true(facts->restarted_us == 0 ||
			    NOW - facts->restarted_us >= policy->hung_after_us);
	}
	/* Somebody who is up is asked again, and never at a time that does not come. */
	assert_int_equal(verdict.action == ENGINE_ACTION_NONE, facts->stopping || facts->probing);
	if (verdict.action != ENGINE_ACTION_NONE)
		assert_true(verdict.at_us <= NOW + policy->calm_us);
}

static void test_every_combination(void **state)
{
	static const unsigned int misses[] = {0, 1, 2, 3, 4, 30, 4000000000U};
	static const uint64_t ages[] = {0, SECONDS(1), SECONDS(29), SECONDS(30), SECONDS(59),
		SECONDS(60), SECONDS(299), SECONDS(300), SECONDS(90000)};

	(void)state;
	for (unsigned int unit = 0; unit <= SERVICE_STATE_FAILED + 1; unit++)
		for (unsigned int bits = 0; bits < 64; bits++)
			for (size_t m = 0; m < ARRAY_SIZE(misses); m++)
				for (size_t s = 0; s < ARRAY_SIZE(ages); s++)
					for (size_t r = 0; r < ARRAY_SIZE(ages); r++) {
						struct engine_policy policy = usual;
						struct engine_policy_facts facts = {
							.unit = (uint8_t)unit,
							.stopping = bits & 1,
							.probing = bits & 2,
							.stalled = bits & 4,
							.answered = bits & 8,
							.misses = misses[m],
							.probed_us =
								misses[m] || bits & 8 ? NOW : 0,
							.silent_us = NOW - ages[s],
							.restarted_us = r ? NOW - ages[r] : 0,
							.recent_restarts = bits & 16 ? 3 : 2};

						policy.restart = (bits & 32) == 0;
						check(&policy, &facts);
					}
}

static struct engine_policy_facts silent(unsigned int misses, uint64_t seconds)
{
	return (struct engine_policy_facts){.unit = SERVICE_STATE_ACTIVE,
		.answered = true,
		.misses = misses,
		.probed_us = NOW,
		.silent_us = NOW - SECONDS(seconds)};
}

static void expect(const struct engine_policy_facts *facts, enum daemon_state state,
	enum engine_action action)
{
	struct engine_verdict verdict = engine_policy(&usual, facts, NOW);

	assert_int_equal(verdict.state, state);
	assert_int_equal(verdict.action, action);
}

static void test_patience(void **state)
{
	struct engine_policy_facts facts = silent(1, 1000);

	(void)state;
	expect(&facts, DAEMON_STATE_SLOW, ENGINE_ACTION_PROBE); /* one miss, however long ago */
	facts = silent(3, 29);
	expect(&facts, DAEMON_STATE_SLOW, ENGINE_ACTION_PROBE);
	facts = silent(3, 30);
	expect(&facts, DAEMON_STATE_HUNG, ENGINE_ACTION_RESTART);
	facts.stalled = true;
	expect(&facts, DAEMON_STATE_SLOW, ENGINE_ACTION_PROBE);
	facts = silent(20, 300);
	facts.stalled = true;
	expect(&facts, DAEMON_STATE_HUNG, ENGINE_ACTION_RESTART);
	facts = silent(5, 59);
	facts.answered = false;
	expect(&facts, DAEMON_STATE_STARTING, ENGINE_ACTION_PROBE);
	facts = silent(5, 60);
	facts.answered = false;
	expect(&facts, DAEMON_STATE_HUNG, ENGINE_ACTION_RESTART);
}

static void test_restart_is_asked_for_once(void **state)
{
	struct engine_policy_facts facts = silent(4, 45);

	(void)state;
	facts.restarted_us = NOW - SECONDS(29);
	expect(&facts, DAEMON_STATE_HUNG, ENGINE_ACTION_PROBE);
	facts.restarted_us = NOW - SECONDS(30);
	expect(&facts, DAEMON_STATE_HUNG, ENGINE_ACTION_RESTART);
	facts.recent_restarts = 3;
	expect(&facts, DAEMON_STATE_HUNG, ENGINE_ACTION_PROBE);
}

static void test_times(void **state)
{
	struct engine_policy_facts facts = {.unit = SERVICE_STATE_ACTIVE};

	(void)state;
	assert_int_equal(engine_policy(&usual, &facts, NOW).at_us, NOW); /* never asked */
	facts.probed_us = NOW;
	assert_int_equal(engine_policy(&usual, &facts, NOW).at_us, NOW + SECONDS(30));
	facts = silent(1, 10);
	assert_int_equal(engine_policy(&usual, &facts, NOW).at_us, NOW + 250 * USEC_PER_MSEC);
	facts = silent(2, 20);
	assert_int_equal(engine_policy(&usual, &facts, NOW).at_us, NOW + 500 * USEC_PER_MSEC);
	/* Not past the end of our patience ... */
	facts = silent(6, 28);
	assert_int_equal(engine_policy(&usual, &facts, NOW).at_us, NOW + SECONDS(2));
	/* ... and calmly once that is over. */
	facts = silent(60, 3000);
	facts.recent_restarts = 3;
	assert_int_equal(engine_policy(&usual, &facts, NOW).at_us, NOW + SECONDS(30));
}

static void test_units_and_names(void **state)
{
	static const enum daemon_state states[] = {
		[SERVICE_STATE_INACTIVE] = DAEMON_STATE_DOWN,
		[SERVICE_STATE_WAITING] = DAEMON_STATE_STARTING,
		[SERVICE_STATE_STARTING] = DAEMON_STATE_STARTING,
		[SERVICE_STATE_ACTIVE] = DAEMON_STATE_READY,
		[SERVICE_STATE_RELOADING] = DAEMON_STATE_READY,
		[SERVICE_STATE_STOPPING] = DAEMON_STATE_DOWN,
		[SERVICE_STATE_BACKOFF] = DAEMON_STATE_DOWN,
		[SERVICE_STATE_FAILED] = DAEMON_STATE_FAILED,
	};
	static const char *const names[] = {"down", "starting", "ready", "slow", "hung", "failed"};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(states); i++) {
		struct engine_policy_facts facts = {
			.unit = (uint8_t)i, .answered = true, .probed_us = NOW};

		assert_int_equal(engine_policy(&usual, &facts, NOW).state, states[i]);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		assert_string_equal(daemon_state_name((enum daemon_state)i), names[i]);
	assert_string_equal(daemon_state_name((enum daemon_state)ARRAY_SIZE(names)), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_combination),
		cmocka_unit_test(test_patience),
		cmocka_unit_test(test_restart_is_asked_for_once),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_units_and_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
