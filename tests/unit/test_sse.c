/* SPDX-License-Identifier: MIT
 *
 * test_sse.c - keelctl's side of GET /v1/events: the stream as the specification interprets it, cut at every byte, and
 * each kind of event as a line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit_test.h"

#include "agent/ctl/event_view.h"
#include "agent/ctl/sse.h"

static struct sse sse;
static char seen[64 * 1024];

/* "ID|NAME|DATA;" of each. */
static int note(void *ctx, const struct sse_event *event)
{
	size_t len = strlen(seen);

	assert_int_equal(strlen(event->data), event->data_len);
	(void)snprintf(seen + len, sizeof(seen) - len, "%s|%s|%s;", event->id, event->name,
		event->data);
	return ctx ? *(int *)ctx : 0;
}

static void expect(const char *text, const char *want)
{
	size_t len = strlen(text);

	/* In two pieces, however they are cut. */
	for (size_t cut = 0; cut <= len; cut++) {
		memset(&sse, 0, sizeof(sse));
		seen[0] = '\0';
		sse_begin(&sse);
		assert_int_equal(sse_take(&sse, text, cut, note, NULL), 0);
		assert_int_equal(sse_take(&sse, text + cut, len - cut, note, NULL), 0);
		assert_string_equal(seen, want);
	}
}

static void test_stream(void **state)
{
	(void)state;
	expect("", "");
	expect("data: a\n\n", "|message|a;");
	expect("data: a\n", "");
	expect("event: x\ndata: a\nid: 1\n\ndata: b\n\n", "1|x|a;1|message|b;");
	expect("data: a\rdata: b\r\rdata\r\ndata: c\r\n\r\n", "|message|a\nb;|message|\nc;");
	expect("data:a\ndata:  b\n\n", "|message|a\n b;");
	expect(": comment\n:\nfoo: bar\nfoo\ndata: a:b\n\n", "|message|a:b;");
	/* No data is no event, and the id is kept. */
	expect("id: 7\nevent: x\n\ndata: a\n\n", "7|message|a;");
	expect("id: 7\n\nid\ndata: a\n\n", "|message|a;");
	expect("data\n\ndata\ndata\n\n", "|message|;|message|\n;");
	expect("\xef\xbb\xbf"
	       "data: a\n\n",
		"|message|a;");
	expect("\n\xef\xbb\xbf"
	       "data: a\n\n",
		"");
	expect("id: 0123456789012345678901234567890123456789012345678901234567890123\ndata: a\n\n",
		"|message|a;");
}

/* An id with a NUL in it is none. */
static void test_nul(void **state)
{
	static const char text[] = "id: 1\nid: 2\0\ndata: a\n\n";

	(void)state;
	memset(&sse, 0, sizeof(sse));
	seen[0] = '\0';
	assert_int_equal(sse_take(&sse, text, sizeof(text) - 1, note, NULL), 0);
	assert_string_equal(seen, "1|message|a;");
}

static void test_retry(void **state)
{
	(void)state;
	expect("retry: 250\n\n", "");
	assert_int_equal(sse.retry_ms, 250);
	expect("retry: 25x\nretry: 2 5\nretry\nretry:\n\n", "");
	assert_int_equal(sse.retry_ms, 0);
	expect("retry: 99999999999999999999\n\n", "");
	assert_int_equal(sse.retry_ms, 60000);
}

/* What was not dispatched was not seen: a new connection asks for it again. */
static void test_new_connection(void **state)
{
	static const char text[] = "id: 1\ndata: a\n\nid: 2\nevent: x\ndata: b\n",
			  rest[] = "data: c\n\n";

	(void)state;
	memset(&sse, 0, sizeof(sse));
	seen[0] = '\0';
	assert_int_equal(sse_take(&sse, text, sizeof(text) - 1, note, NULL), 0);
	assert_string_equal(sse.last_id, "1");
	sse_begin(&sse);
	assert_int_equal(sse_take(&sse, rest, sizeof(rest) - 1, note, NULL), 0);
	assert_string_equal(seen, "1|message|a;1|message|c;");
}

static void test_an_end_by_the_reader(void **state)
{
	static const char text[] = "data: a\n\ndata: b\n\n";
	int enough = -EPIPE;

	(void)state;
	memset(&sse, 0, sizeof(sse));
	seen[0] = '\0';
	assert_int_equal(sse_take(&sse, text, sizeof(text) - 1, note, &enough), -EPIPE);
	assert_string_equal(seen, "|message|a;");
}

/* Memory is fixed: what is too long is dropped as a whole, and the next event is fine. */
static void test_too_long(void **state)
{
	static char text[3 * SSE_LINE_MAX];
	size_t fits = SSE_LINE_MAX - strlen("data: ");

	(void)state;
	for (size_t len = fits - 2; len <= fits + 2; len++) {
		memset(&sse, 0, sizeof(sse));
		seen[0] = '\0';
		memset(text, 'a', sizeof(text));
		memcpy(text, "data: ", 6);
		assert_int_equal(sse_take(&sse, text, 6 + len, note, NULL), 0);
		assert_int_equal(sse_take(&sse, "\n\ndata: b\n\n", 11, note, NULL), 0);
		assert_int_equal(sse.dropped, len > fits);
		assert_int_equal(strstr(seen, "aaa") != NULL, len <= fits);
		assert_non_null(strstr(seen, "|message|b;"));
	}
	/* By many lines. */
	memset(&sse, 0, sizeof(sse));
	seen[0] = '\0';
	for (int i = 0; i < 1000; i++)
		assert_int_equal(sse_take(&sse, "data: 0123456789\n", 17, note, NULL), 0);
	assert_int_equal(sse_take(&sse, "\ndata: b\n\n", 10, note, NULL), 0);
	assert_int_equal(sse.dropped, 1);
	assert_string_equal(seen, "|message|b;");
}

/* ---- lines ------------------------------------------------------------------------------------------ */

#define TIMES "{\"at_ms\":1.5,\"realtime_ms\":1700000000123,"

static void expect_line(const char *kind, const char *json, const char *want)
{
	char line[EVENT_VIEW_MAX];

	assert_int_equal(event_view_line(kind, json, strlen(json), line), 0);
	assert_string_equal(line, want);
}

static void test_lines(void **state)
{
	(void)state;
	assert_int_equal(setenv("TZ", "UTC", 1), 0);
	expect_line("status",
		TIMES
		"\"status\":\"degraded\",\"was\":\"ready\",\"ready\":true,\"reason\":\"a.service failed\"}",
		"22:13:20.123 status   degraded (was ready), the engine can be used: a.service failed");
	expect_line("status", TIMES "\"status\":\"degraded\",\"ready\":false,\"reason\":\"\"}",
		"22:13:20.123 status   degraded, the engine cannot be used");
	expect_line("status", TIMES "\"status\":\"ready\",\"ready\":true,\"reason\":\"\"}",
		"22:13:20.123 status   ready");
	expect_line("service",
		TIMES
		"\"name\":\"a.service\",\"state\":\"backoff\",\"was\":\"active\",\"restarts\":1,"
		"\"exit_signal\":9,\"reason\":\"killed\"}",
		"22:13:20.123 service  a.service: backoff (was active), last ended by signal 9, 1 restart: killed");
	expect_line("service",
		TIMES "\"name\":\"a.service\",\"state\":\"active\",\"restarts\":2,\"exit_code\":0}",
		"22:13:20.123 service  a.service: active, last ended with 0, 2 restarts");
	expect_line("service", TIMES "\"name\":\"a.service\",\"state\":\"active\",\"restarts\":0}",
		"22:13:20.123 service  a.service: active");
	expect_line("stage",
		TIMES "\"name\":\"disk\",\"state\":\"done\",\"ms\":61001.0,\"reason\":\"\"}",
		"22:13:20.123 stage    disk: done after 1 min 1 s");
	expect_line("stage", TIMES "\"name\":\"disk\",\"state\":\"running\"}",
		"22:13:20.123 stage    disk: running");
	expect_line("engine",
		TIMES "\"name\":\"dockerd\",\"state\":\"hung\",\"was\":\"slow\",\"reason\":\"x\"}",
		"22:13:20.123 engine   dockerd: hung (was slow): x");
	expect_line("disk", TIMES "\"what\":\"state\",\"value\":\"mounted\",\"was\":\"checking\"}",
		"22:13:20.123 disk     state: mounted (was checking)");
	expect_line("disk", TIMES "\"what\":\"job\",\"value\":\"\",\"was\":\"trim\"}",
		"22:13:20.123 disk     job: none (was trim)");
	expect_line("disk", TIMES "\"what\":\"size\",\"value\":8589934592,\"was\":4294967296}",
		"22:13:20.123 disk     size: 8.0 GiB (was 4.0 GiB)");
	expect_line("disk", TIMES "\"what\":\"errors\",\"value\":4,\"was\":2}",
		"22:13:20.123 disk     errors: 4");
	expect_line("memory", TIMES "\"what\":\"target\",\"value\":null}",
		"22:13:20.123 memory   target: none");
	expect_line("memory",
		TIMES "\"what\":\"pressure\",\"value\":\"none\",\"was\":\"high\",\"ms\":61001}",
		"22:13:20.123 memory   pressure: none (was high) after 1 min 1 s");
	expect_line("reset", TIMES "\"kept\":1}",
		"22:13:20.123 reset    the agent began anew: what was before its start is not known");
	expect_line("lost", TIMES "\"count\":1}", "22:13:20.123 lost     1 event was missed");
	expect_line("lost", TIMES "\"count\":7}", "22:13:20.123 lost     7 events were missed");
}

static void test_lines_of_kills_and_the_kernel(void **state)
{
	(void)state;
	expect_line("oom",
		TIMES
		"\"process\":\"java\",\"pid\":7,\"container\":\"web\",\"container_id\":\"47\"}",
		"22:13:20.123 oom      the kernel killed java (7) in the container web");
	expect_line("oom",
		TIMES
		"\"process\":\"\",\"pid\":7,\"container\":\"\",\"container_id\":\"0123456789abcdef\"}",
		"22:13:20.123 oom      the kernel killed a process (7) in the container 0123456789ab");
	expect_line("oom",
		TIMES "\"process\":\"a\",\"pid\":7,\"group\":\"engine\",\"global\":true}",
		"22:13:20.123 oom      the kernel killed a (7) in engine: the guest was out of memory");
	expect_line("clock",
		TIMES
		"\"what\":\"stepped\",\"source\":\"ptp\",\"offset_ms\":3600000.5,\"reason\":\"large\"}",
		"22:13:20.123 clock    stepped: it was 1 h 0 min behind (ptp, large)");
	expect_line("clock",
		TIMES
		"\"what\":\"slewed\",\"source\":\"host\",\"offset_ms\":-12.5,\"reason\":\"small\"}",
		"22:13:20.123 clock    slewed: it was 12 ms ahead (host, small)");
	expect_line("clock", TIMES "\"what\":\"slept\",\"for_ms\":123000.0}",
		"22:13:20.123 clock    slept for 2 min 3 s");
	expect_line("clock", TIMES "\"what\":\"set\",\"by_ms\":-3000.0}",
		"22:13:20.123 clock    set by somebody else: back by 3.0 s");
	expect_line("clock", TIMES "\"what\":\"set\",\"by_ms\":1e300}",
		"22:13:20.123 clock    set by somebody else: forward by 11574074 d 1 h");
	expect_line("oom", TIMES "\"process\":\"a\",\"pid\":7}",
		"22:13:20.123 oom      the kernel killed a (7)");
	expect_line("oom", TIMES "\"process\":\"a\",\"pid\":7,\"left_out\":3}",
		"22:13:20.123 oom      the kernel killed a (7) (3 more left out)");
	expect_line("oom", TIMES "\"left_out\":984}",
		"22:13:20.123 oom      the kernel killed 984 more");
	expect_line("kernel", TIMES "\"level\":\"err\",\"text\":\"bad\",\"left_out\":3}",
		"22:13:20.123 kernel   err: bad (3 more left out)");
	expect_line("kernel", TIMES "\"overwritten\":2}",
		"22:13:20.123 kernel   more was said (2 lines were lost before they were read)");
	/* Of a later keel. */
	expect_line("later",
		TIMES "\"a\":\"b\",\"c\":true,\"d\":false,\"e\":-1.5,\"f\":null,\"g\":[1]}",
		"22:13:20.123 later    a=b, c=yes, d=no, e=-1.5");
	/* Nothing that a terminal obeys, whoever wrote it. */
	expect_line("kernel", TIMES "\"level\":\"err\",\"text\":\"\\u001b[31m\\n\\u007f\"}",
		"22:13:20.123 kernel   err: ?[31m??");
	expect_line("x", "{\"realtime_ms\":\"no number\",\"at_ms\":-1e300}",
		"00:00:00.000 x        ");
}

static void test_what_is_no_event(void **state)
{
	static const char *const bad[] = {"", "x", "[]", "1", "{", "{}x"};
	static char huge[64 * 1024];
	char line[EVENT_VIEW_MAX];
	size_t len = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(event_view_line("a", bad[i], strlen(bad[i]), line), -EINVAL);
	/* Longer than a line: cut. */
	len = (size_t)snprintf(huge, sizeof(huge), "{\"a\":\"");
	memset(huge + len, 'x', 5000);
	len += 5000;
	len += (size_t)snprintf(huge + len, sizeof(huge) - len, "\"}");
	assert_int_equal(event_view_line("a", huge, len, line), 0);
	assert_int_equal(strlen(line), EVENT_VIEW_MAX - 1);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_stream),
	cmocka_unit_test(test_nul),
	cmocka_unit_test(test_retry),
	cmocka_unit_test(test_new_connection),
	cmocka_unit_test(test_an_end_by_the_reader),
	cmocka_unit_test(test_too_long),
	cmocka_unit_test(test_lines),
	cmocka_unit_test(test_lines_of_kills_and_the_kernel),
	cmocka_unit_test(test_what_is_no_event),
};

UNIT_TEST_MAIN(tests)
