/* SPDX-License-Identifier: MIT
 *
 * page.c - see page.h. Callers: view.c, top_view.c.
 */
#include "agent/ctl/page.h"

#include <stdarg.h>
#include <string.h>

#define RESET "\033[0m"

/* Green for what is well, red for what failed, yellow for what is on its way or wrong. */
static const char *colour_of(const struct page *page, const char *state)
{
	static const char *const good[] = {"ready", "done", "active", "mounted", "running"};
	static const char *const bad[] = {"failed", "refused", "unreachable"};
	static const char *const quiet[] = {"skipped", "inactive", "none", "pending", "unknown"};

	if (!page->style.colour)
		return "";
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (strcmp(state, good[i]) == 0)
			return "\033[32m";
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (strcmp(state, bad[i]) == 0)
			return "\033[31m";
	for (size_t i = 0; i < ARRAY_SIZE(quiet); i++)
		if (strcmp(state, quiet[i]) == 0)
			return "\033[2m";
	return "\033[33m";
}

/* ---- lines of text, wrapped ------------------------------------------------------------------ */

static unsigned int columns_of(const char *text, size_t len)
{
	unsigned int columns = 0;

	for (size_t i = 0; i < len; i++)
		columns += ((unsigned char)text[i] & 0xc0) !=
			   0x80; /* not a continuation byte of UTF-8 */
	return columns;
}

size_t page_control_size(const char *text, size_t len)
{
	const unsigned char *bytes = (const unsigned char *)text;

	if (bytes[0] < ' ' || bytes[0] == 0x7f)
		return 1;
	if (len > 1 && bytes[0] == 0xc2 && bytes[1] < 0xa0)
		return 2;
	return 0;
}

/* A terminal obeys control characters, and a guest's document may have them. */
void page_put_clean(struct page *page, const char *text, size_t len)
{
	for (size_t i = 0, size; i < len; i += size ? size : 1) {
		size = page_control_size(text + i, len - i);
		(void)fputc(size ? '?' : text[i], page->out);
	}
	page->column += columns_of(text, len);
}

void page_put_newline(struct page *page)
{
	(void)fputc('\n', page->out);
	page->column = 0;
}

void page_put_indent(struct page *page, unsigned int indent)
{
	(void)fprintf(page->out, "%*s", (int)indent, "");
	page->column += indent;
}

/* Goes on in the line; what does not fit goes on below, from column `indent` on. */
void page_put_text(struct page *page, unsigned int indent, const char *text)
{
	while (*text) {
		size_t space = strspn(text, " "), len = strcspn(text + space, " ");
		unsigned int columns = columns_of(text + space, len);

		if (page->style.width > 0 && page->column > indent &&
			page->column + space + columns > page->style.width) {
			page_put_newline(page);
			page_put_indent(page, indent);
			space = 0;
			text += strspn(text, " ");
		}
		page_put_clean(page, text, space + len);
		text += space + len;
	}
}

void page_put_format(struct page *page, unsigned int indent, const char *format, ...)
{
	char text[640];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	page_put_text(page, indent, text);
}

void page_put_label(struct page *page, const char *label)
{
	(void)fprintf(page->out, "%-*s", PAGE_LABEL, label);
	page->column = PAGE_LABEL;
}

void page_put_state(struct page *page, const char *state)
{
	(void)fputs(colour_of(page, state), page->out);
	page_put_clean(page, state, strlen(state));
	(void)fputs(page->style.colour ? RESET : "", page->out);
}

/* ": reason", unless the top of the page has it. */
void page_put_reason(struct page *page, const char *reason)
{
	if (reason[0] && !strstr(page->reason, reason))
		page_put_format(page, PAGE_LABEL, ": %s", reason);
}

/* ---- tables, not wrapped --------------------------------------------------------------------- */

void page_put_cell(struct page *page, const char *text, unsigned int width)
{
	unsigned int columns = columns_of(text, strlen(text));

	page_put_clean(page, text, strlen(text));
	page_put_indent(page, columns < width ? width - columns : 0);
}

void page_put_state_cell(struct page *page, const char *state, unsigned int width)
{
	(void)fputs(colour_of(page, state), page->out);
	page_put_cell(page, state, width);
	(void)fputs(page->style.colour ? RESET : "", page->out);
}

/* The end of a row. */
void page_put_remark(struct page *page, const char *reason)
{
	(void)fputs(reason[0] ? "  " : "", page->out);
	page_put_cell(page, reason, 0);
	page_put_newline(page);
}

/* The end of a line does not matter enough to wrap it: cut to the terminal. */
void page_put_words(struct page *page, const char *line)
{
	size_t len = strlen(line), kept = 0;

	page_put_text(page, 0, "  | ");
	while (kept < len && (page->style.width == 0 || page->column + columns_of(line, kept + 1) <=
								page->style.width))
		kept++;
	page_put_clean(page, line, kept);
	page_put_newline(page);
}
