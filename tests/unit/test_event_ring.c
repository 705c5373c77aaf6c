/* SPDX-License-Identifier: MIT
 *
 * test_event_ring.c - the ring of events, their ids, a reader's place in it, and what a client can ask for: every way in
 * which a reader can come, fall behind and come back.
 */
#include <stdio.h>
#include <string.h>

#include "tests/unit/unit_test.h"

#include "agent/event_cursor.h"
#include "agent/event_query.h"
#include "agent/query.h"

#define LIFE UINT64_C(0x00000012345678ab)

static struct event_ring ring;
static const struct event_time time_now = {.boot_us = 1234567, .real_us = 1700000000123456};
static char text[EVENT_RING_SLOTS * EVENT_MESSAGE_MAX];

static void add(enum event_kind kind, const char *json)
{
	event_ring_add(&ring, kind, &time_now, json, strlen(json));
}

static void add_many(unsigned int count)
{
	while (count-- > 0)
		add(EVENT_SERVICE, "{\"n\":1}");
}

static int set_up(void **state)
{
	(void)state;
	memset(&ring, 0, sizeof(ring));
	event_ring_init(&ring, LIFE);
	return 0;
}

/* ---- the ring ------------------------------------------------------------------------------------- */

static void test_times_come_first(void **state)
{
	(void)state;
	assert_true(event_ring_first(&ring) == 1 && ring.next == 1);
	add(EVENT_DISK, "{\"a\":\"}\"}");
	add(EVENT_OOM, "{}");
	assert_string_equal(event_ring_get(&ring, 1)->json,
		"{\"at_ms\":1234.567,\"realtime_ms\":1700000000123,\"a\":\"}\"}");
	assert_int_equal(event_ring_get(&ring, 1)->len, strlen(event_ring_get(&ring, 1)->json));
	assert_int_equal(event_ring_get(&ring, 1)->kind, EVENT_DISK);
	assert_string_equal(event_ring_get(&ring, 2)->json,
		"{\"at_ms\":1234.567,\"realtime_ms\":1700000000123}");
	assert_true(ring.next == 3 && ring.dropped == 0);
}

static void test_what_is_no_line_is_dropped(void **state)
{
	static const char *const bad[] = {
		"", "{", "}", "[]", "{\"a\":1", "\"a\":1}", "{\"a\":\n1}", "{\"a\":\x01}"};
	char longest[EVENT_JSON_MAX + 1];
	size_t fits;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		add(EVENT_DISK, bad[i]);
		assert_int_equal(event_ring_get(&ring, i + 1)->len, 0);
		assert_true(ring.dropped == i + 1);
	}
	/* To the byte. */
	memset(longest, 'a', sizeof(longest));
	fits = EVENT_JSON_MAX - 1 - strlen("{\"at_ms\":1234.567,\"realtime_ms\":1700000000123");
	longest[0] = '{';
	longest[fits - 1] = '}';
	event_ring_add(&ring, EVENT_DISK, &time_now, longest, fits);
	assert_true(ring.dropped == ARRAY_SIZE(bad));
	assert_int_equal(event_ring_get(&ring, ring.next - 1)->len, EVENT_JSON_MAX - 1);
	assert_int_equal(strlen(event_ring_get(&ring, ring.next - 1)->json), EVENT_JSON_MAX - 1);
	longest[fits - 1] = 'a';
	longest[fits] = '}';
	event_ring_add(&ring, EVENT_DISK, &time_now, longest, fits + 1);
	assert_true(ring.dropped == ARRAY_SIZE(bad) + 1);
}

static void test_the_oldest_go(void **state)
{
	(void)state;
	for (unsigned int i = 1; i <= 3 * EVENT_RING_SLOTS; i++) {
		char json[32];

		(void)snprintf(json, sizeof(json), "{\"n\":%u}", i);
		add(EVENT_STAGE, json);
		assert_true(event_ring_first(&ring) ==
			    (i > EVENT_RING_SLOTS ? i - EVENT_RING_SLOTS + 1 : 1));
		(void)snprintf(json, sizeof(json), "\"n\":%u}",
			(unsigned int)event_ring_first(&ring));
		assert_non_null(strstr(event_ring_get(&ring, event_ring_first(&ring))->json, json));
	}
}

/* As lines: the newest that fit whole, nothing of what was dropped, not a byte too far. */
static void test_lines(void **state)
{
	static const char want[] =
		"{\"id\":\"00000012345678ab-1\",\"event\":\"disk\",\"at_ms\":1234.567,"
		"\"realtime_ms\":1700000000123,\"a\":1}\n"
		"{\"id\":\"00000012345678ab-3\",\"event\":\"oom\",\"at_ms\":1234.567,"
		"\"realtime_ms\":1700000000123}\n";
	const char *second = strchr(want, '\n') + 1;
	size_t len;

	(void)state;
	assert_int_equal(event_ring_write(&ring, text, sizeof(text)), 0);
	add(EVENT_DISK, "{\"a\":1}");
	add(EVENT_DISK, "no object");
	add(EVENT_OOM, "{}");
	for (size_t size = 0; size <= sizeof(want); size++) {
		memset(text, '#', sizeof(want) + 1);
		len = event_ring_write(&ring, text, size);
		if (size < sizeof(want))
			assert_int_equal(len, size > strlen(second) ? strlen(second) : 0);
		else
			assert_int_equal(len, strlen(want));
		assert_memory_equal(text, want + strlen(want) - len, len);
		assert_int_equal(text[size], '#');
	}
	add_many(2 * EVENT_RING_SLOTS);
	len = event_ring_write(&ring, text, sizeof(text));
	text[len] = '\0';
	assert_memory_equal(text, "{\"id\":\"00000012345678ab-260\"", 28);
	assert_non_null(strstr(text, "\n{\"id\":\"00000012345678ab-515\""));
}

static void test_kinds(void **state)
{
	static const char *const bad[] = {"", "x", "statu", "statuss", "Status", "lost", "reset"};
	enum event_kind kind;

	(void)state;
	for (unsigned int i = 0; i < EVENT_KINDS; i++) {
		const char *name = event_kind_name((enum event_kind)i);

		assert_true(name[0] != '\0');
		assert_int_equal(event_kind_find(name, strlen(name), &kind), 0);
		assert_int_equal(kind, i);
	}
	assert_string_equal(event_kind_name(EVENT_KINDS), "");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(event_kind_find(bad[i], strlen(bad[i]), &kind), -ENOENT);
}

static void test_ids(void **state)
{
	static const char *const bad[] = {"", "-", "1", "00000012345678ab", "00000012345678ab-",
		"0000012345678ab-1", "000000012345678ab-1", "00000012345678AB-1",
		"00000012345678ag-1", "00000012345678a/-1", "00000012345678ab-x",
		"00000012345678ab-01", "00000012345678ab- 1", "00000012345678ab--1",
		"00000012345678ab_1", "00000012345678ab-1 ",
		"00000012345678ab-12345678901234567890"};
	static const uint64_t numbers[] = {0, 1, 9, 10, 255, 256, UINT64_C(9999999999999999999)};
	static const uint64_t lives[] = {0, 1, LIFE, UINT64_MAX};
	char id[EVENT_ID_MAX];
	uint64_t life, number;

	(void)state;
	event_id_write(id, LIFE, 42);
	assert_string_equal(id, "00000012345678ab-42");
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(lives); k++) {
			event_id_write(id, lives[k], numbers[i]);
			assert_int_equal(event_id_parse(id, strlen(id), &life, &number), 0);
			assert_true(life == lives[k] && number == numbers[i]);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(event_id_parse(bad[i], strlen(bad[i]), &life, &number), -EINVAL);
}

/* ---- what can be asked for ------------------------------------------------------------------------- */

static int parse(const char *query, const char *last_id, struct event_query *result)
{
	const struct http_request request = {.query = query,
		.query_len = query ? strlen(query) : 0,
		.last_event_id = last_id,
		.last_event_id_len = last_id ? strlen(last_id) : 0};

	return event_query_parse(&request, result);
}

static void test_query(void **state)
{
	static const char *const bad[] = {"kinds=", "kinds=x", "kinds=oom,", "kinds=,oom",
		"kinds=oom,x", "kinds=oom%2C", "kinds=oom%2", "kinds=oom%2Dx", "kinds",
		"last_event_id=", "last_event_id=1", "since=x", "last=", "last=x",
		"last=1234567890123456789", "follow=2", "follow=", "color=1", "=1", "&"};
	struct event_query query;

	(void)state;
	assert_int_equal(parse(NULL, NULL, &query), 0);
	assert_true(query.kinds == EVENT_QUERY_ALL && query.follow);
	assert_true(query.start == EVENT_START_LAST && query.number == 0);
	assert_int_equal(parse("kinds=oom,service,oom&follow=0&last=7&", NULL, &query), 0);
	assert_true(query.kinds == (1U << EVENT_OOM | 1U << EVENT_SERVICE) && !query.follow);
	assert_true(query.start == EVENT_START_LAST && query.number == 7);
	assert_int_equal(parse("kinds=oom%2Cservice%2coom,oom", NULL, &query), 0);
	assert_true(query.kinds == (1U << EVENT_OOM | 1U << EVENT_SERVICE));
	assert_int_equal(parse("since=00000012345678ab-5", NULL, &query), 0);
	assert_true(query.start == EVENT_START_AFTER && query.life == LIFE && query.number == 5);
	assert_int_equal(parse("last_event_id=00000012345678ab-6&follow=1", NULL, &query), 0);
	assert_true(query.start == EVENT_START_AFTER && query.number == 6 && query.follow);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse(bad[i], NULL, &query), -EINVAL);
}

static void test_header(void **state)
{
	struct event_query query;

	(void)state;
	assert_int_equal(parse(NULL, "00000012345678ab-5", &query), 0);
	assert_true(query.start == EVENT_START_AFTER && query.number == 5);
	/* It is newer than what the client's address has. */
	assert_int_equal(parse("since=00000012345678ab-1&kinds=oom", "00000012345678ab-9", &query),
		0);
	assert_true(query.start == EVENT_START_AFTER && query.number == 9);
	assert_int_equal(query.kinds, 1U << EVENT_OOM);
	assert_int_equal(parse("last=3", "", &query), 0);
	assert_true(query.start == EVENT_START_LAST && query.number == 3);
	assert_int_equal(parse(NULL, "something else", &query), 0);
	assert_int_equal(query.start, EVENT_START_FOREIGN);
	assert_int_equal(parse("kinds=x", "00000012345678ab-9", &query), -EINVAL);
}

/* ---- a reader ---------------------------------------------------------------------------------------- */

static struct event_cursor begin(enum event_start start, uint64_t life, uint64_t number)
{
	const struct event_query query = {
		.kinds = EVENT_QUERY_ALL, .start = start, .life = life, .number = number};
	struct event_cursor cursor;

	event_cursor_init(&cursor, &ring, &query);
	return cursor;
}

static const char *take(struct event_cursor *cursor)
{
	size_t len = event_cursor_write(cursor, &ring, &time_now, text, sizeof(text));

	text[len] = '\0';
	return text;
}

static void test_begins_with_now(void **state)
{
	struct event_cursor cursor;

	(void)state;
	add_many(3);
	cursor = begin(EVENT_START_LAST, 0, 0);
	assert_string_equal(take(&cursor), "retry: 1000\nid: 00000012345678ab-3\n\n");
	assert_string_equal(take(&cursor), "");
	add(EVENT_OOM, "{}");
	assert_string_equal(take(&cursor),
		"id: 00000012345678ab-4\nevent: oom\n"
		"data: {\"at_ms\":1234.567,\"realtime_ms\":1700000000123}\n\n");
	assert_string_equal(take(&cursor), "");
	text[event_cursor_write_beat(&cursor, &ring, text, sizeof(text))] = '\0';
	assert_string_equal(text, ":\nid: 00000012345678ab-4\n\n");
}

static unsigned int count(const char *word)
{
	unsigned int n = 0;

	for (const char *p = text; (p = strstr(p, word)); p++)
		n++;
	return n;
}

static void test_begins_with_the_last(void **state)
{
	static const struct {
		uint64_t last;
		unsigned int added, told;
	} cases[] = {{5, 0, 0}, {2, 3, 2}, {3, 3, 3}, {4, 3, 3}, {10, 300, 10}, {256, 300, 256},
		{UINT64_MAX, 300, 256}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct event_cursor cursor;

		(void)set_up(state);
		add_many(cases[i].added);
		cursor = begin(EVENT_START_LAST, 0, cases[i].last);
		(void)take(&cursor);
		assert_int_equal(count("event: service\n"), cases[i].told);
		assert_int_equal(count("event: "), cases[i].told);
	}
}

/* Every place in every fill of the ring that matters: exactly what came after it, or the count of what is gone. */
static void test_comes_back(void **state)
{
	static const unsigned int fills[] = {0, 1, 2, EVENT_RING_SLOTS - 1, EVENT_RING_SLOTS,
		EVENT_RING_SLOTS + 1, 2 * EVENT_RING_SLOTS + 7};

	for (size_t i = 0; i < ARRAY_SIZE(fills); i++) {
		(void)set_up(state);
		add_many(fills[i]);
		for (uint64_t seen = 0; seen <= fills[i]; seen++) {
			struct event_cursor cursor = begin(EVENT_START_AFTER, LIFE, seen);
			uint64_t missed = fills[i] - seen;
			uint64_t lost = missed > EVENT_RING_SLOTS ? missed - EVENT_RING_SLOTS : 0;
			char line[80];

			(void)take(&cursor);
			assert_int_equal(count("event: service\n"), missed - lost);
			assert_int_equal(count("event: reset\n"), 0);
			assert_int_equal(count("event: lost\n"), lost > 0);
			(void)snprintf(line, sizeof(line), "\"count\":%llu,\"reason\":\"overrun\"}",
				(unsigned long long)lost);
			assert_int_equal(count(line), lost > 0);
		}
	}
}

static void test_comes_from_another_life(void **state)
{
	static const char begin_text[] =
		"retry: 1000\nid: 00000012345678ab-0\n\n"
		"id: 00000012345678ab-0\nevent: reset\n"
		"data: {\"at_ms\":1234.567,\"realtime_ms\":1700000000123,\"kept\":3}\n\n"
		"id: 00000012345678ab-1\nevent: service\n";
	static const struct {
		enum event_start start;
		uint64_t life, number;
	} cases[] = {{EVENT_START_AFTER, LIFE + 1, 2}, {EVENT_START_AFTER, LIFE, 4},
		{EVENT_START_AFTER, LIFE, UINT64_MAX}, {EVENT_START_FOREIGN, 0, 0}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct event_cursor cursor;

		(void)set_up(state);
		add_many(3);
		cursor = begin(cases[i].start, cases[i].life, cases[i].number);
		(void)take(&cursor);
		assert_true(strncmp(text, begin_text, strlen(begin_text)) == 0);
		assert_int_equal(count("event: service\n"), 3);
		assert_string_equal(take(&cursor), "");
	}
}

/* It has not even heard the greeting when the ring has gone round: it lost nothing that it could know of. */
static void test_another_life_overrun(void **state)
{
	struct event_cursor cursor;

	(void)state;
	add_many(3);
	cursor = begin(EVENT_START_FOREIGN, 0, 0);
	add_many(EVENT_RING_SLOTS);
	(void)take(&cursor);
	assert_int_equal(count("event: reset\n"), 1);
	assert_int_equal(count("event: lost\n"), 0);
	assert_int_equal(count("event: service\n"), EVENT_RING_SLOTS);
	assert_int_equal(count("\"kept\":256}"), 1);
}

static void test_falls_behind(void **state)
{
	struct event_cursor cursor;

	(void)state;
	cursor = begin(EVENT_START_LAST, 0, 0);
	(void)take(&cursor);
	add_many(EVENT_RING_SLOTS);
	(void)take(&cursor);
	assert_int_equal(count("event: lost\n"), 0);
	add_many(EVENT_RING_SLOTS + 5);
	(void)take(&cursor);
	/* The loss has the number of the last that is lost: who is cut off behind it comes back to the right place. */
	assert_memory_equal(text, "id: 00000012345678ab-261\nevent: lost\n", 37);
	assert_int_equal(count("\"count\":5,"), 1);
	assert_int_equal(count("event: service\n"), EVENT_RING_SLOTS);
}

static void test_only_some_kinds(void **state)
{
	const struct event_query query = {
		.kinds = 1U << EVENT_OOM, .start = EVENT_START_LAST, .number = 9};
	struct event_cursor cursor;

	(void)state;
	add(EVENT_DISK, "{}");
	add(EVENT_OOM, "{}");
	add(EVENT_DISK, "bad");
	event_cursor_init(&cursor, &ring, &query);
	(void)take(&cursor);
	assert_int_equal(count("event: "), 1);
	assert_int_equal(count("id: 00000012345678ab-2\nevent: oom\n"), 1);
	/* What it does not want to hear of is looked through all the same. */
	text[event_cursor_write_beat(&cursor, &ring, text, sizeof(text))] = '\0';
	assert_string_equal(text, ":\nid: 00000012345678ab-3\n\n");
}

static void test_one_that_was_dropped_is_a_loss(void **state)
{
	struct event_cursor cursor;

	(void)state;
	add(EVENT_DISK, "{}");
	add(EVENT_DISK, "bad");
	cursor = begin(EVENT_START_LAST, 0, 9);
	(void)take(&cursor);
	assert_int_equal(count("id: 00000012345678ab-2\nevent: lost\n"), 1);
	assert_int_equal(count("\"count\":1,\"reason\":\"too_long\"}"), 1);
}

/* Small pieces: whole messages, all of them, in order. */
static void test_pieces(void **state)
{
	static char longest[EVENT_JSON_MAX - 64];
	struct event_cursor cursor;
	unsigned int told = 0;
	size_t len;

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[0] = '{';
	longest[sizeof(longest) - 2] = '}';
	for (int i = 0; i < 50; i++)
		add(EVENT_KERNEL, longest);
	cursor = begin(EVENT_START_LAST, 0, 99);
	while ((len = event_cursor_write(&cursor, &ring, &time_now, text, 2 * EVENT_MESSAGE_MAX)) >
		0) {
		text[len] = '\0';
		assert_true(len <= 2 * EVENT_MESSAGE_MAX);
		assert_string_equal(text + len - 2, "\n\n");
		told += count("event: kernel\n");
	}
	assert_int_equal(told, 50);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(test_times_come_first, set_up),
	cmocka_unit_test_setup(test_what_is_no_line_is_dropped, set_up),
	cmocka_unit_test_setup(test_the_oldest_go, set_up),
	cmocka_unit_test_setup(test_lines, set_up),
	cmocka_unit_test(test_kinds),
	cmocka_unit_test(test_ids),
	cmocka_unit_test(test_query),
	cmocka_unit_test(test_header),
	cmocka_unit_test_setup(test_begins_with_now, set_up),
	cmocka_unit_test(test_begins_with_the_last),
	cmocka_unit_test(test_comes_back),
	cmocka_unit_test(test_comes_from_another_life),
	cmocka_unit_test_setup(test_another_life_overrun, set_up),
	cmocka_unit_test_setup(test_falls_behind, set_up),
	cmocka_unit_test_setup(test_only_some_kinds, set_up),
	cmocka_unit_test_setup(test_one_that_was_dropped_is_a_loss, set_up),
	cmocka_unit_test_setup(test_pieces, set_up),
};

UNIT_TEST_MAIN(tests)
