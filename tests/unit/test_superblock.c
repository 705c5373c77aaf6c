/* SPDX-License-Identifier: MIT
 *
 * test_superblock.c - ext4 superblocks: one as mke2fs writes it, and each way in which one can be wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/superblock_test.h"

#define MIB (UINT64_C(1) << 20)

static struct superblock parse(const unsigned char *bytes)
{
	struct superblock superblock;

	memset(&superblock, 0xa5, sizeof(superblock));
	superblock_parse(bytes, SUPERBLOCK_OFFSET, &superblock);
	return superblock;
}

static void test_crc32c(void **state)
{
	(void)state;
	/* The check value of the RFC's polynomial. */
	assert_int_equal(~crc32c_update(~0U, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c_update(crc32c_update(~0U, "1234", 4), "56789", 5),
		crc32c_update(~0U, "123456789", 9));
}

static void test_a_sound_one(void **state)
{
	unsigned char bytes[SUPERBLOCK_BYTES];
	struct superblock superblock;

	(void)state;
	make_superblock(bytes);
	superblock = parse(bytes);
	assert_true(superblock.valid && superblock.clean);
	assert_false(superblock.needs_recovery || superblock.error || superblock.orphans ||
		     superblock.meta_bg);
	assert_int_equal(superblock.block_size, 4096);
	assert_int_equal(superblock.size_bytes, 320 * MIB);
	assert_int_equal(superblock.offset, 1024);
	assert_int_equal(superblock.unknown_incompat, 0);
	assert_int_equal(superblock.unknown_ro, 0);
	assert_int_equal(superblock.error_count, 0);
	assert_string_equal(superblock.uuid, SUPERBLOCK_UUID);
	assert_string_equal(superblock.label, "keel-data");
	assert_string_equal(superblock.first_error, "");
	memset(bytes + 0x78, 'x', 16); /* a label may fill its field */
	seal(bytes);
	assert_string_equal(parse(bytes).label, "xxxxxxxxxxxxxxxx");
}

static void test_states(void **state)
{
	static const struct {
		size_t at;
		uint32_t value;
		bool clean, error, orphans, recovery, meta_bg;
	} cases[] = {
		{0x3a, 0, false, false, false, false, false},
		{0x3a, 3, true, true, false, false, false},
		{0x3a, 5, true, false, true, false, false},
		{0xe8, 12, true, false, true, false, false},
		{0x60, 0x4, true, false, false, true, false},
		{0x60, 0x10, true, false, false, false, true},
		{0x64, 0x10000, true, false, true, false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned char bytes[SUPERBLOCK_BYTES];
		struct superblock superblock;

		make_superblock(bytes);
		if (cases[i].at == 0x3a)
			put_u16(bytes, 0x3a, cases[i].value);
		else
			put_u32(bytes, cases[i].at, cases[i].value);
		seal(bytes);
		superblock = parse(bytes);
		assert_true(superblock.valid);
		assert_int_equal(superblock.clean, cases[i].clean);
		assert_int_equal(superblock.error, cases[i].error);
		assert_int_equal(superblock.orphans, cases[i].orphans);
		assert_int_equal(superblock.needs_recovery, cases[i].recovery);
		assert_int_equal(superblock.meta_bg, cases[i].meta_bg);
	}
}

static void test_recorded_errors(void **state)
{
	unsigned char bytes[SUPERBLOCK_BYTES];
	struct superblock superblock;

	(void)state;
	make_superblock(bytes);
	put_u32(bytes, 0x194, 7);
	put_u32(bytes, 0x198, 1700000000);
	put_u32(bytes, 0x1cc, 5);
	bytes[0x279] = 1; /* after 2106 */
	memcpy(bytes + 0x1a8, "ext4_lookup\nx\x7f", 15);
	memset(bytes + 0x1e0, 'f', 32);
	seal(bytes);
	superblock = parse(bytes);
	assert_int_equal(superblock.error_count, 7);
	assert_int_equal(superblock.first_error_s, 1700000000);
	assert_int_equal(superblock.last_error_s, UINT64_C(0x100000005));
	assert_string_equal(superblock.first_error, "ext4_lookup?x?");
	assert_int_equal(strlen(superblock.last_error), 32);
}

/* Every bit of the two words: what is not on the list is unknown, and nothing else is. */
static void test_features(void **state)
{
	(void)state;
	for (unsigned int bit = 0; bit < 32; bit++) {
		const uint32_t mask = UINT32_C(1) << bit;
		unsigned char bytes[SUPERBLOCK_BYTES];

		make_superblock(bytes);
		put_u32(bytes, 0x60, mask);
		seal(bytes);
		assert_int_equal(parse(bytes).unknown_incompat, mask & ~UINT32_C(0x3e7d6));
		make_superblock(bytes);
		put_u32(bytes, 0x64, mask);
		seal(bytes);
		assert_int_equal(parse(bytes).unknown_ro, mask & ~UINT32_C(0x1a77b));
	}
}

/* A field with a value that makes it no superblock, with a right checksum. */
static void test_wrong_fields(void **state)
{
	static const struct {
		size_t at, bytes;
		uint32_t value;
	} cases[] = {
		{0x38, 2, 0xef54},     /* magic */
		{0x04, 4, 0},          /* no blocks */
		{0x14, 4, 2},          /* first block */
		{0x18, 4, 7},          /* blocks of 128 KiB */
		{0x18, 4, 0xffffffff}, /* of anything */
		{0x20, 4, 0},          /* no blocks in a group */
		{0x20, 4, 0x10},       /* 5120 groups are all right, see below */
		{0x4c, 4, 0},          /* revision 0 */
		{0x58, 2, 64}, {0x58, 2, 300}, {0x58, 2, 8192}, /* inodes */
		{0x150, 4, 0xffffffff},                         /* more bytes than a number holds */
		{0x150, 4, 0x100},                              /* more groups than 64 TiB have */
		{0x175, 1, 2},                                  /* another kind of checksum */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned char bytes[SUPERBLOCK_BYTES];
		bool valid = cases[i].at == 0x20 && cases[i].value != 0;

		make_superblock(bytes);
		if (cases[i].bytes == 1)
			bytes[cases[i].at] = (unsigned char)cases[i].value;
		else if (cases[i].bytes == 2)
			put_u16(bytes, cases[i].at, cases[i].value);
		else
			put_u32(bytes, cases[i].at, cases[i].value);
		seal(bytes);
		assert_int_equal(parse(bytes).valid, valid);
		if (!valid)
			assert_int_equal(parse(bytes).size_bytes, 0);
	}
}

static void test_checksum(void **state)
{
	unsigned char bytes[SUPERBLOCK_BYTES];

	(void)state;
	/* Each byte counts, ... */
	for (size_t at = 0; at < SUPERBLOCK_BYTES; at++) {
		make_superblock(bytes);
		bytes[at] ^= 0x20;
		if (at != 0x65) /* the byte that says that there is a checksum */
			assert_false(parse(bytes).valid);
	}
	/* ... where there is one. */
	make_superblock(bytes);
	put_u32(bytes, 0x64, 0x3);
	put_u32(bytes, 0x3fc, 0);
	assert_true(parse(bytes).valid);
}

static void test_without_64bit_the_high_word_is_not_read(void **state)
{
	unsigned char bytes[SUPERBLOCK_BYTES];

	(void)state;
	make_superblock(bytes);
	put_u32(bytes, 0x60, 0x42);
	put_u32(bytes, 0x150, 0xffffffff);
	seal(bytes);
	assert_int_equal(parse(bytes).size_bytes, 320 * MIB);
}

static void test_backups(void **state)
{
	unsigned char bytes[SUPERBLOCK_BYTES];
	struct superblock superblock;

	(void)state;
	make_superblock(bytes);
	put_u16(bytes, 0x5a, 1); /* group 1 */
	seal(bytes);
	superblock_parse(bytes, 128 * MIB, &superblock);
	assert_true(superblock.valid);
	assert_int_equal(superblock.offset / superblock.block_size, 32768);
	/* That of group 1 is none anywhere else, and the first one is no backup of itself. */
	superblock_parse(bytes, 3 * 128 * MIB, &superblock);
	assert_false(superblock.valid);
	put_u16(bytes, 0x5a, 0);
	seal(bytes);
	superblock_parse(bytes, 0, &superblock);
	assert_false(superblock.valid);
	/* Blocks of 1 KiB are counted from 1. */
	make_superblock(bytes);
	put_u32(bytes, 0x18, 0);
	put_u32(bytes, 0x14, 1);
	put_u32(bytes, 0x20, 8192);
	put_u16(bytes, 0x5a, 1);
	seal(bytes);
	superblock_parse(bytes, 8193 * 1024, &superblock);
	assert_true(superblock.valid && superblock.block_size == 1024);
}

static void test_backup_places(void **state)
{
	size_t n = 0;

	(void)state;
	assert_int_equal(superblock_backup_offset(0), 128 * MIB);
	while (superblock_backup_offset(n) != 0)
		n++;
	assert_in_range(n, 4, 16);
	assert_int_equal(superblock_backup_offset(n + 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc32c),
		cmocka_unit_test(test_a_sound_one),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_recorded_errors),
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_wrong_fields),
		cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_without_64bit_the_high_word_is_not_read),
		cmocka_unit_test(test_backups),
		cmocka_unit_test(test_backup_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
