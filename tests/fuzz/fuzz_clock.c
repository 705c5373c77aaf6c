/* SPDX-License-Identifier: MIT
 *
 * fuzz_clock.c - what others send about the clock: bodies of POST /v1/clock (to the agent), documents (to keelctl), readings of
 * a clock that shows seconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "agent/clock_body.h"
#include "agent/common/clock_edge.h"
#include "agent/common/clock_policy.h"
#include "agent/ctl/clock_view.h"
#include "tests/fuzz/fuzz.h"

static void try_body(const char *text, size_t size)
{
	const char *why = NULL;
	int64_t realtime_us = 0;
	uint64_t uncertainty_us = 0;
	const struct clock_limits limits = {.step_us = 128000, .dead_us = 5000};
	struct clock_question question = {.may_set = true, .may_step = true};
	enum clock_action action;
	enum clock_reason reason;

	if (clock_body_parse(text, size, &realtime_us, &uncertainty_us, &why) < 0) {
		FUZZ_CHECK(why);
		return;
	}
	FUZZ_CHECK(uncertainty_us <= CLOCK_BODY_UNCERTAINTY_MS_MAX * 1000UL);
	question.offset_us = realtime_us;
	question.uncertainty_us = uncertainty_us;
	clock_policy_decide(&limits, &question, &action, &reason);
	if (action == CLOCK_ACTION_STEPPED)
		FUZZ_CHECK(realtime_us >= CLOCK_EARLIEST_US && realtime_us < CLOCK_LATEST_US);
}

/* Each byte of a page is a printable one. */
static void try_pages(const char *text, size_t size)
{
	yyjson_doc *doc = yyjson_read(text, size, YYJSON_READ_NOFLAG);
	char *page = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&page, &len);

	if (out && doc) {
		clock_view_page(out, yyjson_doc_get_root(doc));
		clock_view_sync(out, yyjson_doc_get_root(doc), INT64_MIN, INT64_MAX, (int64_t)size);
	}
	if (out)
		(void)fclose(out);
	for (size_t i = 0; page && i < len; i++)
		FUZZ_CHECK(page[i] == '\n' || ((unsigned char)page[i] >= 0x20 && page[i] != 0x7f));
	free(page);
	yyjson_doc_free(doc);
}

/* Readings in milliseconds; whatever comes, it ends, and an edge lies between two readings. */
static void try_edges(const uint8_t *data, size_t size)
{
	struct clock_edge edge = {0};
	int64_t now = 1, seconds = 0;

	for (size_t i = 0; i + 1 < size; i += 2) {
		bool found;

		now += data[i] * INT64_C(1000);
		seconds += data[i + 1] & 3;
		found = clock_edge_take(&edge, now, seconds, now + (data[i + 1] >> 2));
		FUZZ_CHECK(edge.edges <= CLOCK_EDGES_MAX);
		if (found) {
			FUZZ_CHECK(edge.edges > 0 && edge.uncertainty_us <= 256000);
			return;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* As long as the input, so that the sanitizer sees every byte read beyond it. */
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	try_body(text, size);
	try_pages(text, size);
	try_edges(data, size);
	free(text);
	return 0;
}
