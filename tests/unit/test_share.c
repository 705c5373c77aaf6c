/* SPDX-License-Identifier: MIT
 *
 * test_share.c - what is published, whose it is, how long somebody is fought who takes it away.
 */
#include <stdio.h>
#include <string.h>

#include "agent/share/share_policy.h"
#include "lib/clock.h"
#include "tests/unit/unit_test.h"

#define PLACE "30 20 0:50 / /mnt/wsl rw shared:5 - tmpfs none rw\n"
#define MINE  "31 30 0:60 /keel/share /mnt/wsl/keel/run rw - tmpfs none rw\n"
#define OTHER "32 30 0:61 /keel/share /mnt/wsl/keel/run rw - tmpfs none rw\n"
#define ALIEN "33 30 0:60 / /mnt/wsl/keel/run rw - tmpfs none rw\n"

static enum share_top top_of(const char *text)
{
	struct share_table table = {.device = "0:60"};

	for (; *text; text += strcspn(text, "\n") + 1)
		share_table_line(&table, text);
	return share_table_top(&table);
}

static void test_table(void **state)
{
	(void)state;
	assert_int_equal(top_of("20 1 8:1 / / rw - ext4 x rw\n"), SHARE_NO_PLACE);
	assert_int_equal(top_of(MINE), SHARE_NO_PLACE);
	assert_int_equal(top_of(PLACE), SHARE_NOTHING);
	assert_int_equal(top_of(PLACE MINE), SHARE_OURS);
	assert_int_equal(top_of(PLACE OTHER), SHARE_LIVE);
	assert_int_equal(top_of(PLACE ALIEN), SHARE_FOREIGN);
	/* what is on top counts */
	assert_int_equal(top_of(PLACE OTHER MINE), SHARE_OURS);
	assert_int_equal(top_of(PLACE MINE ALIEN), SHARE_FOREIGN);
	/* no lines of it, and nearly */
	assert_int_equal(top_of(PLACE "31 30 0:60 /keel/share /mnt/wsl/keel/run\n"), SHARE_NOTHING);
	assert_int_equal(top_of(PLACE "31 30 0:60 /keel/share /mnt/wsl/keel/runs rw\n\n31 30\n"),
		SHARE_NOTHING);
	assert_int_equal(top_of(PLACE "31 30 0:6 /keel/share /mnt/wsl/keel/run rw\n"), SHARE_LIVE);
	assert_int_equal(top_of(PLACE "31 30 0:60 /keel/sharf /mnt/wsl/keel/run rw\n"),
		SHARE_FOREIGN);
}

static void text_of(const struct share_state *state, enum share_top top, const char *expected)
{
	char text[128];

	share_policy_text(state, top, 10 * USEC_PER_SEC, text, sizeof(text));
	assert_string_equal(text, expected);
}

static void test_publish(void **unused)
{
	struct share_state state = {0};
	uint64_t again;

	(void)unused;
	assert_int_equal(share_policy_step(&state, SHARE_NO_PLACE, 1, &again), SHARE_WAIT);
	assert_int_equal(share_policy_step(&state, SHARE_FOREIGN, 1, &again), SHARE_WAIT);
	assert_int_equal(share_policy_step(&state, SHARE_LIVE, 1, &again), SHARE_WAIT);
	assert_int_equal(share_policy_step(&state, SHARE_DEAD, 1, &again), SHARE_CLEAR);
	assert_int_equal(share_policy_step(&state, SHARE_NOTHING, 1, &again), SHARE_PUBLISH);
	share_policy_done(&state, SHARE_PUBLISH, 0, 1);
	assert_int_equal(share_policy_step(&state, SHARE_OURS, 1, &again), SHARE_WAIT);
	assert_int_equal(again, 0);
	assert_true(state.published && state.lost == 0 && state.streak == 0);
}

/* It does not work: tried again, more and more seldom. */
/* Something was unmounted, and is still there, or again: each time one less of a stack. */
static void test_clear(void **unused)
{
	struct share_state state = {0};
	uint64_t again;

	(void)unused;
	assert_int_equal(share_policy_step(&state, SHARE_DEAD, 1, &again), SHARE_CLEAR);
	share_policy_done(&state, SHARE_CLEAR, 0, 1);
	assert_false(state.published);
	assert_int_equal(share_policy_step(&state, SHARE_DEAD, 1, &again), SHARE_CLEAR);
	share_policy_done(&state, SHARE_CLEAR, -EBUSY, 1);
	assert_int_equal(share_policy_step(&state, SHARE_DEAD, 1, &again), SHARE_CLEAR);
	share_policy_done(&state, SHARE_CLEAR, -EBUSY, 1);
	assert_int_equal(share_policy_step(&state, SHARE_DEAD, 2, &again), SHARE_WAIT);
	/* one that was there before us */
	assert_int_equal(share_policy_step(&state, SHARE_OURS, 3, &again), SHARE_WAIT);
	assert_true(state.published && state.published_us == 3);
}

static void test_failure(void **unused)
{
	static const unsigned int pauses_s[] = {0, 1, 2, 4, 8, 16, 32, 60, 60, 60};
	struct share_state state = {0};
	uint64_t now = 5 * USEC_PER_SEC, again;

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(pauses_s); i++) {
		assert_int_equal(share_policy_step(&state, SHARE_NOTHING, now, &again),
			SHARE_PUBLISH);
		share_policy_done(&state, SHARE_PUBLISH, -ENOSPC, now);
		assert_int_equal(state.retry_us - now, pauses_s[i] * USEC_PER_SEC);
		if (pauses_s[i] > 0) {
			assert_int_equal(share_policy_step(&state, SHARE_NOTHING, now, &again),
				SHARE_WAIT);
			assert_int_equal(again, state.retry_us);
		}
		now = state.retry_us;
	}
	text_of(&state, SHARE_NOTHING,
		"cannot publish on /mnt/wsl/keel/run: No space left on device");
}

/* Somebody takes it away as soon as it is there: an hour of that is a bounded number of mounts. */
static void test_fight(void **unused)
{
	struct share_state state = {0};
	uint64_t now = 1, again;
	unsigned int published = 0;

	(void)unused;
	while (now < 3600 * USEC_PER_SEC) {
		if (share_policy_step(&state, SHARE_NOTHING, now, &again) == SHARE_PUBLISH) {
			published++;
			share_policy_done(&state, SHARE_PUBLISH, 0, now);
			assert_int_equal(share_policy_step(&state, SHARE_OURS, now, &again),
				SHARE_WAIT);
		} else {
			assert_true(again > now);
			now = again;
		}
	}
	assert_in_range(published, 60, 70);
	assert_in_range(state.lost, published - 1, published);
	/* then they leave it alone for a minute: the next loss is made good at once again */
	if (share_policy_step(&state, SHARE_NOTHING, now, &again) == SHARE_WAIT)
		now = again;
	assert_int_equal(share_policy_step(&state, SHARE_NOTHING, now, &again), SHARE_PUBLISH);
	share_policy_done(&state, SHARE_PUBLISH, 0, now);
	assert_int_equal(share_policy_step(&state, SHARE_OURS, now, &again), SHARE_WAIT);
	now += 61 * USEC_PER_SEC;
	assert_int_equal(share_policy_step(&state, SHARE_NOTHING, now, &again), SHARE_PUBLISH);
}

static void test_texts(void **unused)
{
	struct share_state state = {0};

	(void)unused;
	text_of(&state, SHARE_NO_PLACE, "no /mnt/wsl here: nothing is published");
	text_of(&state, SHARE_OURS, "the engine is at /mnt/wsl/keel/run");
	text_of(&state, SHARE_LIVE,
		"another keel is at /mnt/wsl/keel/run: this one is not published");
	text_of(&state, SHARE_FOREIGN,
		"something else is mounted on /mnt/wsl/keel/run: not published");
	state.lost = 3;
	text_of(&state, SHARE_OURS,
		"the engine is at /mnt/wsl/keel/run; taken away and published again 3 times");
	state.retry_us = 11 * USEC_PER_SEC + 1;
	text_of(&state, SHARE_DEAD,
		"somebody unmounts /mnt/wsl/keel/run again and again (3 times): next try in 2 s");
	state.retry_us = 1;
	text_of(&state, SHARE_NOTHING,
		"somebody unmounts /mnt/wsl/keel/run again and again (3 times): next try in 0 s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_publish),
		cmocka_unit_test(test_clear),
		cmocka_unit_test(test_failure),
		cmocka_unit_test(test_fight),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
