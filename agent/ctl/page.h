/* SPDX-License-Identifier: MIT
 *
 * page.h - text for a terminal: wrapped lines with a label, rows of a table, words in the colour of what they say. What comes from
 * the guest cannot command the terminal: control characters become "?".
 */
#pragma once

#include "agent/ctl/view.h"

#define PAGE_LABEL 12 /* columns of a label */

struct page {
	FILE *out;
	struct view_style style;
	const char *reason; /* at the top of the page: not said again below */
	unsigned int column;
};

/* Bytes of the control character that the text begins with: 1, 2 (U+0080 to U+009F in UTF-8), or 0 if it is none. */
size_t page_control_size(const char *text, size_t len);
void page_put_clean(struct page *page, const char *text, size_t len);
void page_put_newline(struct page *page);
void page_put_indent(struct page *page, unsigned int indent);
/* Goes on in the line; what does not fit goes on below, from column `indent` on. */
void page_put_text(struct page *page, unsigned int indent, const char *text);
void page_put_format(struct page *page, unsigned int indent, const char *format, ...) PRINTF(3, 4);
void page_put_label(struct page *page, const char *label);
/* Green for what is well, red for what failed, yellow for what is on its way or wrong. */
void page_put_state(struct page *page, const char *state);
/* ": reason", unless the top of the page has it. */
void page_put_reason(struct page *page, const char *reason);
/* Somebody's last words, a line: cut to the terminal, its end does not matter enough to wrap it. */
void page_put_words(struct page *page, const char *line);

/* Of a table, not wrapped. */
void page_put_cell(struct page *page, const char *text, unsigned int width);
void page_put_state_cell(struct page *page, const char *state, unsigned int width);
/* The end of a row. */
void page_put_remark(struct page *page, const char *reason);
