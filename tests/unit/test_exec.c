/* SPDX-License-Identifier: MIT
 *
 * test_exec.c - frames of a session: each kind there and back, cut at every byte, those that are none; bodies of POST
 * /v1/exec. Whole sessions: tests/ns/scenarios_exec.py.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit_test.h"

#include "agent/common/exec_frame.h"
#include "agent/exec_body.h"

/* An exact copy: a byte too far is seen. */
static int parse(const unsigned char *data, size_t len, bool to_guest, struct exec_frame *frame,
	size_t *used)
{
	static unsigned char *copy;
	int rc;

	free(copy);
	copy = malloc(len ? len : 1);
	assert_non_null(copy);
	memcpy(copy, data, len);
	rc = exec_frame_parse(copy, len, to_guest, frame, used);
	if (rc == 0)
		assert_ptr_equal(frame->payload, copy + EXEC_FRAME_HEADER);
	if (len == 0 || rc != 0) {
		free(copy);
		copy = NULL;
	}
	return rc;
}

static void small_frames(void **state)
{
	static const struct {
		enum exec_type type;
		unsigned int first, second;
		size_t len;
	} cases[] = {{EXEC_STDIN_END, 0, 0, 0}, {EXEC_RESIZE, 0x1234, 0x5678, 4},
		{EXEC_SIGNAL, 31, 0, 1}, {EXEC_EXIT, 0, 77, 2}, {EXEC_EXIT, 1, 9, 2},
		{EXEC_TAKEN, EXEC_STDIN, 0, 1}, {EXEC_TAKEN, EXEC_SIGNAL, 0, 1}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned char data[EXEC_SMALL_MAX];
		bool to_guest = cases[i].type < EXEC_STDOUT;
		size_t len = exec_frame_put(data, cases[i].type, cases[i].first, cases[i].second),
		       used = 0;
		struct exec_frame frame;

		assert_int_equal(len, EXEC_FRAME_HEADER + cases[i].len);
		for (size_t cut = 0; cut < len; cut++)
			assert_int_equal(parse(data, cut, to_guest, &frame, &used), -EAGAIN);
		assert_int_equal(parse(data, len, !to_guest, &frame, &used), -EPROTO);
		assert_int_equal(parse(data, len, to_guest, &frame, &used), 0);
		assert_int_equal(used, len);
		assert_int_equal(frame.type, cases[i].type);
		if (frame.type == EXEC_RESIZE) {
			assert_int_equal(frame.rows, 0x1234);
			assert_int_equal(frame.columns, 0x5678);
		} else if (frame.type == EXEC_SIGNAL) {
			assert_int_equal(frame.number, 31);
		} else if (frame.type == EXEC_EXIT) {
			assert_int_equal(frame.killed, cases[i].first);
			assert_int_equal(frame.number, cases[i].second);
		} else if (frame.type == EXEC_TAKEN) {
			assert_int_equal(frame.number, cases[i].first);
		}
	}
	(void)parse((const unsigned char *)"", 0, true, &(struct exec_frame){0}, &(size_t){0});
}

static void data_frames(void **state)
{
	static const enum exec_type types[] = {EXEC_STDIN, EXEC_STDOUT, EXEC_STDERR};
	static unsigned char data[EXEC_FRAME_MAX + 1];
	struct exec_frame frame;
	size_t used = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		bool to_guest = types[i] == EXEC_STDIN;

		exec_frame_put_header(data, types[i], EXEC_PAYLOAD_MAX);
		assert_int_equal(exec_frame_parse(data, EXEC_FRAME_MAX - 1, to_guest, &frame,
					 &used),
			-EAGAIN);
		assert_int_equal(exec_frame_parse(data, EXEC_FRAME_MAX + 1, to_guest, &frame,
					 &used),
			0);
		assert_int_equal(used, EXEC_FRAME_MAX);
		assert_int_equal(frame.len, EXEC_PAYLOAD_MAX);
		assert_int_equal(exec_frame_parse(data, EXEC_FRAME_MAX, !to_guest, &frame, &used),
			-EPROTO);
		exec_frame_put_header(data, types[i], EXEC_PAYLOAD_MAX + 1);
		assert_int_equal(exec_frame_parse(data, 4, to_guest, &frame, &used), -EPROTO);
		exec_frame_put_header(data, types[i], 0);
		assert_int_equal(exec_frame_parse(data, 4, to_guest, &frame, &used), -EPROTO);
	}
}

static void no_frames(void **state)
{
	static const struct {
		unsigned char bytes[8];
		size_t len;
		bool to_guest;
	} cases[] = {{"\0\0\0\0", 4, true}, {"\5\0\0\0", 4, true}, {"\377\377\377\377", 4, false},
		{"\2\0\0\1", 4, true}, {"\3\0\0\3", 4, true}, {"\4\0\0\2", 4, true},
		{"\4\0\0\1\0", 5, true}, {"\4\0\0\1\40", 5, true}, {"\22\0\0\1", 4, false},
		{"\22\0\0\2\2\0", 6, false}, {"\23\0\0\0", 4, false}, {"\23\0\0\1\3", 5, false},
		{"GET ", 4, true}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct exec_frame frame;
		size_t used;

		assert_int_equal(parse(cases[i].bytes, cases[i].len, cases[i].to_guest, &frame,
					 &used),
			-EPROTO);
	}
}

static struct runner_session_request request;

static int body(const char *text)
{
	const char *wrong = NULL;
	int rc = exec_body_parse(text, strlen(text), &request, &wrong);

	assert_non_null(wrong);
	return rc;
}

static void expect_words(const char *words, size_t len)
{
	assert_int_equal(request.words_len, len);
	assert_memory_equal(request.words, words, len);
}

#define EXPECT_WORDS(words) expect_words(words, sizeof(words))

static void good_bodies(void **state)
{
	(void)state;
	assert_int_equal(body(""), 0);
	EXPECT_WORDS("/bin/sh\0-l");
	assert_false(request.tty);
	assert_int_equal(body("{\"tty\":true}"), 0);
	EXPECT_WORDS("/bin/sh\0-l");
	assert_true(request.tty);
	assert_int_equal(request.rows, 24);
	assert_int_equal(request.columns, 80);
	assert_int_equal(
		body("{\"argv\":[\"a\",\"\",\"b c\"],\"tty\":true,\"rows\":1,\"cols\":65535,\"term\":\"xterm-256color\"}"),
		0);
	EXPECT_WORDS("env\0TERM=xterm-256color\0a\0\0b c");
	assert_int_equal(request.rows, 1);
	assert_int_equal(request.columns, 65535);
	assert_int_equal(body("{\"argv\":[\"a\"],\"tty\":false,\"term\":\"x\"}"), 0);
	EXPECT_WORDS("a");
}

static void bad_bodies(void **state)
{
	static const char *const cases[] = {"x", "[]", "{\"argv\":[]}", "{\"argv\":\"a\"}",
		"{\"argv\":[1]}", "{\"argv\":[\"\"]}", "{\"argv\":[\"a\\u0000b\"]}", "{\"tty\":1}",
		"{\"rows\":0}", "{\"rows\":65536}", "{\"rows\":1.5}", "{\"cols\":-1}",
		"{\"cols\":\"1\"}", "{\"term\":1}", "{\"term\":\"\"}", "{\"term\":\"a b\"}",
		"{\"term\":\"123456789012345678901234567890123\"}", "{\"term\":\"a\\u0000\"}",
		"{\"arg\":[\"a\"]}", "{\"argv\":[\"a\"],\"other\":1}",
		"{\"tty\":true,\"tty\":false}"};
	static char text[16384];
	size_t len = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(body(cases[i]), -EINVAL);
	/* Too many words, words that are too long together, a body that is too long. */
	len += (size_t)sprintf(text, "{\"argv\":[\"a\"");
	for (int i = 0; i < 60; i++)
		len += (size_t)sprintf(text + len, ",\"a\"");
	(void)sprintf(text + len, "]}");
	assert_int_equal(body(text), -EINVAL);
	len = (size_t)sprintf(text, "{\"argv\":[\"");
	memset(text + len, 'a', RUNNER_WORDS_MAX);
	(void)sprintf(text + len + RUNNER_WORDS_MAX, "\"]}");
	assert_int_equal(body(text), -EINVAL);
	memset(text, ' ', sizeof(text) - 1);
	assert_int_equal(body(text), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_frames),
		cmocka_unit_test(data_frames),
		cmocka_unit_test(no_frames),
		cmocka_unit_test(good_bodies),
		cmocka_unit_test(bad_bodies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
