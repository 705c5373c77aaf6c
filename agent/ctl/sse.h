/* SPDX-License-Identifier: MIT
 *
 * sse.h - a text/event-stream, piece by piece, into events (WHATWG HTML, "Server-sent events", interpretation). Pure, in
 * fixed memory; fuzzed.
 */
#pragma once

#include "lib/base.h"

#define SSE_LINE_MAX 4096
#define SSE_DATA_MAX 4096
#define SSE_WORD_MAX 64 /* an id, the name of an event; with NUL */

struct sse_event {
	const char *id, *name; /* name: "message" if the stream gave none */
	const char *data;      /* NUL behind it */
	size_t data_len;
};

struct sse {
	char line[SSE_LINE_MAX];
	size_t line_len;
	bool line_cut; /* it is longer: the field is left out */
	bool after_cr; /* a newline that follows belongs to it */
	bool begun;    /* behind the first line, which may have a byte order mark */
	bool has_data, data_cut;
	char id[SSE_WORD_MAX];      /* the last one, also of an event that is not complete */
	char last_id[SSE_WORD_MAX]; /* what to come back with */
	char name[SSE_WORD_MAX];
	size_t data_len;
	char data[SSE_DATA_MAX + 1];
	unsigned int retry_ms; /* 0: the stream has not said */
	unsigned int dropped;  /* events that were too long */
};

/* Not 0 ends it. */
typedef int sse_fn(void *ctx, const struct sse_event *event);

/* Zeroed: a stream begins. Keeps last_id and retry_ms for the next connection. */
void sse_begin(struct sse *sse);
/* Calls `fn` for each event that is complete. 0, or what `fn` returned. */
int sse_take(struct sse *sse, const char *text, size_t len, sse_fn *fn, void *ctx) MUST_CHECK;
