/* SPDX-License-Identifier: MIT
 *
 * test_tar.c - headers of archives, byte by byte, and what is refused. Real tars read whole archives in tests/ns.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit_test.h"

#include "agent/common/tar.h"

static void header(void **state)
{
	char block[TAR_BLOCK], want[TAR_BLOCK] = {0};
	unsigned int sum = 0;

	(void)state;
	memset(block, 'x', sizeof(block));
	assert_int_equal(tar_header(block, "a/b.txt", 01234567, 012345670123), 0);
	memcpy(want, "a/b.txt", 7);
	memcpy(want + 100, "0000600", 7);
	memcpy(want + 108, "0000000", 7);
	memcpy(want + 116, "0000000", 7);
	memcpy(want + 124, "00001234567", 11);
	memcpy(want + 136, "12345670123", 11);
	want[156] = '0';
	memcpy(want + 257,
		"ustar\0"
		"00",
		8);
	memcpy(want + 265, "root", 4);
	memcpy(want + 297, "root", 4);
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += i >= 148 && i < 156 ? ' ' : (unsigned char)block[i];
	assert_int_equal(strtoul(block + 148, NULL, 8), sum);
	assert_int_equal(block[154], '\0');
	assert_int_equal(block[155], ' ');
	memset(block + 148, 0, 8);
	assert_memory_equal(block, want, TAR_BLOCK);
}

static void limits(void **state)
{
	char block[TAR_BLOCK], name[TAR_NAME_MAX + 2];

	(void)state;
	memset(name, 'n', sizeof(name));
	name[TAR_NAME_MAX + 1] = '\0';
	assert_int_equal(tar_header(block, name, 0, 0), -ENAMETOOLONG);
	name[TAR_NAME_MAX] = '\0';
	assert_int_equal(tar_header(block, name, 0, 0), 0);
	assert_memory_equal(block, name, TAR_NAME_MAX);
	assert_int_equal(tar_header(block, "", 0, 0), -EINVAL);
	assert_int_equal(tar_header(block, "x", TAR_SIZE_MAX, TAR_SIZE_MAX), 0);
	assert_memory_equal(block + 124, "77777777777", 11);
	assert_int_equal(tar_header(block, "x", TAR_SIZE_MAX + 1, 0), -EFBIG);
	assert_int_equal(tar_header(block, "x", 0, TAR_SIZE_MAX + 1), -EFBIG);
}

static void padding(void **state)
{
	(void)state;
	assert_int_equal(tar_padding(0), 0);
	assert_int_equal(tar_padding(1), 511);
	assert_int_equal(tar_padding(511), 1);
	assert_int_equal(tar_padding(512), 0);
	assert_int_equal(tar_padding(513), 511);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header),
		cmocka_unit_test(limits),
		cmocka_unit_test(padding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
