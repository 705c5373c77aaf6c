/* SPDX-License-Identifier: MIT
 *
 * event_view.c - see event_view.h. Caller: ctl/events.c. Names and texts are other people's: control characters never reach
 * the terminal.
 */
#include "agent/ctl/event_view.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <yyjson.h>

#include "agent/common/facts.h"
#include "agent/ctl/view.h"

#define ID_SHOWN 12 /* of a container's id, as Docker does it */

struct line {
	char *text;
	size_t len;
	yyjson_val *event;
};

PRINTF(2, 3)
static void put(struct line *line, const char *format, ...)
{
	size_t size = EVENT_VIEW_MAX - line->len;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line->text + line->len, size, format, args);
	va_end(args);
	if (n > 0)
		line->len += (size_t)n < size ? (size_t)n : size - 1;
}

static const char *text_of(const struct line *line, const char *key)
{
	const char *text = yyjson_get_str(yyjson_obj_get(line->event, key));

	return text ? text : "";
}

static double number_of(const struct line *line, const char *key)
{
	const double limit = 1e15;
	double number = yyjson_get_num(yyjson_obj_get(line->event, key));

	return number > 0 ? (number < limit ? number : limit) : 0;
}

static bool is_true(const struct line *line, const char *key)
{
	return yyjson_is_true(yyjson_obj_get(line->event, key));
}

static void put_was(struct line *line)
{
	if (text_of(line, "was")[0])
		put(line, " (was %s)", text_of(line, "was"));
}

static void put_reason(struct line *line)
{
	if (text_of(line, "reason")[0])
		put(line, ": %s", text_of(line, "reason"));
}

static void put_status(struct line *line)
{
	put(line, "%s", text_of(line, "status"));
	put_was(line);
	if (strcmp(text_of(line, "status"), "degraded") == 0)
		put(line, ", the engine can%s be used", is_true(line, "ready") ? "" : "not");
	put_reason(line);
}

static void put_service(struct line *line)
{
	put(line, "%s: %s", text_of(line, "name"), text_of(line, "state"));
	put_was(line);
	if (yyjson_obj_get(line->event, "exit_signal"))
		put(line, ", last ended by signal %.0f", number_of(line, "exit_signal"));
	else if (yyjson_obj_get(line->event, "exit_code"))
		put(line, ", last ended with %.0f", number_of(line, "exit_code"));
	if (number_of(line, "restarts") > 0)
		put(line, ", %.0f restart%s", number_of(line, "restarts"),
			number_of(line, "restarts") == 1 ? "" : "s");
	put_reason(line);
}

static void put_stage(struct line *line)
{
	char text[32];

	put(line, "%s: %s", text_of(line, "name"), text_of(line, "state"));
	if (yyjson_obj_get(line->event, "ms"))
		put(line, " after %s", view_format_ms(number_of(line, "ms"), text, sizeof(text)));
	put_reason(line);
}

static void put_engine(struct line *line)
{
	put(line, "%s: %s", text_of(line, "name"), text_of(line, "state"));
	put_was(line);
	put_reason(line);
}

/* "state: mounted (was checking)", "size: 8.0 GiB (was 4.0 GiB)", "errors: 3 (was 0)" */
static void put_change(struct line *line)
{
	const char *what = text_of(line, "what");
	yyjson_val *value = yyjson_obj_get(line->event, "value");
	yyjson_val *was = yyjson_obj_get(line->event, "was");
	bool count = strcmp(what, "errors") == 0;
	char now[32], before[32];

	if (yyjson_is_num(value) && count)
		put(line, "%s: %.0f", what, number_of(line, "value"));
	else if (yyjson_is_num(value))
		put(line, "%s: %s", what,
			view_format_bytes((uint64_t)number_of(line, "value"), now, sizeof(now)));
	else
		put(line, "%s: %s", what,
			text_of(line, "value")[0] ? text_of(line, "value") : "none");
	if (yyjson_is_num(was) && !count)
		put(line, " (was %s)",
			view_format_bytes((uint64_t)number_of(line, "was"), before,
				sizeof(before)));
	put_was(line);
	if (yyjson_obj_get(line->event, "ms"))
		put(line, " after %s", view_format_ms(number_of(line, "ms"), now, sizeof(now)));
	put_reason(line);
}

static void put_left_out(struct line *line)
{
	if (number_of(line, "left_out") > 0)
		put(line, " (%.0f more left out)", number_of(line, "left_out"));
}

static void put_oom(struct line *line)
{
	const char *process = text_of(line, "process"), *group = text_of(line, "group");

	if (!yyjson_obj_get(line->event, "pid")) {
		put(line, "the kernel killed %.0f more", number_of(line, "left_out"));
		return;
	}
	put(line, "the kernel killed %s (%.0f)", process[0] ? process : "a process",
		number_of(line, "pid"));
	if (text_of(line, "container")[0])
		put(line, " in the container %s", text_of(line, "container"));
	else if (text_of(line, "container_id")[0])
		put(line, " in the container %.*s", ID_SHOWN, text_of(line, "container_id"));
	else if (group[0])
		put(line, " in %s", group);
	if (is_true(line, "global"))
		put(line, ": the guest was out of memory");
	put_left_out(line);
}

static void put_kernel(struct line *line)
{
	if (text_of(line, "level")[0])
		put(line, "%s: %s", text_of(line, "level"), text_of(line, "text"));
	else
		put(line, "more was said");
	put_left_out(line);
	if (number_of(line, "overwritten") > 0)
		put(line, " (%.0f lines were lost before they were read)",
			number_of(line, "overwritten"));
}

static void put_lost(struct line *line)
{
	put(line, "%.0f event%s missed", number_of(line, "count"),
		number_of(line, "count") == 1 ? " was" : "s were");
}

static void put_reset(struct line *line)
{
	put(line, "the agent began anew: what was before its start is not known");
}

/* "stepped: it was 1 h 0 min behind (ptp, large)", "slept for 2 min 3 s", "set by somebody else: back by 3.0 s" */
static void put_clock(struct line *line)
{
	double by = yyjson_get_num(yyjson_obj_get(line->event, "by_ms"));
	double offset = yyjson_get_num(yyjson_obj_get(line->event, "offset_ms"));
	char text[32];

	put(line, "%s", text_of(line, "what"));
	if (yyjson_obj_get(line->event, "for_ms"))
		put(line, " for %s", view_format_ms(number_of(line, "for_ms"), text, sizeof(text)));
	if (yyjson_obj_get(line->event, "by_ms"))
		put(line, " by somebody else: %s by %s", by < 0 ? "back" : "forward",
			view_format_ms(by < 0 ? -by : by, text, sizeof(text)));
	if (yyjson_obj_get(line->event, "offset_ms"))
		put(line, ": it was %s %s (%s, %s)",
			view_format_ms(offset < 0 ? -offset : offset, text, sizeof(text)),
			offset < 0 ? "ahead" : "behind", text_of(line, "source"),
			text_of(line, "reason"));
}

/* What later keels tell of: as it is. */
static void put_members(struct line *line)
{
	yyjson_obj_iter iter = yyjson_obj_iter_with(line->event);
	const char *between = "";
	yyjson_val *key;

	while ((key = yyjson_obj_iter_next(&iter))) {
		yyjson_val *value = yyjson_obj_iter_get_val(key);

		if (yyjson_equals_str(key, "at_ms") || yyjson_equals_str(key, "realtime_ms"))
			continue;
		if (yyjson_is_str(value))
			put(line, "%s%s=%s", between, yyjson_get_str(key), yyjson_get_str(value));
		else if (yyjson_is_bool(value))
			put(line, "%s%s=%s", between, yyjson_get_str(key),
				yyjson_get_bool(value) ? "yes" : "no");
		else if (yyjson_is_num(value))
			put(line, "%s%s=%.15g", between, yyjson_get_str(key),
				yyjson_get_num(value));
		else
			continue;
		between = ", ";
	}
}

static const struct {
	const char *kind;
	void (*fn)(struct line *line);
} views[] = {
	{"status", put_status},
	{"service", put_service},
	{"stage", put_stage},
	{"engine", put_engine},
	{"disk", put_change},
	{"memory", put_change},
	{"oom", put_oom},
	{"clock", put_clock},
	{"kernel", put_kernel},
	{"lost", put_lost},
	{"reset", put_reset},
};

static void put_time(struct line *line)
{
	uint64_t ms = (uint64_t)number_of(line, "realtime_ms");
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm = {0};

	(void)localtime_r(&seconds, &tm);
	put(line, "%02d:%02d:%02d.%03u", tm.tm_hour, tm.tm_min, tm.tm_sec,
		(unsigned int)(ms % 1000));
}

int event_view_line(const char *kind, const char *json, size_t len, char text[EVENT_VIEW_MAX])
{
	static _Alignas(16) char pool[256 * 1024];
	struct line line = {.text = text};
	yyjson_alc alc;
	yyjson_doc *doc = NULL;
	size_t i = 0;

	/* The reader takes a non-const text only for its in-situ mode, which is not asked for. */
	if (yyjson_alc_pool_init(&alc, pool, sizeof(pool)))
		doc = yyjson_read_opts((char *)(uintptr_t)json, len, YYJSON_READ_NOFLAG, &alc,
			NULL);
	line.event = yyjson_doc_get_root(doc);
	if (!yyjson_is_obj(line.event))
		return -EINVAL;
	put_time(&line);
	put(&line, " %-8s", kind);
	while (i < ARRAY_SIZE(views) && strcmp(views[i].kind, kind) != 0)
		i++;
	put(&line, " ");
	if (i < ARRAY_SIZE(views))
		views[i].fn(&line);
	else
		put_members(&line);
	text_sanitize(text);
	return 0;
}
