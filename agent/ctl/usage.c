/* SPDX-License-Identifier: MIT
 *
 * usage.c - see usage.h; the verb help, and complaints (ctl.h). Caller: main.c, every verb.
 */
#include "agent/ctl/usage.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yyjson.h>

#include "agent/common/facts.h"
#include "agent/ctl/page.h"
#include "agent/ctl/view.h"

#define WIDTH_DEFAULT 100 /* where there is no terminal */
#define NARROW        56  /* below: help stands under its word */
#define INDENT_NARROW 6

/* ---- help ----------------------------------------------------------------------------------------- */

/* Words between spaces, wrapped; the cursor is at `column` and goes on at `indent`. */
static void put_wrapped(FILE *out, const char *text, unsigned int column, unsigned int indent,
	unsigned int width)
{
	bool first = true;

	while (*text) {
		unsigned int len = (unsigned int)strcspn(text, " ");

		if (column > indent && column + !first + len > width) {
			(void)fprintf(out, "\n%*s", (int)indent, "");
			column = indent;
			first = true;
		}
		(void)fprintf(out, "%s%.*s", first ? "" : " ", (int)len, text);
		column += len + !first;
		first = false;
		text += len;
		text += strspn(text, " ");
	}
	(void)fputc('\n', out);
}

static void put_row(FILE *out, const char *head, unsigned int head_width, const char *help,
	unsigned int width)
{
	unsigned int indent = width < NARROW ? INDENT_NARROW : 2 + head_width + 2;

	if (width < NARROW) {
		(void)fputs("  ", out);
		put_wrapped(out, head, 2, 4, width);
		(void)fprintf(out, "%*s", INDENT_NARROW, "");
	} else {
		(void)fprintf(out, "  %-*s  ", (int)head_width, head);
	}
	put_wrapped(out, help, indent, indent, width);
}

static const char *option_head(enum ctl_option option, char *buffer, size_t size)
{
	const struct ctl_option_row *row = &ctl_options[option];
	char letter[8] = "";

	if (row->letter)
		(void)snprintf(letter, sizeof(letter), "-%c, ", row->letter);
	(void)snprintf(buffer, size, "%s--%s%s%s", letter, row->name, row->argument ? " " : "",
		row->argument ? row->argument : "");
	return buffer;
}

/* Of every verb, or what one takes besides. */
static void put_options(FILE *out, const struct ctl_verb *verb, unsigned int width)
{
	unsigned int widest = 0;
	char head[48];

	for (int pass = 0; pass < 2; pass++) {
		for (enum ctl_option i = CTL_OPTION_END + 1; i < CTL_OPTIONS; i++) {
			const char *help = ctl_option_help(verb, i);

			if (!help || (verb && ctl_options[i].help))
				continue;
			(void)option_head(i, head, sizeof(head));
			if (pass == 1)
				put_row(out, head, widest, help, width);
			else if (strlen(head) > widest)
				widest = (unsigned int)strlen(head);
		}
	}
}

static void print_all(FILE *out, unsigned int width)
{
	char head[64];

	put_wrapped(out, "usage: keelctl [--vm ADDRESS] VERB [OPTION]...", 0, 7, width);
	put_wrapped(out, "Asks and orders keel's guest, from inside or from its host.", 0, 0,
		width);
	(void)fputc('\n', out);
	for (const struct ctl_verb *verb = ctl_verbs; verb->word; verb++) {
		(void)snprintf(head, sizeof(head), "%-14s %s", verb->word, verb->operands);
		put_row(out, head, 28, verb->help, width);
	}
	(void)fputc('\n', out);
	put_wrapped(out, "Options of every verb; each has its own besides: keelctl help VERB", 0, 0,
		width);
	put_options(out, NULL, width);
	(void)fputc('\n', out);
	put_wrapped(out,
		"Exit: 0 yes or done; 1 no, failed or not in time; 2 wrong usage; 3 nobody answers. More: keelctl(1).",
		0, 0, width);
}

static void print_verb(FILE *out, const struct ctl_verb *verb, unsigned int width)
{
	char line[128];

	(void)snprintf(line, sizeof(line), "usage: keelctl %s%s%s%s", verb->word,
		verb->options ? " [OPTION]..." : "", verb->operands[0] ? " " : "", verb->operands);
	put_wrapped(out, line, 0, 7, width);
	put_wrapped(out, verb->help, 0, 0, width);
	if (verb->words)
		(void)fputc('\n', out);
	for (const struct ctl_word *word = verb->words; word && word->word; word++)
		put_row(out, word->word, 16, word->help, width);
	if (verb->options)
		(void)fputc('\n', out);
	put_options(out, verb, width);
	if (verb->about) {
		(void)fputc('\n', out);
		put_wrapped(out, verb->about, 0, 0, width);
	}
	(void)fputc('\n', out);
	put_wrapped(out,
		verb->guest_only ? "In the guest only. More: keelctl --help, keelctl(1)."
				 : "More: keelctl --help, keelctl(1).",
		0, 0, width);
}

void usage_show(const struct ctl_verb *verb)
{
	struct view_style style = view_get_style(stdout);
	unsigned int width = style.width ? style.width : WIDTH_DEFAULT;

	if (verb)
		print_verb(stdout, verb, width);
	else
		print_all(stdout, width);
}

int ctl_help(const struct ctl *ctl)
{
	const struct ctl_verb *verb = ctl->argc > 0 ? ctl_find_verb(ctl->argv[0]) : NULL;

	if (ctl->argc > 0 && !verb)
		return ctl_usage(ctl, "%s: no such verb", ctl->argv[0]);
	usage_show(verb);
	return CTL_EXIT_OK;
}

/* ---- complaints ----------------------------------------------------------------------------------- */

/* What the guest or the caller said may have control characters. */
static void complain(const struct ctl *ctl, const char *end, const char *format, va_list args)
{
	char text[1024];

	(void)vsnprintf(text, sizeof(text), format, args);
	text_sanitize(text);
	(void)fflush(stdout);
	(void)fprintf(stderr, "keelctl: %s%s%s%s", ctl->word, ctl->word[0] ? ": " : "", text, end);
}

int ctl_fail(const struct ctl *ctl, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(ctl, "\n", format, args);
	va_end(args);
	return CTL_EXIT_NO;
}

int ctl_usage(const struct ctl *ctl, const char *format, ...)
{
	size_t verb = strcspn(ctl->word, " ");
	va_list args;

	va_start(args, format);
	complain(ctl, "", format, args);
	va_end(args);
	if (verb > 0)
		(void)fprintf(stderr, " (see keelctl help %.*s)\n", (int)verb, ctl->word);
	else
		(void)fputs(" (see keelctl --help)\n", stderr);
	return CTL_EXIT_USAGE;
}

int ctl_unknown_word(const struct ctl *ctl, const char *word)
{
	const struct ctl_verb *verb = ctl_find_verb(ctl->word);
	char words[256] = "";
	size_t len = 0;

	for (const struct ctl_word *known = verb ? verb->words : NULL; known && known->word;
		known++)
		len += (size_t)snprintf(words + len, sizeof(words) - len, "%s%s",
			known == verb->words ? ""
			: known[1].word      ? ", "
					     : " or ",
			known->word);
	return ctl_usage(ctl, "%s: it must be %s", word, words);
}

int ctl_unreachable(const struct ctl *ctl, int error)
{
	const struct address address = ctl_api_address(ctl);
	char text[ADDRESS_TEXT_MAX];

	(void)ctl_fail(ctl, "keel-agent does not answer on %s: %s%s",
		address_format(&address, text, sizeof(text)), strerror(-error),
		address.kind == ADDRESS_UNIX && error == -EACCES ? " (are you root?)"
		: ctl->vm.kind == ADDRESS_NONE && error == -ENOENT
			? " (from the guest's host: --vm ADDRESS)"
			: "");
	return CTL_EXIT_UNREACHABLE;
}

void ctl_print_json(FILE *out, const char *text, size_t len)
{
	bool terminal = isatty(STDOUT_FILENO);

	for (size_t i = 0, size; i < len; i += size ? size : 1) {
		size = terminal && text[i] != '\n' && text[i] != '\t'
			       ? page_control_size(text + i, len - i)
			       : 0;
		(void)fputc(size ? '?' : text[i], out);
	}
	if (len == 0 || text[len - 1] != '\n')
		(void)fputc('\n', out);
}

int ctl_refused(const struct ctl *ctl, int status, const char *body, size_t len)
{
	yyjson_doc *doc = yyjson_read(body, len, YYJSON_READ_NOFLAG);
	const char *detail = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "detail"));

	if (ctl->json)
		ctl_print_json(stdout, body, len);
	if (detail)
		(void)ctl_fail(ctl, "%s", detail);
	else
		(void)ctl_fail(ctl, "the guest answers with status %d", status);
	yyjson_doc_free(doc);
	return CTL_EXIT_NO;
}

int ctl_not_the_api(const struct ctl *ctl)
{
	(void)ctl_fail(ctl, "the answer is not what the keel API says; is it that port?");
	return CTL_EXIT_UNREACHABLE;
}
