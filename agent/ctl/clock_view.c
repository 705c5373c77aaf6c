/* SPDX-License-Identifier: MIT
 *
 * clock_view.c - see clock_view.h. Caller: clock.c. What an older agent does not tell is left out.
 */
#include "agent/ctl/clock_view.h"

#include <string.h>
#include <time.h>

#include "agent/common/facts.h"
#include "agent/ctl/view.h"

#define LABEL "%-12s"

/* The guest's words, which are not to control the host's terminal. Valid until WORDS calls later. */
#define WORDS    8
#define WORD_MAX 128

static const char *word(yyjson_val *object, const char *key)
{
	static char words[WORDS][WORD_MAX];
	static unsigned int next;
	const char *text = yyjson_get_str(yyjson_obj_get(object, key));
	char *clean = words[next++ % WORDS];

	(void)snprintf(clean, WORD_MAX, "%s", text ? text : "");
	text_sanitize(clean);
	return clean;
}

static double number(yyjson_val *object, const char *key)
{
	return yyjson_get_num(yyjson_obj_get(object, key));
}

static double magnitude(double value)
{
	return value < 0 ? -value : value;
}

/* 3600012.3 -> "1 h 0 min", 12.34 -> "12.340 ms"; of an offset, without its sign. */
static const char *span(double ms, char *buffer, size_t size)
{
	if (ms < 1000)
		(void)snprintf(buffer, size, "%.3f ms", ms);
	else if (ms < 60000)
		(void)snprintf(buffer, size, "%.3f s", ms / 1000);
	else
		return view_format_ms(ms, buffer, size);
	return buffer;
}

static void print_ago(FILE *out, yyjson_val *clock, double at_ms)
{
	double ms = number(clock, "boottime_ms") - at_ms;
	char text[64];

	(void)fprintf(out, ", %s ago", view_format_ms(ms > 0 ? ms : 0, text, sizeof(text)));
}

static void print_time(FILE *out, yyjson_val *clock)
{
	uint64_t ms = yyjson_get_uint(yyjson_obj_get(clock, "realtime_ms"));
	time_t seconds = (time_t)(ms / 1000);
	char text[64];
	struct tm parts;

	if (gmtime_r(&seconds, &parts) &&
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &parts) > 0)
		(void)fprintf(out, LABEL "%s.%03u UTC\n", "Clock", text, (unsigned int)(ms % 1000));
	(void)fprintf(out, LABEL "%s\n", "Up",
		view_format_ms(number(clock, "boottime_ms"), text, sizeof(text)));
}

static void print_keeper(FILE *out, yyjson_val *clock)
{
	const char *by = word(clock, "disciplined_by"), *source = word(clock, "source_name");

	if (strcmp(by, "other") == 0)
		by = "another time service";
	(void)fprintf(out, LABEL "%s%s%s", "Kept by", by, source[0] ? ", compared with " : "",
		source);
	if (strcmp(word(clock, "manage"), "auto") != 0)
		(void)fprintf(out, " (clock.manage=%s)", word(clock, "manage"));
	if (yyjson_is_false(yyjson_obj_get(clock, "may_set")))
		(void)fputs(" (keel may not set it here)", out);
	(void)fputc('\n', out);
}

static void print_offset(FILE *out, yyjson_val *clock)
{
	yyjson_val *offset = yyjson_obj_get(clock, "offset");
	double ms = number(offset, "ms");
	char text[64], sure[64];

	if (!yyjson_is_obj(offset)) {
		(void)fprintf(out, LABEL "not known: nothing to compare it with\n", "Offset");
		return;
	}
	(void)fprintf(out, LABEL "%s %s the %s, give or take %s", "Offset",
		span(magnitude(ms), text, sizeof(text)), ms < 0 ? "ahead of" : "behind",
		word(offset, "source"), span(number(offset, "uncertainty_ms"), sure, sizeof(sure)));
	print_ago(out, clock, number(offset, "at_ms"));
	(void)fputc('\n', out);
}

static void print_last(FILE *out, yyjson_val *clock)
{
	yyjson_val *last = yyjson_obj_get(clock, "last");
	double ms = number(last, "offset_ms");
	char text[64];

	if (!yyjson_is_obj(last))
		return;
	(void)fprintf(out, LABEL "%s, it was %s %s the %s", "Last action", word(last, "action"),
		span(magnitude(ms), text, sizeof(text)), ms < 0 ? "ahead of" : "behind",
		word(last, "source"));
	print_ago(out, clock, number(last, "at_ms"));
	(void)fprintf(out, ": %s\n", word(last, "detail"));
}

static void print_sleeps(FILE *out, yyjson_val *clock)
{
	yyjson_val *sleeps = yyjson_obj_get(clock, "sleeps");
	yyjson_val *jumps = yyjson_obj_get(clock, "jumps");
	double count = number(sleeps, "count");
	char text[64];

	if (count > 0) {
		(void)fprintf(out, LABEL "%.0f, %s in all", "Sleeps", count,
			view_format_ms(number(sleeps, "total_ms"), text, sizeof(text)));
		(void)fprintf(out, "; the last: %s for %s", word(sleeps, "last_kind"),
			view_format_ms(number(sleeps, "last_ms"), text, sizeof(text)));
		print_ago(out, clock, number(sleeps, "last_at_ms"));
		(void)fputc('\n', out);
	}
	count = number(jumps, "count");
	if (count > 0) {
		double ms = number(jumps, "last_ms");

		(void)fprintf(out, LABEL "%.0f times by somebody else; the last: %s%s", "Set",
			count, ms < 0 ? "back by " : "forward by ",
			span(magnitude(ms), text, sizeof(text)));
		print_ago(out, clock, number(jumps, "last_at_ms"));
		(void)fputc('\n', out);
	}
}

void clock_view_page(FILE *out, yyjson_val *clock)
{
	print_time(out, clock);
	if (!yyjson_obj_get(clock, "manage"))
		return;
	print_keeper(out, clock);
	print_offset(out, clock);
	print_last(out, clock);
	print_sleeps(out, clock);
}

static void print_measured(FILE *out, const char *label, int64_t offset_us)
{
	char text[64];

	(void)fprintf(out, LABEL "the guest is %s %s the host\n", label,
		span(magnitude((double)offset_us) / 1000, text, sizeof(text)),
		offset_us < 0 ? "behind" : "ahead of");
}

void clock_view_sync(FILE *out, yyjson_val *answer, int64_t before_us, int64_t after_us,
	int64_t rtt_us)
{
	char text[64];

	print_measured(out, "Before", before_us);
	(void)fprintf(out, LABEL "%s: %s\n", "Done", word(answer, "action"),
		word(answer, "detail"));
	print_measured(out, "After", after_us);
	(void)fprintf(out, LABEL "%s, half of it is how sure that is\n", "Round trip",
		span((double)rtt_us / 1000, text, sizeof(text)));
}
