/* SPDX-License-Identifier: MIT
 *
 * fuzz_memory_api.c - what others send about memory: bodies of requests (to the agent), documents (to keelctl), sizes
 * that people type, names of groups, containers and processes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/common/document.h"
#include "agent/ctl/bytes.h"
#include "agent/ctl/change.h"
#include "agent/ctl/memory_view.h"
#include "agent/ctl/top_view.h"
#include "agent/memory_body.h"
#include "agent/metrics_memory.h"
#include "lib/memory_mode.h"
#include "tests/fuzz/fuzz.h"

static void try_bodies(const char *text, size_t size)
{
	unsigned int timeout_ms = 0;
	const char *why = NULL;
	enum memory_mode mode;
	uint64_t bytes = 0;

	if (memory_body_reclaim(text, size, &bytes, &timeout_ms, &why) == 0)
		FUZZ_CHECK(bytes > 0 && timeout_ms > 0 && timeout_ms <= MEMORY_BODY_TIMEOUT_MS_MAX);
	FUZZ_CHECK(why);
	if (memory_body_target(text, size, &bytes, &why) == 0)
		FUZZ_CHECK(memory_body_mode(text, size, &mode, &why) < 0);
	else if (memory_body_mode(text, size, &mode, &why) == 0)
		FUZZ_CHECK(memory_mode_name(mode));
}

/* Nothing of it controls a terminal: our own colours apart, each byte is a printable one. */
static void check_page(const char *page, size_t len, bool colour)
{
	for (size_t i = 0; i < len; i++) {
		if (colour && page[i] == '\033')
			FUZZ_CHECK(page[i + 1] == '[' && page[i + 2] != 'm');
		else
			FUZZ_CHECK(page[i] == '\n' ||
				   ((unsigned char)page[i] >= 0x20 && page[i] != 0x7f));
	}
}

/* The same text for all that keelctl top asks for. */
static void try_top(const struct memory_view *wanted, yyjson_val *root, const char *text,
	size_t size)
{
	static struct top_history history;
	static struct container_names names;
	struct top_view top = {.view = *wanted,
		.rows = 40,
		.sort = (enum top_sort)(size % 3),
		.names = &names,
		.history = &history};

	if (top.view.width < 20)
		top.view.width = 20;
	if (top.view.width > MEMORY_VIEW_WIDTH_MAX)
		top.view.width = MEMORY_VIEW_WIDTH_MAX;
	if (container_names_parse(&names, text, size) == 0)
		FUZZ_CHECK(names.count <= CONTAINER_NAMES_MAX);
	top_history_add(&history, root);
	FUZZ_CHECK(history.count > 0 && history.count <= TOP_SAMPLES);
	top_view_page(&top, root, root);
	(void)top_view_lacks_name(&names, root);
	(void)change_mark(text, size);
}

static void try_view(const char *text, size_t size, unsigned int width, int bits)
{
	yyjson_doc *doc = yyjson_read(text, size, YYJSON_READ_NOFLAG);
	yyjson_val *root = yyjson_doc_get_root(doc);
	char *page = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&page, &len);
	const struct memory_view view = {
		.out = out, .width = width, .colour = bits & 1, .utf8 = bits & 2};

	if (doc && out) {
		try_top(&view, root, text, size);
		memory_view_page(&view, root);
		memory_view_settings(out, root);
		memory_view_answer(out, root);
		(void)fflush(out);
		check_page(page, len, view.colour);
	}
	if (out)
		(void)fclose(out);
	free(page);
	yyjson_doc_free(doc);
}

static void take_name(char *name, size_t max, const char **text)
{
	size_t len = strlen(*text);

	(void)snprintf(name, max, "%s", *text);
	*text += len < max ? len : max;
}

/* Whatever the names are, the document is one of JSON on one line, and the metrics are printable. */
static void try_names(const char *text)
{
	static struct facts facts;
	static struct system_facts system;
	static char buffer[64 * 1024];
	struct metrics_text metrics = {.buffer = buffer, .size = sizeof(buffer)};
	struct memory_seen *seen = &facts.memory_seen;
	const char *document;
	yyjson_doc *doc;
	size_t len;

	seen->known = true;
	seen->groups = 3;
	seen->oom_kept = 2;
	for (unsigned int i = 0; i < seen->groups; i++)
		take_name(seen->group[i].name, sizeof(seen->group[i].name), &text);
	for (unsigned int i = 0; i < seen->oom_kept; i++) {
		struct memory_oom_kill *kill = &seen->oom_kill[i];

		take_name(kill->process, sizeof(kill->process), &text);
		take_name(kill->group, sizeof(kill->group), &text);
		take_name(kill->container, sizeof(kill->container), &text);
	}
	document = document_write_memory(&facts, &system, &len);
	FUZZ_CHECK(document && !memchr(document, '\n', len));
	doc = yyjson_read(document, len, YYJSON_READ_NOFLAG);
	FUZZ_CHECK(doc);
	yyjson_doc_free(doc);
	metrics_put_memory(&metrics, seen);
	FUZZ_CHECK(metrics.len > 0 && !metrics.full);
	check_page(buffer, metrics.len, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* As long as the input, so that the sanitizer sees every byte read beyond it. */
	char *text = malloc(size + 1);
	uint64_t bytes;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	try_bodies(text, size);
	if (bytes_parse(text, &bytes) == 0)
		FUZZ_CHECK(bytes > 0);
	try_view(text, size, (unsigned int)(size * 7 % 200), (int)(size & 3));
	try_names(text);
	free(text);
	return 0;
}
