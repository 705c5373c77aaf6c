/* SPDX-License-Identifier: MIT
 *
 * Places for queries: no client gets them all.
 */
#include "tests/unit/unit_test.h"

#include "agent/dns/dns_slot.h"

#define SLOTS 6
#define SHARE 3

static struct dns_slot slots[SLOTS];
static uint64_t number;

static size_t take(uint32_t client)
{
	size_t at = dns_slot_choose(slots, SLOTS, client, SHARE);

	slots[at] = (struct dns_slot){.used = true, .client = client, .number = number++};
	return at;
}

static void test_share(void **state)
{
	(void)state;
	for (size_t i = 0; i < SHARE; i++)
		assert_int_equal(take(1), i);
	/* More of the same client takes its own, oldest first, though others are free. */
	for (size_t i = 0; i < SHARE * 2; i++)
		assert_int_equal(take(1), i % SHARE);
	for (size_t i = SHARE; i < SLOTS; i++)
		assert_int_equal(take(2), i);
	/* All are used: the oldest of all. */
	slots[4].number = 0;
	assert_int_equal(take(3), 4);
	assert_int_equal(take(4), 0);
	/* A free one before the oldest. */
	slots[2].used = false;
	assert_int_equal(take(5), 2);
	slots[1].used = slots[3].used = false;
	slots[1].number = 1;
	slots[3].number = 2;
	assert_int_equal(take(5), 1);
	assert_int_equal(take(5), 3);
	/* Its third is not the first of those that are free now. */
	slots[0].used = false;
	assert_int_equal(take(5), 2);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_share),
};

UNIT_TEST_MAIN(tests)
