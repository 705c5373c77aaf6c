/* SPDX-License-Identifier: MIT
 *
 * fuzz_log.c - everything that takes a log apart: what services write, stored lines, the query of the API, the
 * kernel's records, names, times. The first byte says which.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/common/log_line.h"
#include "agent/ctl/kmsg.h"
#include "agent/ctl/log_time.h"
#include "agent/log/line_split.h"
#include "agent/log_query.h"
#include "tests/fuzz/fuzz.h"

/* Every byte belongs to one line, and no line is longer than it may be. */
static void check_split(const char *data, size_t len)
{
	size_t at = 0, used, line_len;

	while ((used = line_split(data + at, len - at, false, &line_len)) > 0) {
		FUZZ_CHECK(used <= len - at && line_len <= LOG_TEXT_MAX && used - line_len <= 1);
		FUZZ_CHECK(used == line_len || data[at + line_len] == '\n');
		FUZZ_CHECK(!memchr(data + at, '\n', line_len));
		at += used;
	}
	FUZZ_CHECK(len - at <= LOG_TEXT_MAX && !memchr(data + at, '\n', len - at));
	FUZZ_CHECK(line_split(data + at, len - at, true, &line_len) == len - at);
}

/* What is understood can be written and is understood again. */
static void check_line(const char *data, size_t len)
{
	char prefix[LOG_PREFIX_MAX];
	struct log_line line, again;
	size_t prefix_len;

	if (log_line_parse(data, len, &line) < 0)
		return;
	FUZZ_CHECK(line.text >= data && line.text + line.len == data + len);
	prefix_len = log_line_stamp(prefix, line.wall_us, line.boot_us);
	FUZZ_CHECK(prefix_len < LOG_PREFIX_MAX);
	FUZZ_CHECK(log_line_parse(prefix, prefix_len, &again) == 0);
	FUZZ_CHECK(again.wall_us == line.wall_us && again.boot_us == line.boot_us);
}

static void check_harmless(const char *data, size_t len)
{
	char *out = malloc(4 * len + 1);
	size_t n;

	if (!out)
		return;
	n = log_line_harmless(out, data, len);
	FUZZ_CHECK(n >= len && n <= 4 * len);
	for (size_t i = 0; i < n; i++)
		FUZZ_CHECK((unsigned char)out[i] >= ' ' || out[i] == '\t');
	free(out);
}

static void check_query(const char *data, size_t len)
{
	char path[256];
	int path_len = snprintf(path, sizeof(path), LOG_QUERY_PREFIX "%.*s",
		(int)(len < 100 ? len : 100), data);
	const char *question = memchr(data, '?', len);
	struct http_request request = {.path = path, .path_len = (size_t)path_len};
	struct log_query query;

	if (question) {
		request.path_len =
			strlen(LOG_QUERY_PREFIX) + strnlen(data, (size_t)(question - data));
		request.path_len =
			request.path_len < (size_t)path_len ? request.path_len : (size_t)path_len;
		request.query = question + 1;
		request.query_len = len - (size_t)(question + 1 - data);
	}
	if (log_query_parse(&request, &query) < 0)
		return;
	FUZZ_CHECK(log_name_valid(query.name, strlen(query.name)));
	FUZZ_CHECK(!strchr(query.name, '/') && query.name[0] != '.');
}

static void check_kmsg(const char *data, size_t len)
{
	struct kmsg_record record;

	if (kmsg_parse(data, len, &record) < 0)
		return;
	FUZZ_CHECK(record.level <= 7);
	FUZZ_CHECK(record.text > data && record.text + record.len <= data + len);
}

static void check_time(const char *data, size_t len)
{
	char text[64];
	uint64_t us;

	(void)snprintf(text, sizeof(text), "%.*s", (int)(len < 63 ? len : 63), data);
	if (log_time_parse(text, UINT64_C(1795634138000000), &us) == 0)
		FUZZ_CHECK(us < UINT64_C(300000000000000000));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const checks[])(const char *, size_t) = {
		check_split, check_line, check_harmless, check_query, check_kmsg, check_time};
	char *copy;

	if (size < 1)
		return 0;
	/* An exact copy: a byte too far is seen. */
	copy = malloc(size);
	if (!copy)
		return 0;
	memcpy(copy, data + 1, size - 1);
	checks[data[0] % (sizeof(checks) / sizeof(checks[0]))](copy, size - 1);
	free(copy);
	return 0;
}
