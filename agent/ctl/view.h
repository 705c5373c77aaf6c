/* SPDX-License-Identifier: MIT
 *
 * view.h - the health document for people. Everything printed comes from the document, so that the same
 * page is shown in the guest, on the host, and when the agent is down.
 */
#pragma once

#include <stdio.h>

#include "lib/base.h"

struct view_style {
	bool colour;
	bool brief;         /* what matters now; no tables */
	unsigned int width; /* columns that text is wrapped to, 0: not wrapped */
};

/* What the document does not tell. */
struct view_notes {
	const char *
		agent; /* why it does not answer, so that the document is PID 1's; NULL: it is the agent's */
	const char *network; /* one line, NULL: not known (we are not in the guest) */
};

/* Prints the page for a document of `len` bytes. 0 or -EINVAL (not a health document). */
int view_print_status(FILE *out, const char *json, size_t len, const struct view_style *style,
	const struct view_notes *notes) MUST_CHECK;
/* The page when nobody answers; `init`: why PID 1 does not; NULL: it cannot be asked, from the host. */
void view_print_silence(FILE *out, const char *init, const struct view_style *style,
	const struct view_notes *notes);
/* The table of services only; takes a health or a services document. */
int view_print_services(FILE *out, const char *json, size_t len, bool colour) MUST_CHECK;

/* Colours and width for `out`; not brief. */
struct view_style view_get_style(FILE *out);
/* "auto", "always" or "never", for view_wants_colour. 0 or -EINVAL. */
int view_set_colour(const char *when) MUST_CHECK;
/* True for a terminal that wants colours (no-color.org), unless view_set_colour says otherwise. */
bool view_wants_colour(FILE *out);
/* By the locale: characters beyond ASCII can be shown. */
bool view_speaks_utf8(void);
/* 8589934592 -> "8.0 GiB". Returns `buffer`. */
const char *view_format_bytes(uint64_t bytes, char *buffer, size_t size);
/* 61001 -> "1 min 1 s". Returns `buffer`. */
const char *view_format_ms(double ms, char *buffer, size_t size);
