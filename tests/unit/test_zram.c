/* SPDX-License-Identifier: MIT
 *
 * test_zram.c - the header of a swap area, as mkswap(8) writes it and the kernel reads it.
 */
#include <string.h>

#include "init/modules/zram.h"
#include "tests/unit/unit_test.h"

static void test_header(void **state)
{
	unsigned char page[4096], info[12] = {1, 0, 0, 0, 0xff, 0x3f, 0, 0, 0, 0, 0, 0};

	(void)state;
	(void)memset(page, 0xaa, sizeof(page));
	zram_write_header(page, sizeof(page), 0x4000);
	assert_memory_equal(page + 4086, "SWAPSPACE2", 10);
	assert_memory_equal(page + 1024, info, sizeof(info));
	for (size_t i = 0; i < sizeof(page); i++)
		if ((i < 1024 || i >= 1036) && i < 4086)
			assert_int_equal(page[i], 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_header),
};

UNIT_TEST_MAIN(tests)
