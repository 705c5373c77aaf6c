/* SPDX-License-Identifier: MIT
 *
 * memory_view.c - see memory_view.h. Caller: ctl/memory.c. Names of groups, containers and processes are other people's:
 * control characters never reach the terminal.
 */
#include "agent/ctl/memory_view.h"

#include <inttypes.h>
#include <string.h>

#include "agent/common/facts.h"
#include "agent/ctl/memory_plot.h"
#include "agent/ctl/view.h"

#define TITLE      12 /* columns */
#define CELL       11
#define NAME_MIN   14
#define NAME_LIMIT 40
#define ID_SHOWN   12 /* of a container's id, as Docker does it */

static uint64_t number_of(yyjson_val *object, const char *key)
{
	return yyjson_get_uint(yyjson_obj_get(object, key));
}

/* Milliseconds; JSON has no bounds, what is made of them has. */
static double ms_of(yyjson_val *object, const char *key)
{
	const double limit = 1e15;
	double ms = yyjson_get_num(yyjson_obj_get(object, key));

	if (!(ms > 0))
		return 0;
	return ms < limit ? ms : limit;
}

static const char *bytes_of(yyjson_val *object, const char *key, char *buffer, size_t size)
{
	return view_format_bytes(number_of(object, key), buffer, size);
}

static const char *plural(yyjson_val *object, const char *key)
{
	return number_of(object, key) == 1 ? "" : "s";
}

/* The member as clean text in `buffer`. */
static const char *text_of(yyjson_val *object, const char *key, char *buffer, size_t size)
{
	const char *text = yyjson_get_str(yyjson_obj_get(object, key));

	(void)snprintf(buffer, size, "%s", text ? text : "");
	text_sanitize(buffer);
	return buffer;
}

/* "3 min 2 s ago", as of the look that the document is from. */
static const char *ago(yyjson_val *memory, double at_ms, char *buffer, size_t size)
{
	double now_ms = ms_of(memory, "looked_ms");
	char span[32];

	(void)view_format_ms(now_ms > at_ms ? now_ms - at_ms : 0, span, sizeof(span));
	(void)snprintf(buffer, size, "%s ago", span);
	return buffer;
}

/* ---- the whole VM ----------------------------------------------------------------------------------- */

static void print_sum(const struct memory_view *view, yyjson_val *memory)
{
	uint64_t total = number_of(memory, "total_bytes"), free = number_of(memory, "free_bytes");
	uint64_t cache = number_of(memory, "cache_bytes"), used = 0;
	char a[32], b[32], c[32], d[32];

	if (cache == 0)
		cache = number_of(memory, "cached_bytes");
	if (total > free && total - free > cache)
		used = total - free - cache;
	(void)fprintf(view->out, "Memory      %s: %s in use, %s cache, %s free\n",
		view_format_bytes(total, a, sizeof(a)), view_format_bytes(used, b, sizeof(b)),
		view_format_bytes(cache, c, sizeof(c)), view_format_bytes(free, d, sizeof(d)));
	(void)fprintf(view->out, "%*s", TITLE, "");
	memory_plot_bar(view, view->width - TITLE, total, used, cache);
	if (number_of(memory, "swap_total_bytes") > 0)
		(void)fprintf(view->out, "Swap        %s of %s free\n",
			bytes_of(memory, "swap_free_bytes", a, sizeof(a)),
			bytes_of(memory, "swap_total_bytes", b, sizeof(b)));
}

static void print_free(FILE *out, yyjson_val *memory)
{
	yyjson_val *order = yyjson_obj_get(memory, "reporting_order");
	char a[32], b[32];

	if (yyjson_is_int(order))
		(void)fprintf(out,
			"Free        %s reportable (order %d and up), %s in smaller blocks\n",
			bytes_of(memory, "reportable_bytes", a, sizeof(a)), yyjson_get_int(order),
			bytes_of(memory, "stranded_bytes", b, sizeof(b)));
	if (number_of(memory, "compactions") > 0)
		(void)fprintf(out, "Compaction  %" PRIu64 " time%s, %s became reportable\n",
			number_of(memory, "compactions"), plural(memory, "compactions"),
			bytes_of(memory, "compacted_bytes", a, sizeof(a)));
}

static void print_limits(FILE *out, yyjson_val *memory)
{
	yyjson_val *limits = yyjson_obj_get(memory, "limits");
	char max[32], high[32], reserve[32];

	if (number_of(limits, "containers_max_bytes") == 0)
		return;
	(void)fprintf(out, "Limits      containers %s, slowed from %s; %s for the rest\n",
		bytes_of(limits, "containers_max_bytes", max, sizeof(max)),
		bytes_of(limits, "containers_high_bytes", high, sizeof(high)),
		bytes_of(limits, "reserve_bytes", reserve, sizeof(reserve)));
}

static void print_oom_kills(FILE *out, yyjson_val *memory)
{
	yyjson_val *kills = yyjson_obj_get(memory, "oom_kills");
	yyjson_val *last = yyjson_arr_get_first(yyjson_obj_get(kills, "last"));
	char process[64], container[96], group[128], when[48];

	if (number_of(kills, "count") == 0)
		return;
	(void)fprintf(out, "OOM kills   %" PRIu64, number_of(kills, "count"));
	if (last) {
		bool named = text_of(last, "container", container, sizeof(container))[0] != '\0';

		(void)text_of(last, "group", group, sizeof(group));
		(void)fprintf(out, "; the last: %s (pid %" PRId64 ")%s%s%s, %s",
			text_of(last, "process", process, sizeof(process)),
			yyjson_get_sint(yyjson_obj_get(last, "pid")),
			named      ? " of container "
			: group[0] ? " of "
				   : "",
			named ? container : group,
			yyjson_get_bool(yyjson_obj_get(last, "global"))
				? ", for want of memory in the whole guest"
				: "",
			ago(memory, ms_of(last, "at_ms"), when, sizeof(when)));
	}
	(void)fputc('\n', out);
}

/* ---- reclaim ---------------------------------------------------------------------------------------- */

/* What cannot be done here, of what makes a difference that people can see. Without version 2 of control groups it is not
 * known what its files could do. */
static void print_missing(FILE *out, yyjson_val *memory)
{
	static const struct {
		const char *key, *words;
		bool in_groups; /* a file of theirs */
	} table[] = {
		{"cgroup", "control groups with memory (v2)", false},
		{"reclaim", "memory.reclaim", true},
		{"psi", "pressure (PSI)", true},
		{"compaction", "compaction", false},
		{"reporting", "page reporting", false},
	};
	yyjson_val *abilities = yyjson_obj_get(memory, "abilities");
	const bool groups = yyjson_get_bool(yyjson_obj_get(abilities, "cgroup"));
	const char *between = "Missing     ";
	char mode[32];

	if (strcmp(text_of(memory, "mode", mode, sizeof(mode)), "unknown") == 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (!yyjson_is_false(yyjson_obj_get(abilities, table[i].key)) ||
			(table[i].in_groups && !groups))
			continue;
		(void)fprintf(out, "%s%s", between, table[i].words);
		between = ", ";
	}
	if (between[0] == ',')
		(void)fputc('\n', out);
}

static const char *target_note(const char *mode)
{
	return strcmp(mode, "adaptive") == 0 ? "" : " (kept in mode adaptive only)";
}

static void print_mode(FILE *out, yyjson_val *memory)
{
	yyjson_val *pressure = yyjson_obj_get(memory, "pressure_percent");
	char mode[32], target[32];

	(void)fprintf(out, "Mode        %s", text_of(memory, "mode", mode, sizeof(mode)));
	if (number_of(memory, "target_bytes") > 0)
		(void)fprintf(out, ", target %s%s",
			bytes_of(memory, "target_bytes", target, sizeof(target)),
			target_note(mode));
	if (yyjson_is_int(pressure))
		(void)fprintf(out, ", pressure %d %%", yyjson_get_int(pressure));
	(void)fputc('\n', out);
}

static void print_reclaim(FILE *out, yyjson_val *memory)
{
	yyjson_val *last = yyjson_obj_get(memory, "last");
	char bytes[32], cpu[32], text[256], when[48];

	print_mode(out, memory);
	(void)fprintf(out, "Given back  %s in %" PRIu64 " step%s, which took %s of CPU\n",
		bytes_of(memory, "reclaimed_bytes", bytes, sizeof(bytes)),
		number_of(memory, "steps"), plural(memory, "steps"),
		view_format_ms(ms_of(memory, "cpu_ms"), cpu, sizeof(cpu)));
	if (ms_of(last, "at_ms") > 0)
		(void)fprintf(out, "Last step   %s, %s\n",
			text_of(last, "text", text, sizeof(text)),
			ago(memory, ms_of(last, "at_ms"), when, sizeof(when)));
	if (yyjson_get_bool(yyjson_obj_get(memory, "working")))
		(void)fputs("Now         working\n", out);
	else if (text_of(memory, "waiting", text, sizeof(text))[0])
		(void)fprintf(out, "Now         waiting: %s\n", text);
	else
		(void)fputs("Now         nothing to do\n", out);
}

/* ---- groups ----------------------------------------------------------------------------------------- */

static const struct {
	const char *title, *key;
	unsigned int from_width;
} columns[] = {
	{"TOTAL", "current_bytes", 0},
	{"PROCESSES", "anon_bytes", 60},
	{"TMPFS", "shmem_bytes", 96},
	{"CACHE", "cache_bytes", 0},
	{"COLD", "cold_bytes", 70},
	{"FLOOR", "floor_bytes", 106},
	{"GIVEN BACK", "reclaimed_bytes", 80},
};

/* What the columns leave of the line. */
static int name_width(const struct memory_view *view)
{
	unsigned int left = view->width;

	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		if (view->width >= columns[i].from_width)
			left -= CELL;
	return left < NAME_MIN ? NAME_MIN : left > NAME_LIMIT ? NAME_LIMIT : (int)left;
}

/* "." is what is charged to no slice. "containers/ID" is indented below "containers", and cut as Docker cuts it. */
static void print_name(FILE *out, yyjson_val *group, int width)
{
	static const char parent[] = "containers/";
	char name[128], *id = name;

	(void)text_of(group, "name", name, sizeof(name));
	if (strcmp(name, ".") == 0)
		(void)strcpy(name, "the rest");
	if (strncmp(name, parent, sizeof(parent) - 1) == 0) {
		id += sizeof(parent) - 3;
		id[0] = id[1] = ' ';
		if (strlen(id) == 2 + 64)
			id[2 + ID_SHOWN] = '\0';
	}
	if (strlen(id) >= (size_t)width)
		id[width - 1] = '\0';
	text_sanitize(id);
	(void)fprintf(out, "%-*s", width, id);
}

static void print_groups(const struct memory_view *view, yyjson_val *memory)
{
	yyjson_val *list = yyjson_obj_get(memory, "groups"), *group;
	int width = name_width(view);
	yyjson_arr_iter iter;
	char bytes[32];

	if (yyjson_arr_size(list) == 0)
		return;
	(void)fprintf(view->out, "\n%-*s", width, "GROUP");
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		if (view->width >= columns[i].from_width)
			(void)fprintf(view->out, "%*s", CELL, columns[i].title);
	(void)fputc('\n', view->out);
	yyjson_arr_iter_init(list, &iter);
	while ((group = yyjson_arr_iter_next(&iter))) {
		print_name(view->out, group, width);
		for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
			if (view->width >= columns[i].from_width)
				(void)fprintf(view->out, "%*s", CELL,
					bytes_of(group, columns[i].key, bytes, sizeof(bytes)));
		(void)fputc('\n', view->out);
	}
}

/* ---- what keelctl prints ---------------------------------------------------------------------------- */

void memory_view_page(const struct memory_view *wanted, yyjson_val *memory)
{
	struct memory_view view = *wanted;

	if (view.width < MEMORY_VIEW_WIDTH_MIN)
		view.width = MEMORY_VIEW_WIDTH_MIN;
	if (view.width > MEMORY_VIEW_WIDTH_MAX)
		view.width = MEMORY_VIEW_WIDTH_MAX;
	print_sum(&view, memory);
	print_free(view.out, memory);
	print_limits(view.out, memory);
	print_oom_kills(view.out, memory);
	print_missing(view.out, memory);
	print_reclaim(view.out, memory);
	print_groups(&view, memory);
	memory_plot_history(&view, view.width, number_of(memory, "total_bytes"),
		yyjson_obj_get(memory, "history"));
}

void memory_view_settings(FILE *out, yyjson_val *memory)
{
	char mode[32], target[32];

	(void)fprintf(out, "mode %s, ", text_of(memory, "mode", mode, sizeof(mode)));
	if (number_of(memory, "target_bytes") > 0)
		(void)fprintf(out, "target %s%s\n",
			bytes_of(memory, "target_bytes", target, sizeof(target)),
			target_note(mode));
	else
		(void)fputs("no target\n", out);
}

void memory_view_answer(FILE *out, yyjson_val *answer)
{
	char bytes[32], took[32], before[32], after[32], detail[256];

	(void)fprintf(out, "%s given back in %s; free before %s, now %s",
		bytes_of(answer, "reclaimed_bytes", bytes, sizeof(bytes)),
		view_format_ms(ms_of(answer, "took_ms"), took, sizeof(took)),
		bytes_of(answer, "free_before_bytes", before, sizeof(before)),
		bytes_of(answer, "free_after_bytes", after, sizeof(after)));
	if (text_of(answer, "detail", detail, sizeof(detail))[0])
		(void)fprintf(out, ": %s", detail);
	(void)fputc('\n', out);
}
