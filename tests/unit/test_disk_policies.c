/* SPDX-License-Identifier: MIT
 *
 * test_disk_policies.c - space and trim: the promises of their headers over the whole space of inputs, then the cases
 * that people meet.
 */
#include <string.h>

#include "tests/unit/unit_test.h"

#include "agent/common/space_policy.h"
#include "agent/common/trim_policy.h"
#include "lib/clock.h"

#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)

/* ---- space -------------------------------------------------------------------------------------- */

static const struct space_policy usual = {
	.low_percent = 10, .critical_percent = 3, .calm_us = 30 * USEC_PER_SEC};

static struct space_sample sample(uint64_t at_s, uint64_t total, uint64_t free)
{
	return (struct space_sample){.at_us = at_s * USEC_PER_SEC,
		.total = total,
		.used = total - free,
		.free = free,
		.inodes = 1000,
		.inodes_free = 900};
}

static struct space_verdict judge(struct space_state *state, struct space_sample now)
{
	struct space_verdict verdict;

	memset(&verdict, 0xff, sizeof(verdict));
	space_policy(&usual, state, &now, &verdict);
	return verdict;
}

/* Without a history the word follows from the shares alone; every share of bytes and inodes. */
static void test_every_share(void **state)
{
	(void)state;
	for (uint64_t free = 0; free <= 100; free++)
		for (uint64_t inodes = 0; inodes <= 100; inodes++) {
			struct space_state fresh = {0};
			struct space_sample now = sample(100, 100 * GIB, free * GIB);
			struct space_verdict verdict;
			uint64_t least = free < inodes ? free : inodes;

			now.inodes = 100;
			now.inodes_free = inodes;
			verdict = judge(&fresh, now);
			assert_int_equal(verdict.word, least < 3    ? SPACE_CRITICAL
						       : least < 10 ? SPACE_LOW
								    : SPACE_OK);
			assert_false(verdict.full_known);
			assert_int_equal(verdict.next_us, 130 * USEC_PER_SEC);
		}
}

static void test_a_disk_at_its_edge_does_not_flap(void **state)
{
	struct space_state history = {0};

	(void)state;
	assert_int_equal(judge(&history, sample(0, 1000 * GIB, 99 * GIB)).word, SPACE_LOW);
	assert_int_equal(judge(&history, sample(30, 1000 * GIB, 101 * GIB)).word, SPACE_LOW);
	assert_int_equal(judge(&history, sample(60, 1000 * GIB, 109 * GIB)).word, SPACE_LOW);
	assert_int_equal(judge(&history, sample(90, 1000 * GIB, 111 * GIB)).word, SPACE_OK);
	assert_int_equal(judge(&history, sample(120, 1000 * GIB, 101 * GIB)).word, SPACE_OK);
	assert_int_equal(judge(&history, sample(150, 1000 * GIB, 29 * GIB)).word, SPACE_CRITICAL);
	assert_int_equal(judge(&history, sample(180, 1000 * GIB, 31 * GIB)).word, SPACE_CRITICAL);
	assert_int_equal(judge(&history, sample(210, 1000 * GIB, 41 * GIB)).word, SPACE_LOW);
}

/* 10 MiB a second with 24 % free of 100 GiB: gone within the hour, long before it is at 10 %. */
static void test_pace(void **state)
{
	struct space_state history = {0};
	struct space_verdict verdict = {0};
	uint64_t free = 24 * GIB, at_s = 0, low_s = 0;

	(void)state;
	for (; free > 11 * GIB; free -= 300 * MIB, at_s += 30) {
		verdict = judge(&history, sample(at_s, 100 * GIB, free));
		if (verdict.word == SPACE_LOW && low_s == 0)
			low_s = at_s;
		assert_true(verdict.next_us > at_s * USEC_PER_SEC);
		assert_true(verdict.next_us <= (at_s + 30) * USEC_PER_SEC);
	}
	assert_true(low_s > 30 && low_s < 600);
	assert_true(verdict.full_known);
	assert_in_range(verdict.full_in_s, 900, 1500); /* 11 GiB at 10 MiB/s are 1126 s */
	/* It stops: the word stays until the pace is forgotten, and comes back to ok. */
	verdict = judge(&history, sample(at_s + 30, 100 * GIB, free));
	assert_int_equal(verdict.word, SPACE_LOW);
	for (int i = 2; i < 120; i++)
		verdict = judge(&history, sample(at_s + 30 * (uint64_t)i, 100 * GIB, 20 * GIB));
	assert_int_equal(verdict.word, SPACE_OK);
	/* With much room the same pace is no reason to be alarmed. */
	history = (struct space_state){0};
	for (uint64_t i = 0; i < 18; i++) {
		verdict = judge(&history, sample(i * 30, 100 * GIB, 60 * GIB - i * 2 * GIB));
		assert_int_equal(verdict.word, SPACE_OK);
	}
	assert_true(verdict.full_known && verdict.full_in_s < 3600);
	verdict = judge(&history, sample(18 * 30, 100 * GIB, 24 * GIB));
	assert_int_equal(verdict.word, SPACE_LOW);
}

/* The next look comes before the word can change at the present pace, and not in a hurry without one. */
static void test_when_to_look_again(void **state)
{
	struct space_state history = {0};
	struct space_verdict verdict;

	(void)state;
	(void)judge(&history, sample(0, 10 * GIB, 9 * GIB));
	verdict = judge(&history, sample(1, 10 * GIB, 5 * GIB));
	/* 13.6 MiB/s on the average, 4 GiB to go: calm. */
	assert_int_equal(verdict.next_us, 31 * USEC_PER_SEC);
	for (uint64_t i = 2; i < 40; i++)
		verdict = judge(&history, sample(i, 10 * GIB, 5 * GIB - i * 100 * MIB));
	assert_true(verdict.next_us < 50 * USEC_PER_SEC);
	assert_true(verdict.next_us >= 40 * USEC_PER_SEC);
	/* Below every threshold there is nothing to be caught. */
	verdict = judge(&history, sample(40, 10 * GIB, 0));
	assert_int_equal(verdict.word, SPACE_CRITICAL);
	assert_int_equal(verdict.next_us, 70 * USEC_PER_SEC);
	assert_true(verdict.full_known && verdict.full_in_s == 0);
	/* Already behind the low threshold, on the way to the critical one, at once. */
	history = (struct space_state){.begun = true,
		.last = sample(0, 10 * GIB, 2 * GIB),
		.pace = 1e12,
		.word = SPACE_OK};
	verdict = judge(&history, sample(1, 10 * GIB, GIB));
	assert_int_equal(verdict.next_us, 2 * USEC_PER_SEC);
}

static void test_odd_samples(void **state)
{
	struct space_state history = {0};
	struct space_verdict first, second;

	(void)state;
	first = judge(&history, sample(10, 10 * GIB, 5 * GIB));
	second = judge(&history, sample(10, 10 * GIB, 4 * GIB)); /* at the same time */
	assert_memory_equal(&first, &second, sizeof(first));
	second = judge(&history, sample(5, 10 * GIB, GIB)); /* and earlier */
	assert_memory_equal(&first, &second, sizeof(first));
	/* Grown: what was free before is no pace. */
	second = judge(&history, sample(20, 20 * GIB, 4 * GIB));
	assert_false(second.full_known);
	/* So slowly that it is not foreseen. */
	history = (struct space_state){0};
	(void)judge(&history, sample(0, 100 * GIB, 50 * GIB));
	second = judge(&history, sample(30, 100 * GIB, 50 * GIB - 4096));
	assert_false(second.full_known);
	assert_int_equal(second.full_in_s, 0);
	/* Exactly at a threshold it is not yet below, and the next byte would be. */
	history = (struct space_state){0};
	(void)judge(&history, sample(0, 100 * GIB, 10 * GIB + 4 * MIB));
	second = judge(&history, sample(3000, 100 * GIB, 10 * GIB));
	assert_int_equal(second.word, SPACE_OK);
	assert_int_equal(second.next_us, 3001 * USEC_PER_SEC);
	/* Nothing at all, as statfs says of some file systems. */
	history = (struct space_state){0};
	second = judge(&history, (struct space_sample){.at_us = 1});
	assert_int_equal(second.word, SPACE_OK);
	/* A threshold of 0 is never met. */
	history = (struct space_state){0};
	space_policy(&(struct space_policy){.calm_us = 1}, &history,
		&(struct space_sample){.at_us = 1, .total = GIB, .used = GIB, .inodes = 1},
		&second);
	assert_int_equal(second.word, SPACE_OK);
}

/* ---- trim --------------------------------------------------------------------------------------- */

static const uint64_t sizes[] = {
	0, TRIM_FREED_MIN - 1, TRIM_FREED_MIN, TRIM_FREED_MUCH - 1, TRIM_FREED_MUCH, 100 * GIB};
static const uint64_t ages_s[] = {0, TRIM_CALM_S - 1, TRIM_CALM_S, TRIM_PAUSE_S - 1, TRIM_PAUSE_S,
	TRIM_FIRST_S - 1, TRIM_FIRST_S, TRIM_AGAIN_S - 1, TRIM_AGAIN_S, 10 * TRIM_AGAIN_S};
static const int pressures[] = {-1, 0, TRIM_QUIET_PERCENT - 1, TRIM_QUIET_PERCENT,
	TRIM_LOUD_PERCENT - 1, TRIM_LOUD_PERCENT, 100};

static void check_trim(const struct trim_facts *facts)
{
	uint64_t again_us = 77;
	enum trim_verdict verdict = trim_policy(facts, &again_us);
	bool now = verdict == TRIM_NOW;
	bool soon = verdict == TRIM_PAUSE || verdict == TRIM_FREEING || verdict == TRIM_PRESSURE;
	bool pays = facts->freed >= TRIM_FREED_MIN && facts->freed * 100 >= facts->used;

	/* Never against one of these. */
	if (!facts->enabled || !facts->possible || !facts->writable || facts->busy || facts->job)
		assert_false(now);
	if (now && !pays && facts->failures == 0)
		assert_true(facts->trimmed ? facts->written >= TRIM_WRITTEN_MIN &&
						     facts->since_us >= TRIM_AGAIN_S * USEC_PER_SEC
					   : facts->since_us >= TRIM_FIRST_S * USEC_PER_SEC);
	if (now && facts->freed < TRIM_FREED_MUCH)
		assert_true(facts->io_pressure < TRIM_QUIET_PERCENT);
	if (now)
		assert_true(facts->io_pressure < TRIM_LOUD_PERCENT);
	if (now && facts->failures > 0)
		assert_true(facts->since_us >= TRIM_PAUSE_S * USEC_PER_SEC);
	/* What pays, with nothing in the way, is done. */
	if (facts->enabled && facts->possible && facts->writable && !facts->busy && !facts->job &&
		pays && facts->failures == 0 && facts->io_pressure < TRIM_QUIET_PERCENT &&
		facts->calm_us >= TRIM_CALM_S * USEC_PER_SEC)
		assert_true(now);
	assert_int_equal(again_us != 0, soon);
	assert_int_equal(trim_verdict_reason(verdict)[0] == '\0', now || verdict == TRIM_NOTHING);
	assert_string_not_equal(trim_verdict_reason(verdict), "?");
}

static void vary_trim(struct trim_facts *facts)
{
	for (unsigned int bits = 0; bits < 64; bits++) {
		facts->enabled = bits & 1;
		facts->possible = bits & 2;
		facts->writable = bits & 4;
		facts->busy = bits & 8;
		facts->job = bits & 16;
		facts->trimmed = bits & 32;
		check_trim(facts);
	}
}

static void test_every_trim(void **state)
{
	struct trim_facts facts = {0};

	(void)state;
	for (size_t a = 0; a < ARRAY_SIZE(sizes); a++)
		for (size_t b = 0; b < ARRAY_SIZE(sizes); b++)
			for (size_t c = 0; c < ARRAY_SIZE(ages_s); c++)
				for (size_t d = 0; d < ARRAY_SIZE(ages_s); d += 2)
					for (size_t e = 0; e < ARRAY_SIZE(pressures); e++)
						for (size_t f = 0; f < 6; f++) {
							facts.freed = sizes[a];
							facts.used = sizes[b];
							facts.written = sizes[(a + b) % 6];
							facts.since_us = ages_s[c] * USEC_PER_SEC;
							facts.calm_us = ages_s[d] * USEC_PER_SEC;
							facts.io_pressure = pressures[e];
							facts.failures = f < 5 ? (unsigned)f : 1000;
							vary_trim(&facts);
						}
}

static void expect_trim(const struct trim_facts *facts, enum trim_verdict verdict, uint64_t again_s)
{
	uint64_t again_us;

	assert_int_equal(trim_policy(facts, &again_us), verdict);
	assert_int_equal(again_us, again_s * USEC_PER_SEC);
}

static void test_trim_examples(void **state)
{
	struct trim_facts facts = {.enabled = true,
		.possible = true,
		.writable = true,
		.since_us = 100 * USEC_PER_SEC,
		.calm_us = 60 * USEC_PER_SEC,
		.used = 5 * GIB,
		.freed = 200 * MIB,
		.io_pressure = -1};

	(void)state;
	expect_trim(&facts, TRIM_NOW, 0);
	facts.used = 100 * GIB; /* less than 1 % of it */
	expect_trim(&facts, TRIM_NOTHING, 0);
	facts.since_us = TRIM_FIRST_S * USEC_PER_SEC; /* what was freed before the mount? */
	expect_trim(&facts, TRIM_NOW, 0);
	facts.trimmed = true;
	expect_trim(&facts, TRIM_NOTHING, 0);
	facts.since_us = TRIM_AGAIN_S * USEC_PER_SEC;
	expect_trim(&facts, TRIM_NOTHING, 0);
	facts.written = 2 * GIB;
	expect_trim(&facts, TRIM_NOW, 0);
	facts.calm_us = 4 * USEC_PER_SEC;
	expect_trim(&facts, TRIM_FREEING, 6);
	facts.calm_us = 60 * USEC_PER_SEC;
	facts.io_pressure = 7;
	expect_trim(&facts, TRIM_PRESSURE, 10);
	facts.freed = 3 * GIB;
	expect_trim(&facts, TRIM_NOW, 0);
	facts.io_pressure = 20;
	expect_trim(&facts, TRIM_PRESSURE, 10);
	facts.since_us = 40 * USEC_PER_SEC;
	facts.failures = 1;
	expect_trim(&facts, TRIM_PAUSE, 20);
	facts.failures = 3;
	expect_trim(&facts, TRIM_PAUSE, 200);
	facts.failures = 1000;
	expect_trim(&facts, TRIM_PAUSE, (60 << 8) - 40);
	facts.writable = false;
	expect_trim(&facts, TRIM_NOT_WRITABLE, 0);
	assert_string_equal(trim_verdict_reason((enum trim_verdict)99), "?");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_every_share),
	cmocka_unit_test(test_a_disk_at_its_edge_does_not_flap),
	cmocka_unit_test(test_pace),
	cmocka_unit_test(test_when_to_look_again),
	cmocka_unit_test(test_odd_samples),
	cmocka_unit_test(test_every_trim),
	cmocka_unit_test(test_trim_examples),
};

UNIT_TEST_MAIN(tests)
