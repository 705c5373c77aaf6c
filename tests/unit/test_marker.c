/* SPDX-License-Identifier: MIT
 *
 * test_marker.c - the two records that keel leaves on its disks: the marker and the format record.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "init/disk/format_intent.h"
#include "init/disk/marker.h"

#define UUID "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
#define KEYS "uuid=" UUID "\nmade=1732567890\nby=0.1.0\n"

static int parse(const char *text, struct marker *marker)
{
	return marker_parse(text, strlen(text), marker);
}

static void test_what_is_written_is_read_back(void **state)
{
	const struct marker written = {.uuid = UUID, .made_s = 1732567890, .by = "0.1.0"};
	char text[MARKER_BYTES_MAX];
	struct marker marker;
	ssize_t len = marker_format(&written, text);

	(void)state;
	assert_int_equal(len, strlen("keel-disk 1\n" KEYS));
	assert_memory_equal(text, "keel-disk 1\n" KEYS, len);
	assert_int_equal(marker_parse(text, (size_t)len, &marker), 0);
	assert_int_equal(marker.schema, 1);
	assert_string_equal(marker.uuid, UUID);
	assert_int_equal(marker.made_s, 1732567890);
	assert_string_equal(marker.by, "0.1.0");
	/* Every prefix is a file that was cut short. */
	for (ssize_t cut = 0; cut < len; cut++)
		assert_int_equal(marker_parse(text, (size_t)cut, &marker), -EINVAL);
}

static void test_the_longest_fits(void **state)
{
	const struct marker written = {
		.uuid = UUID, .made_s = UINT64_MAX, .by = "12345678901234567890123"};
	char text[MARKER_BYTES_MAX];
	struct marker marker;
	ssize_t len = marker_format(&written, text);

	(void)state;
	assert_in_range(len, 1, MARKER_BYTES_MAX - 1);
	assert_int_equal(marker_parse(text, (size_t)len, &marker), 0);
	assert_int_equal(marker.made_s, UINT64_MAX);
}

static void test_what_cannot_be_read_back_is_not_written(void **state)
{
	struct marker marker = {.uuid = UUID, .by = ""};
	char text[MARKER_BYTES_MAX];

	(void)state;
	assert_int_equal(marker_format(&marker, text), -EINVAL);
	(void)snprintf(marker.by, sizeof(marker.by), "0.1 beta");
	assert_int_equal(marker_format(&marker, text), -EINVAL);
	memset(marker.by, 'x', sizeof(marker.by)); /* no NUL */
	assert_int_equal(marker_format(&marker, text), -EINVAL);
	(void)snprintf(marker.by, sizeof(marker.by), "0.1.0");
	marker.uuid[35] = '\0';
	assert_int_equal(marker_format(&marker, text), -EINVAL);
}

static void test_schemas(void **state)
{
	struct marker marker;

	(void)state;
	assert_int_equal(parse("keel-disk 2\n\xff\n", &marker), -ENOTSUP);
	assert_int_equal(marker.schema, 2);
	assert_int_equal(parse("keel-disk 4294967295\n", &marker), -ENOTSUP);
	assert_int_equal(parse("keel-disk 4294967296\n", &marker), -EINVAL);
	assert_int_equal(parse("keel-disk 0\n" KEYS, &marker), -EINVAL);
	assert_int_equal(parse("keel-disk \n" KEYS, &marker), -EINVAL);
	assert_int_equal(parse("keel-disk 1x\n" KEYS, &marker), -EINVAL);
	assert_int_equal(parse("keel-disk -1\n" KEYS, &marker), -EINVAL);
	assert_int_equal(parse("Keel-disk 1\n" KEYS, &marker), -EINVAL);
	assert_int_equal(parse("keel\n", &marker), -EINVAL);
	assert_int_equal(parse("\n", &marker), -EINVAL);
	assert_int_equal(parse("keel-disk 2", &marker), -EINVAL); /* not ended */
}

static void test_keys(void **state)
{
	static const char *const bad[] = {
		"keel-disk 1\nuuid=" UUID "\nmade=1\n", /* one is missing */
		"keel-disk 1\nmade=1\nby=1\n",
		"keel-disk 1\nuuid=" UUID "\nby=1\n",
		"keel-disk 1\n" KEYS "made=1\n",
		"keel-disk 1\n" KEYS "uuid=" UUID "\n", /* twice */
		"keel-disk 1\nuuid=" UUID "0\nmade=1\nby=1\n",
		"keel-disk 1\nuuid=1b4e28ba_2fa1-41d2-883f-0016d3cca427\nmade=1\nby=1\n",
		"keel-disk 1\nuuid=1g4e28ba-2fa1-41d2-883f-0016d3cca427\nmade=1\nby=1\n",
		"keel-disk 1\nuuid=1/4e28ba-2fa1-41d2-883f-0016d3cca427\nmade=1\nby=1\n",
		"keel-disk 1\nuuid=1:4e28ba-2fa1-41d2-883f-0016d3cca427\nmade=1\nby=1\n",
		"keel-disk 1\nuuid=1`4e28ba-2fa1-41d2-883f-0016d3cca427\nmade=1\nby=1\n",
		"keel-disk 1\nuuid=1GGe28ba-2fa1-41d2-883f-0016d3cca427\nmade=1\nby=1\n",
		"keel-disk 1\nuuid=\nmade=1\nby=1\n",
		"keel-disk 1\nuuid=" UUID "\nmade=\nby=1\n",
		"keel-disk 1\nuuid=" UUID "\nmade=18446744073709551616\nby=1\n",
		"keel-disk 1\nuuid=" UUID "\nmade=184467440737095516150\nby=1\n",
		"keel-disk 1\nuuid=" UUID "\nmade=1/\nby=1\n",
		"keel-disk 1\nuuid=" UUID "\nmade=1:\nby=1\n",
		"keel-disk 1\nuuid=" UUID "\nmade=1\nby=\n",
		"keel-disk 1\nuuid=" UUID "\nmade=1\nby=a b\n",
		"keel-disk 1\nuuid=" UUID "\nmade=1\nby=\x7f\n",
		"keel-disk 1\nuuid=" UUID "\nmade=1\nby=123456789012345678901234\n",
	};
	struct marker marker;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse(bad[i], &marker), -EINVAL);
	assert_int_equal(parse("keel-disk 1\n\nnew=x\n" KEYS "u\n", &marker), 0);
	assert_int_equal(
		parse("keel-disk 1\nby=1\nmade=0\nuuid=1B4E28BA-2FA1-41D2-883F-0016D3CCA427\n",
			&marker),
		0);
	assert_string_equal(marker.uuid, UUID); /* in lower case */
}

static void test_length(void **state)
{
	char text[MARKER_BYTES_MAX + 1];
	struct marker marker;
	const size_t head = strlen("keel-disk 1\n" KEYS);

	(void)state;
	memset(text, '#', sizeof(text));
	memcpy(text, "keel-disk 1\n" KEYS, head);
	text[MARKER_BYTES_MAX - 1] = '\n';
	text[MARKER_BYTES_MAX] = '\n';
	assert_int_equal(marker_parse(text, MARKER_BYTES_MAX, &marker), 0);
	assert_int_equal(marker_parse(text, MARKER_BYTES_MAX + 1, &marker), -EINVAL);
}

static void test_format_record(void **state)
{
	const struct format_intent written = {.uuid = UUID, .device_bytes = 1 << 30};
	unsigned char record[FORMAT_INTENT_BYTES];
	struct format_intent intent;

	(void)state;
	format_intent_encode(&written, record);
	assert_true(format_intent_decode(record, 1 << 30, &intent));
	assert_string_equal(intent.uuid, UUID);
	assert_int_equal(intent.device_bytes, 1 << 30);
	/* The disk was enlarged, or the record was copied: what it says is not about this disk. */
	assert_false(format_intent_decode(record, (1 << 30) + 512, &intent));
	assert_string_equal(intent.uuid, "");
	for (size_t bit = 0; bit < FORMAT_INTENT_BYTES * 8; bit++) {
		record[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_false(format_intent_decode(record, 1 << 30, &intent));
		record[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	memset(record, 0, sizeof(record));
	assert_false(format_intent_decode(record, 0, &intent));
}

static void test_a_format_record_without_uuid(void **state)
{
	const struct format_intent written = {.uuid = "none", .device_bytes = 4096};
	unsigned char record[FORMAT_INTENT_BYTES];
	struct format_intent intent;

	(void)state;
	format_intent_encode(&written, record);
	assert_false(format_intent_decode(record, 4096, &intent));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_is_read_back),
		cmocka_unit_test(test_the_longest_fits),
		cmocka_unit_test(test_what_cannot_be_read_back_is_not_written),
		cmocka_unit_test(test_schemas),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_format_record),
		cmocka_unit_test(test_a_format_record_without_uuid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
