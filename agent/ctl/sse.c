/* SPDX-License-Identifier: MIT
 *
 * sse.c - see sse.h. Caller: ctl/events.c.
 */
#include "agent/ctl/sse.h"

#include <stdio.h>
#include <string.h>

#define RETRY_MAX_MS 60000

void sse_begin(struct sse *sse)
{
	sse->line_len = sse->data_len = 0;
	sse->line_cut = sse->after_cr = sse->begun = sse->has_data = sse->data_cut = false;
	sse->name[0] = '\0';
	memcpy(sse->id, sse->last_id, sizeof(sse->id));
}

static void add_data(struct sse *sse, const char *value, size_t len)
{
	if (len + 1 > SSE_DATA_MAX - sse->data_len) {
		sse->data_cut = true;
		return;
	}
	memcpy(sse->data + sse->data_len, value, len);
	sse->data_len += len;
	sse->data[sse->data_len++] = '\n';
	sse->has_data = true;
}

static void take_retry(struct sse *sse, const char *value, size_t len)
{
	unsigned int ms = 0;

	for (size_t i = 0; i < len; i++) {
		if (value[i] < '0' || value[i] > '9')
			return;
		ms = ms * 10 + (unsigned int)(value[i] - '0');
		if (ms > RETRY_MAX_MS)
			ms = RETRY_MAX_MS;
	}
	if (len > 0)
		sse->retry_ms = ms;
}

static void copy_word(char word[SSE_WORD_MAX], const char *value, size_t len)
{
	if (len >= SSE_WORD_MAX || memchr(value, '\0', len))
		return;
	memcpy(word, value, len);
	word[len] = '\0';
}

static bool is(const char *field, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(field, word, len) == 0;
}

static void take_field(struct sse *sse, const char *field, size_t len)
{
	const char *colon = memchr(field, ':', len);
	size_t name_len = colon ? (size_t)(colon - field) : len;
	const char *value = colon ? colon + 1 : field + len;
	size_t value_len = len - (size_t)(value - field);

	if (value_len > 0 && value[0] == ' ') {
		value++;
		value_len--;
	}
	if (is(field, name_len, "data"))
		add_data(sse, value, value_len);
	else if (is(field, name_len, "event"))
		copy_word(sse->name, value, value_len);
	else if (is(field, name_len, "id"))
		copy_word(sse->id, value, value_len);
	else if (is(field, name_len, "retry"))
		take_retry(sse, value, value_len);
}

static int dispatch(struct sse *sse, sse_fn *fn, void *ctx)
{
	struct sse_event event = {.id = sse->id,
		.name = sse->name[0] ? sse->name : "message",
		.data = sse->data,
		.data_len = sse->data_len};
	int rc = 0;

	memcpy(sse->last_id, sse->id, sizeof(sse->last_id));
	if (sse->data_cut) {
		sse->dropped++;
	} else if (sse->has_data) {
		event.data_len--; /* the last newline */
		sse->data[event.data_len] = '\0';
		rc = fn(ctx, &event);
	}
	sse->data_len = 0;
	sse->has_data = sse->data_cut = false;
	sse->name[0] = '\0';
	return rc;
}

static int end_line(struct sse *sse, sse_fn *fn, void *ctx)
{
	const char *line = sse->line;
	size_t len = sse->line_len;
	bool cut = sse->line_cut;

	sse->line_len = 0;
	sse->line_cut = false;
	if (!sse->begun && len >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) {
		line += 3;
		len -= 3;
	}
	sse->begun = true;
	if (cut) {
		sse->data_cut = true; /* whatever it was, the event is not whole */
		return 0;
	}
	if (len == 0)
		return dispatch(sse, fn, ctx);
	if (line[0] != ':')
		take_field(sse, line, len);
	return 0;
}

int sse_take(struct sse *sse, const char *text, size_t len, sse_fn *fn, void *ctx)
{
	for (size_t i = 0; i < len; i++) {
		bool ends = text[i] == '\n' || text[i] == '\r';
		bool second = text[i] == '\n' && sse->after_cr;
		int rc;

		sse->after_cr = text[i] == '\r';
		if (second)
			continue;
		if (ends) {
			rc = end_line(sse, fn, ctx);
			if (rc != 0)
				return rc;
		} else if (sse->line_len < sizeof(sse->line)) {
			sse->line[sse->line_len++] = text[i];
		} else {
			sse->line_cut = true;
		}
	}
	return 0;
}
