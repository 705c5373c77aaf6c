/* SPDX-License-Identifier: MIT
 *
 * test_clock_policy.c - what is done about a clock that is off: the promises of clock_policy.h over every combination of
 * facts, then the cases that people meet; edges of a clock that shows seconds.
 */
#include <string.h>

#include "tests/unit/unit_test.h"

#include "agent/common/clock_edge.h"
#include "agent/common/clock_policy.h"
#include "lib/base.h"

#define SEC  INT64_C(1000000)
#define MS   INT64_C(1000)
#define HOUR (3600 * SEC)
#define NOW  (INT64_C(1780000000) * SEC) /* in 2026 */

static const struct clock_limits usual = {
	.step_us = 128 * 1000, .dead_us = 5 * 1000, .other_us = 1000 * 1000};

static const int64_t offsets[] = {0, 1, 5 * MS, 5 * MS + 1, 50 * MS, 128 * MS - 1, 128 * MS,
	900 * MS, SEC, SEC + 1, HOUR, 24 * 365 * HOUR, 80 * 365 * 24 * HOUR, INT64_MAX};
static const uint64_t uncertainties[] = {0, 1, 5000, 49999, 128000, 1000000, UINT64_MAX};
static const int64_t clocks[] = {NOW, 0, CLOCK_EARLIEST_US - 1, CLOCK_EARLIEST_US,
	CLOCK_LATEST_US - 1, CLOCK_LATEST_US, -1, INT64_MIN, INT64_MAX};

static uint64_t size_of(int64_t offset)
{
	return offset < 0 ? (uint64_t)0 - (uint64_t)offset : (uint64_t)offset;
}

/* What must hold whatever the rest is. */
static void check(const struct clock_limits *limits, const struct clock_question *question)
{
	enum clock_action action = CLOCK_ACTION_NONE;
	enum clock_reason reason = CLOCK_REASON_FAILED;
	uint64_t off = size_of(question->offset_us);
	bool foreign = question->other && limits->manage == CLOCK_MANAGE_AUTO;
	int64_t target;

	clock_policy_decide(limits, question, &action, &reason);
	assert_int_not_equal(action, CLOCK_ACTION_NONE);
	assert_int_not_equal(reason, CLOCK_REASON_FAILED);
	if (action == CLOCK_ACTION_STEPPED || action == CLOCK_ACTION_SLEWED) {
		assert_true(question->may_set);
		assert_int_not_equal(limits->manage, CLOCK_MANAGE_NO);
		assert_true(off > limits->dead_us && off > question->uncertainty_us);
		assert_false(__builtin_add_overflow(question->realtime_us, question->offset_us,
			&target));
		assert_true(target >= CLOCK_EARLIEST_US && target < CLOCK_LATEST_US);
		if (foreign)
			assert_true(off > limits->other_us);
	}
	if (action == CLOCK_ACTION_STEPPED) {
		assert_true(question->may_step);
		assert_true(off >= limits->step_us || foreign);
	}
	if (action == CLOCK_ACTION_SLEWED) {
		assert_true(off < limits->step_us);
		assert_false(foreign);
	}
	if (action == CLOCK_ACTION_LEFT)
		assert_true(off <= limits->dead_us || off <= question->uncertainty_us ||
			    (foreign && off <= limits->other_us));
}

static void test_every_combination(void **state)
{
	unsigned int count = 0;

	(void)state;
	for (int manage = CLOCK_MANAGE_AUTO; manage <= CLOCK_MANAGE_NO; manage++)
		for (size_t c = 0; c < ARRAY_SIZE(clocks); c++)
			for (size_t o = 0; o < 2 * ARRAY_SIZE(offsets); o++)
				for (size_t u = 0; u < ARRAY_SIZE(uncertainties); u++)
					for (unsigned int bits = 0; bits < 8; bits++) {
						struct clock_limits limits = usual;
						struct clock_question question = {
							.realtime_us = clocks[c],
							.offset_us = o % 2 ? -offsets[o / 2]
									   : offsets[o / 2],
							.uncertainty_us = uncertainties[u],
							.other = bits & 1,
							.may_set = bits & 2,
							.may_step = bits & 4};

						limits.manage = (enum clock_manage)manage;
						check(&limits, &question);
						count++;
					}
	assert_int_equal(count, 3 * 9 * 28 * 7 * 8);
}

static void expect(enum clock_manage manage, struct clock_question question,
	enum clock_action action, enum clock_reason reason)
{
	struct clock_limits limits = usual;
	enum clock_action what;
	enum clock_reason why;

	limits.manage = manage;
	if (question.realtime_us == 0)
		question.realtime_us = NOW;
	clock_policy_decide(&limits, &question, &what, &why);
	assert_string_equal(clock_reason_name(why), clock_reason_name(reason));
	assert_int_equal(what, action);
}

static void test_cases(void **state)
{
	const struct clock_question free = {.may_set = true, .may_step = true};
	struct clock_question q = free;

	(void)state;
	q.offset_us = HOUR;
	expect(CLOCK_MANAGE_AUTO, q, CLOCK_ACTION_STEPPED, CLOCK_REASON_LARGE);
	q.offset_us = -HOUR;
	expect(CLOCK_MANAGE_AUTO, q, CLOCK_ACTION_STEPPED, CLOCK_REASON_LARGE);
	expect(CLOCK_MANAGE_NO, q, CLOCK_ACTION_REFUSED, CLOCK_REASON_MANAGE);
	q.other = true; /* chronyd would slew it for half a day */
	expect(CLOCK_MANAGE_AUTO, q, CLOCK_ACTION_STEPPED, CLOCK_REASON_LARGE);
	q.offset_us = SEC; /* it does its job */
	expect(CLOCK_MANAGE_AUTO, q, CLOCK_ACTION_LEFT, CLOCK_REASON_OTHER);
	expect(CLOCK_MANAGE_YES, q, CLOCK_ACTION_STEPPED, CLOCK_REASON_LARGE);
	q.offset_us = 50 * MS;
	expect(CLOCK_MANAGE_YES, q, CLOCK_ACTION_SLEWED, CLOCK_REASON_SMALL);
	q.other = false;
	expect(CLOCK_MANAGE_AUTO, q, CLOCK_ACTION_SLEWED, CLOCK_REASON_SMALL);
	q.uncertainty_us = 50 * MS;
	expect(CLOCK_MANAGE_AUTO, q, CLOCK_ACTION_LEFT, CLOCK_REASON_UNSURE);
	q.offset_us = 5 * MS;
	expect(CLOCK_MANAGE_NO, q, CLOCK_ACTION_LEFT, CLOCK_REASON_WITHIN);
	q = free;
	q.offset_us = HOUR;
	q.may_step = false;
	expect(CLOCK_MANAGE_AUTO, q, CLOCK_ACTION_REFUSED, CLOCK_REASON_TOO_OFTEN);
	q.may_set = false;
	expect(CLOCK_MANAGE_AUTO, q, CLOCK_ACTION_REFUSED, CLOCK_REASON_RIGHTS);
	q = free;
	q.offset_us = 100 * 365 * 24 * HOUR;
	expect(CLOCK_MANAGE_YES, q, CLOCK_ACTION_REFUSED, CLOCK_REASON_ABSURD);
	q.offset_us = -10 * 365 * 24 * HOUR;
	expect(CLOCK_MANAGE_YES, q, CLOCK_ACTION_REFUSED, CLOCK_REASON_ABSURD);
	/* A machine without a battery boots in 1970: that is mended. */
	q.realtime_us = 1;
	q.offset_us = NOW;
	expect(CLOCK_MANAGE_AUTO, q, CLOCK_ACTION_STEPPED, CLOCK_REASON_LARGE);
}

/* Another's discipline that is off by less than step_ms, but more than it may: a configuration that wants it so. */
static void test_small_bound_for_others(void **state)
{
	const struct clock_limits limits = {.step_us = 128000, .dead_us = 5000, .other_us = 50000};
	const struct clock_question question = {.realtime_us = NOW,
		.offset_us = 60 * MS,
		.other = true,
		.may_set = true,
		.may_step = true};
	enum clock_action action;
	enum clock_reason reason;

	(void)state;
	clock_policy_decide(&limits, &question, &action, &reason);
	assert_int_equal(action, CLOCK_ACTION_STEPPED);
}

/* At most CLOCK_STEPS_MAX at once, and one per CLOCK_STEP_REFILL_US over any time, however often it is asked. */
static void test_budget(void **state)
{
	struct clock_budget budget = {0};
	uint64_t now = 5 * USEC_PER_SEC, steps = 0;

	(void)state;
	for (unsigned int i = 0; i < 100; i++)
		if (clock_budget_has(&budget, now)) {
			clock_budget_take(&budget);
			steps++;
		}
	assert_int_equal(steps, CLOCK_STEPS_MAX);
	clock_budget_take(&budget);
	assert_false(clock_budget_has(&budget, now - 1));
	assert_false(clock_budget_has(&budget, now + CLOCK_STEP_REFILL_US - 1));
	assert_true(clock_budget_has(&budget, now + CLOCK_STEP_REFILL_US));
	steps = 0;
	for (unsigned int i = 0; i < 1000; i++) {
		now += USEC_PER_SEC;
		if (clock_budget_has(&budget, now)) {
			clock_budget_take(&budget);
			steps++;
		}
	}
	assert_in_range(steps, 99, 101);
	assert_true(clock_budget_has(&budget, now + 1000 * CLOCK_STEP_REFILL_US));
	assert_int_equal(budget.left, CLOCK_STEPS_MAX);
}

static bool other(struct clock_kernel before, struct clock_kernel now, uint64_t now_us,
	uint64_t *seen)
{
	return clock_policy_other(&before, &now, now_us, seen);
}

static void test_other(void **state)
{
	const struct clock_kernel idle = {.known = true, .tick_us = 10000};
	const struct clock_kernel synced = {
		.known = true, .synchronised = true, .max_error_us = 1000, .tick_us = 10000};
	struct clock_kernel slewing = idle, tuned = idle, stale = synced;
	uint64_t seen = 0, now = 100 * USEC_PER_SEC;

	(void)state;
	slewing.tick_us = 10833; /* chronyd, with an hour to go */
	tuned.frequency = -77000;
	stale.max_error_us = CLOCK_OTHER_ERROR_US;
	assert_false(other((struct clock_kernel){0}, (struct clock_kernel){0}, now, &seen));
	assert_false(other((struct clock_kernel){0}, idle, now, &seen));
	assert_false(other(idle, idle, now, &seen));
	assert_false(other((struct clock_kernel){0}, tuned, now, &seen)); /* who knows since when */
	assert_false(other(tuned, tuned, now, &seen));
	assert_false(other(stale, stale, now, &seen)); /* it died an hour ago */
	assert_true(other(idle, synced, now, &seen));
	/* We, or Hyper-V, step: "not synchronised" until its next word. */
	assert_true(other(synced, idle, now + CLOCK_OTHER_MEMORY_US - 1, &seen));
	assert_false(other(idle, idle, now + CLOCK_OTHER_MEMORY_US, &seen));
	seen = 0;
	assert_true(other(idle, tuned, now, &seen)); /* chronyd without rtcsync */
	seen = 0;
	assert_true(other(slewing, idle, now, &seen));
	assert_false(other(slewing, (struct clock_kernel){0}, now, &seen));
}

static void test_coarse(void **state)
{
	(void)state;
	for (int64_t ms = -3000; ms <= 3000; ms++) {
		/* The clock shows `seconds` while the right time is ms later than ours. */
		int64_t ours = NOW + 345 * MS, right = ours + ms * MS;
		int64_t found = clock_policy_coarse(right / SEC, ours);

		assert_true(found == 0 || (found > 0) == (ms > 0));
		assert_true(size_of(found) <= size_of(ms * MS));
		assert_true(size_of(ms * MS) - size_of(found) <= (uint64_t)SEC);
	}
}

/* ---- edges ------------------------------------------------------------------------------------------- */

/* A clock `ahead` of ours, read every `step` from `start` on; `took`: a reading takes so long. */
static struct clock_edge hunt(int64_t start, int64_t ahead, int64_t step, int64_t took)
{
	struct clock_edge edge = {0};

	for (int64_t now = start;; now += step) {
		assert_true(now < start + 10 * SEC);
		if (clock_edge_take(&edge, now, (now + took / 2 + ahead) / SEC, now + took))
			return edge;
	}
}

/* The right offset is within the uncertainty that is told, which is about half a period of reading. */
static void test_edges(void **state)
{
	(void)state;
	for (int64_t ahead = -HOUR; ahead <= HOUR; ahead += 7 * 60 * SEC + 12345)
		for (int64_t start = NOW; start < NOW + SEC; start += 97 * MS) {
			struct clock_edge edge = hunt(start, ahead, 10 * MS, 300);

			assert_true(size_of(edge.offset_us - ahead) <= edge.uncertainty_us);
			assert_true(edge.uncertainty_us <= 6000);
			assert_int_equal(edge.edges, 1);
		}
}

/* A reader that is held up waits for a better edge, but not for ever. */
static void test_slow_edges(void **state)
{
	struct clock_edge edge = hunt(NOW + 1, 0, 200 * MS, 1000);

	(void)state;
	assert_int_equal(edge.edges, CLOCK_EDGES_MAX);
	assert_true(size_of(edge.offset_us) <= edge.uncertainty_us);
	edge = (struct clock_edge){0};
	assert_false(clock_edge_take(&edge, NOW, NOW / SEC, NOW + 1));
	assert_false(clock_edge_take(&edge, NOW + 60 * MS, NOW / SEC + 1, NOW + 61 * MS));
	assert_int_equal(edge.edges, 1);
	assert_false(clock_edge_take(&edge, NOW + SEC, NOW / SEC + 1, NOW + SEC + 1));
	assert_true(clock_edge_take(&edge, NOW + SEC + MS, NOW / SEC + 2, NOW + SEC + 2 * MS));
	assert_true(edge.uncertainty_us <= 1000);
	/* Our clock was set back between two readings. */
	edge = (struct clock_edge){0};
	assert_false(clock_edge_take(&edge, NOW, NOW / SEC, NOW + 1));
	(void)clock_edge_take(&edge, NOW - HOUR, NOW / SEC + 1, NOW - HOUR + 1);
	assert_int_equal(edge.edges, 1);
}

static void test_words(void **state)
{
	(void)state;
	assert_string_equal(clock_manage_name(CLOCK_MANAGE_NO), "no");
	assert_string_equal(clock_source_name(CLOCK_SOURCE_HOST), "host");
	assert_string_equal(clock_discipline_name(CLOCK_DISCIPLINE_OTHER), "other");
	assert_string_equal(clock_action_name(CLOCK_ACTION_REFUSED), "refused");
	for (int reason = 0; reason <= CLOCK_REASON_FAILED; reason++) {
		assert_non_null(clock_reason_name((enum clock_reason)reason));
		assert_true(strlen(clock_reason_text((enum clock_reason)reason)) > 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_combination),
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_small_bound_for_others),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_other),
		cmocka_unit_test(test_coarse),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_slow_edges),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
