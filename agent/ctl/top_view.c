/* SPDX-License-Identifier: MIT
 *
 * top_view.c - see top_view.h. Caller: top.c. What does not fit the width is left out, what does not fit the rows is at the end.
 */
#include "agent/ctl/top_view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ctl/memory_plot.h"
#include "agent/ctl/page.h"

#define CELL          11
#define NAME_MIN      10
#define NAME_LIMIT    40
#define BAR           12 /* of a container */
#define BAR_FROM      80 /* columns of the terminal */
#define PLOT_FROM     30 /* rows: the rest needs about 18 */
#define CONTAINERS    64
#define ID_SHOWN      12
#define PRESSURE_HIGH 100 /* of 1000: worth a colour */

static const char parent[] = "containers/";
static const char *const resources[] = {"cpu", "memory", "io"};

static uint64_t number_of(yyjson_val *object, const char *key)
{
	return yyjson_get_uint(yyjson_obj_get(object, key));
}

static const char *text_of(yyjson_val *object, const char *key)
{
	const char *text = yyjson_get_str(yyjson_obj_get(object, key));

	return text ? text : "";
}

static const char *bytes_of(yyjson_val *object, const char *key, char *buffer, size_t size)
{
	return view_format_bytes(number_of(object, key), buffer, size);
}

/* ---- the guest ------------------------------------------------------------------------------------ */

static void print_head(struct page *page, yyjson_val *health)
{
	double up_ms = yyjson_get_num(yyjson_obj_get(health, "uptime_ms")) -
		       yyjson_get_num(yyjson_obj_get(health, "init_ms"));
	char up[32];

	page_put_format(page, 2, "keel %s is ", text_of(health, "version"));
	page_put_state(page, text_of(health, "status"));
	page_put_format(page, 2, "  (up %s)",
		view_format_ms(up_ms < 1e15 ? up_ms : 0, up, sizeof(up)));
	if (text_of(health, "reason")[0])
		page_put_format(page, 2, ": %s", text_of(health, "reason"));
	page_put_newline(page);
}

static void print_memory(struct page *page, const struct memory_view *view, yyjson_val *memory)
{
	uint64_t total = number_of(memory, "total_bytes"), free = number_of(memory, "free_bytes");
	uint64_t cache = number_of(memory, "cache_bytes"), used = 0;
	char a[32], b[32], c[32];

	if (total > free && total - free > cache)
		used = total - free - cache;
	page_put_label(page, "Memory");
	page_put_format(page, PAGE_LABEL, "%s of %s in use, %s cache",
		view_format_bytes(used, a, sizeof(a)), view_format_bytes(total, b, sizeof(b)),
		view_format_bytes(cache, c, sizeof(c)));
	if (number_of(memory, "swap_total_bytes") > 0)
		page_put_format(page, PAGE_LABEL, ", swap %s of %s free",
			bytes_of(memory, "swap_free_bytes", a, sizeof(a)),
			bytes_of(memory, "swap_total_bytes", b, sizeof(b)));
	page_put_newline(page);
	page_put_indent(page, PAGE_LABEL);
	memory_plot_bar(view, view->width - PAGE_LABEL, total, used, cache);
	page->column = 0;
}

static void print_reclaim(struct page *page, yyjson_val *memory)
{
	char given[32], target[32];

	page_put_label(page, "Reclaim");
	page_put_format(page, PAGE_LABEL, "%s, %s given back", text_of(memory, "mode"),
		bytes_of(memory, "reclaimed_bytes", given, sizeof(given)));
	if (number_of(memory, "target_bytes") > 0)
		page_put_format(page, PAGE_LABEL, ", target %s",
			bytes_of(memory, "target_bytes", target, sizeof(target)));
	if (yyjson_get_bool(yyjson_obj_get(memory, "working")))
		page_put_text(page, PAGE_LABEL, "; working");
	else if (text_of(memory, "waiting")[0])
		page_put_format(page, PAGE_LABEL, "; waiting: %s", text_of(memory, "waiting"));
	page_put_newline(page);
}

static void print_disk(struct page *page, const struct memory_view *view, yyjson_val *disk)
{
	uint64_t used = number_of(disk, "used_bytes"), free = number_of(disk, "free_bytes");
	char a[32], b[32];

	page_put_label(page, "Data disk");
	page_put_state(page, text_of(disk, "state"));
	if (used + free > 0)
		page_put_format(page, PAGE_LABEL, ", %s of %s free",
			view_format_bytes(free, a, sizeof(a)),
			view_format_bytes(used + free, b, sizeof(b)));
	if (text_of(disk, "forecast")[0])
		page_put_format(page, PAGE_LABEL, " (%s)", text_of(disk, "forecast"));
	page_put_newline(page);
	if (used + free == 0)
		return;
	page_put_indent(page, PAGE_LABEL);
	memory_plot_bar(view, view->width - PAGE_LABEL, used + free, used, 0);
	page->column = 0;
}

/* How many are up, and the others by name. */
static void print_services(struct page *page, yyjson_val *health)
{
	yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(health, "services"));
	unsigned int up = 0;
	yyjson_val *service;

	while ((service = yyjson_arr_iter_next(&iter)))
		up += strcmp(text_of(service, "state"), "active") == 0;
	page_put_label(page, "Services");
	page_put_format(page, PAGE_LABEL, "%u up", up);
	iter = yyjson_arr_iter_with(yyjson_obj_get(health, "services"));
	while ((service = yyjson_arr_iter_next(&iter))) {
		const char *state = text_of(service, "state");

		if (strcmp(state, "active") == 0 ||
			!yyjson_get_bool(yyjson_obj_get(service, "wanted")))
			continue;
		page_put_format(page, PAGE_LABEL, ", %s ", text_of(service, "name"));
		page_put_state(page, state);
	}
	page_put_newline(page);
}

/* ---- pressure ------------------------------------------------------------------------------------- */

void top_history_add(struct top_history *history, yyjson_val *memory)
{
	yyjson_val *pressure = yyjson_obj_get(memory, "pressure");

	if (history->count == TOP_SAMPLES) {
		memmove(history->pressure[0], history->pressure[1],
			sizeof(history->pressure) - sizeof(history->pressure[0]));
		history->count--;
	}
	for (size_t i = 0; i < ARRAY_SIZE(resources); i++) {
		yyjson_val *some =
			yyjson_obj_get(yyjson_obj_get(pressure, resources[i]), "some_percent");
		double percent = yyjson_get_num(some);

		history->pressure[history->count][i] = !yyjson_is_num(some) || !(percent >= 0) ? -1
						       : percent < 100 ? (int)(percent * 10 + 0.5)
								       : 1000;
	}
	history->count++;
}

/* Low pressure matters: the height is that of the square root. */
static const char *spark(const struct memory_view *view, int permille)
{
	static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	static const char *const ascii[] = {" ", ".", ".", ":", ":", "+", "+", "#", "#"};
	int level = 0;

	while (level < 8 && permille * 64 > level * level * 1000)
		level++;
	return view->utf8 ? blocks[level] : ascii[level];
}

static void print_pressure(struct page *page, const struct top_view *top)
{
	const struct top_history *history = top->history;
	unsigned int room =
		top->view.width > PAGE_LABEL + 20 ? top->view.width - PAGE_LABEL - 20 : 0;

	for (size_t i = 0; i < ARRAY_SIZE(resources); i++) {
		int now = history->count > 0 ? history->pressure[history->count - 1][i] : -1;
		bool high = page->style.colour && now >= PRESSURE_HIGH;
		unsigned int first = history->count > room ? history->count - room : 0;

		page_put_label(page, i == 0 ? "Pressure" : "");
		(void)fprintf(page->out, "%-6s ", resources[i]);
		if (now < 0) {
			(void)fputs("not known\n", page->out);
			continue;
		}
		(void)fprintf(page->out, "%s%5.1f %%%s  ", high ? "\033[33m" : "", now / 10.0,
			high ? "\033[0m" : "");
		for (unsigned int k = first; k < history->count; k++)
			(void)fputs(spark(&top->view, history->pressure[k][i]), page->out);
		(void)fputc('\n', page->out);
	}
	page->column = 0;
}

/* ---- containers ----------------------------------------------------------------------------------- */

struct container {
	char name[64];
	uint64_t memory, cache, cold;
};

static bool is_container(yyjson_val *group, const char **id)
{
	const char *name = text_of(group, "name");

	*id = name + sizeof(parent) - 1;
	return strncmp(name, parent, sizeof(parent) - 1) == 0;
}

/* Docker's name, or the id as Docker cuts it. */
static void name_container(const struct container_names *names, const char *id, char *name,
	size_t size)
{
	const char *known = container_names_find(names, id);

	(void)snprintf(name, size, "%.*s", known ? (int)size - 1 : ID_SHOWN, known ? known : id);
}

static int compare_memory(const void *a, const void *b)
{
	const struct container *left = a, *right = b;

	return (left->memory < right->memory) - (left->memory > right->memory);
}

static int compare_cache(const void *a, const void *b)
{
	const struct container *left = a, *right = b;

	return (left->cache < right->cache) - (left->cache > right->cache);
}

static int compare_name(const void *a, const void *b)
{
	return strcmp(((const struct container *)a)->name, ((const struct container *)b)->name);
}

static size_t take_containers(const struct top_view *top, yyjson_val *memory,
	struct container *list)
{
	static int (*const compare[])(const void *, const void *) = {
		[TOP_SORT_MEMORY] = compare_memory,
		[TOP_SORT_CACHE] = compare_cache,
		[TOP_SORT_NAME] = compare_name};
	yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(memory, "groups"));
	yyjson_val *group;
	size_t count = 0;
	const char *id;

	while (count < CONTAINERS && (group = yyjson_arr_iter_next(&iter))) {
		if (!is_container(group, &id))
			continue;
		name_container(top->names, id, list[count].name, sizeof(list[count].name));
		list[count].memory = number_of(group, "current_bytes");
		list[count].cache = number_of(group, "cache_bytes");
		list[count].cold = number_of(group, "cold_bytes");
		count++;
	}
	if (count > 0)
		qsort(list, count, sizeof(list[0]), compare[top->sort]);
	return count;
}

bool top_view_lacks_name(const struct container_names *names, yyjson_val *memory)
{
	yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(memory, "groups"));
	yyjson_val *group;
	const char *id;

	while ((group = yyjson_arr_iter_next(&iter)))
		if (is_container(group, &id) && !container_names_find(names, id))
			return true;
	return false;
}

static void put_bytes(FILE *out, uint64_t bytes)
{
	char text[32];

	(void)fprintf(out, "%*s", CELL, view_format_bytes(bytes, text, sizeof(text)));
}

static void print_containers(struct page *page, const struct top_view *top, yyjson_val *memory)
{
	static const char *const by[] = {
		[TOP_SORT_MEMORY] = "memory", [TOP_SORT_CACHE] = "cache", [TOP_SORT_NAME] = "name"};
	struct container list[CONTAINERS];
	size_t count = take_containers(top, memory, list);
	unsigned int columns = top->view.width >= 60 ? 3 : top->view.width >= 40 ? 2 : 1;
	bool bar = top->view.width >= BAR_FROM;
	unsigned int taken = columns * CELL + (bar ? BAR + 2 : 0);
	unsigned int width =
		top->view.width > taken + NAME_MIN ? top->view.width - taken : NAME_MIN;

	if (width > NAME_LIMIT)
		width = NAME_LIMIT;
	if (count == 0)
		return;
	page_put_newline(page);
	(void)fprintf(page->out, "%-*.*s%*s", (int)width, (int)width, "CONTAINER", CELL, "MEMORY");
	if (columns > 1)
		(void)fprintf(page->out, "%*s", CELL, "CACHE");
	if (columns > 2)
		(void)fprintf(page->out, "%*s", CELL, "COLD");
	(void)fprintf(page->out, "%s%s\n", bar ? "  by " : "", bar ? by[top->sort] : "");
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(list[i].name);

		page_put_clean(page, list[i].name, len < width - 1 ? len : width - 1);
		(void)fprintf(page->out, "%*s", len < width - 1 ? (int)(width - len) : 1, "");
		put_bytes(page->out, list[i].memory);
		if (columns > 1)
			put_bytes(page->out, list[i].cache);
		if (columns > 2)
			put_bytes(page->out, list[i].cold);
		if (bar) {
			(void)fputs("  ", page->out);
			memory_plot_bar(&top->view, BAR, number_of(memory, "total_bytes"),
				list[i].memory - (list[i].cache < list[i].memory ? list[i].cache
										 : list[i].memory),
				list[i].cache);
		} else {
			page_put_newline(page);
		}
	}
}

void top_view_page(const struct top_view *top, yyjson_val *health, yyjson_val *memory)
{
	struct page page = {.out = top->view.out,
		.reason = "",
		.style = {.colour = top->view.colour, .width = top->view.width}};

	print_head(&page, health);
	page_put_newline(&page);
	print_memory(&page, &top->view, memory);
	print_pressure(&page, top);
	print_reclaim(&page, memory);
	print_disk(&page, &top->view, yyjson_obj_get(health, "disk"));
	print_services(&page, health);
	if (top->rows >= PLOT_FROM && top->view.width >= MEMORY_VIEW_WIDTH_MIN)
		memory_plot_history(&top->view, top->view.width, number_of(memory, "total_bytes"),
			yyjson_obj_get(memory, "history"));
	print_containers(&page, top, memory);
}
