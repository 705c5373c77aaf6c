/* SPDX-License-Identifier: MIT
 *
 * memory_plot.c - see memory_plot.h. Callers: memory_view.c.
 *
 * A character cell has eight levels where block characters may be used. Where a cell is in use below and cache above, the
 * colour of the ground is the cache's; without colours the larger part has the cell.
 */
#include "agent/ctl/memory_plot.h"

#include <assert.h>
#include <inttypes.h>

#include "agent/ctl/view.h"

#define ROWS   8
#define LEVELS 8 /* of a cell */
#define AXIS   12

enum paint { PAINT_NONE, PAINT_USED, PAINT_CACHE, PAINT_BOTH };

struct cell {
	const char *glyph;
	enum paint paint;
};

struct column {
	bool known;
	uint64_t used, cache; /* used: without the cache */
};

/* ---- cells ------------------------------------------------------------------------------------------ */

static const char *block(unsigned int level)
{
	static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

	static_assert(ARRAY_SIZE(blocks) == LEVELS + 1, "a character for each level");
	return blocks[level];
}

/* `used` and `all`, used and cache together: levels of this cell. */
static struct cell plain_cell(const struct memory_view *view, unsigned int used, unsigned int all)
{
	if (view->utf8 && used == all)
		return (struct cell){block(used), PAINT_USED};
	if (used >= LEVELS / 2)
		return (struct cell){view->utf8 ? block(LEVELS) : "#", PAINT_USED};
	if (all >= LEVELS / 2)
		return (struct cell){view->utf8 ? "░" : ":", PAINT_CACHE};
	return (struct cell){" ", PAINT_NONE};
}

static struct cell pick_cell(const struct memory_view *view, unsigned int used, unsigned int all)
{
	if (!view->utf8 || !view->colour)
		return plain_cell(view, used, all);
	if (used == 0)
		return (struct cell){block(all), PAINT_CACHE};
	if (all == LEVELS)
		return (struct cell){block(used), used == LEVELS ? PAINT_USED : PAINT_BOTH};
	return (struct cell){block(all), used * 2 >= all ? PAINT_USED : PAINT_CACHE};
}

/* Colours are named when they change. */
static void put_cell(const struct memory_view *view, struct cell cell, enum paint *paint)
{
	static const char *const escapes[] = {
		[PAINT_NONE] = "\033[0m",
		[PAINT_USED] = "\033[0;36m",
		[PAINT_CACHE] = "\033[0;34m",
		[PAINT_BOTH] = "\033[0;36;44m",
	};

	if (view->colour && cell.paint != *paint)
		(void)fputs(escapes[cell.paint], view->out);
	*paint = cell.paint;
	(void)fputs(cell.glyph, view->out);
}

static void end_line(const struct memory_view *view, enum paint *paint)
{
	put_cell(view, (struct cell){"", PAINT_NONE}, paint);
	(void)fputc('\n', view->out);
}

/* The part of `levels` that `value` is of `total`, rounded. */
static unsigned int scale(uint64_t value, uint64_t total, unsigned int levels)
{
	double part = total > 0 ? (double)value / (double)total : 0;

	return part >= 1 ? levels : (unsigned int)(part * levels + 0.5);
}

/* ---- the bar ---------------------------------------------------------------------------------------- */

void memory_plot_bar(const struct memory_view *view, unsigned int width, uint64_t total,
	uint64_t used, uint64_t cache)
{
	unsigned int inside = width - 2, end = scale(used, total, inside);
	unsigned int all = end + scale(cache, total, inside);
	enum paint paint = PAINT_NONE;

	(void)fputc('[', view->out);
	for (unsigned int i = 0; i < inside; i++)
		put_cell(view, pick_cell(view, i < end ? LEVELS : 0, i < all ? LEVELS : 0), &paint);
	put_cell(view, (struct cell){"]", PAINT_NONE}, &paint);
	end_line(view, &paint);
}

/* ---- the plot --------------------------------------------------------------------------------------- */

static uint64_t at_of(yyjson_val *sample)
{
	return yyjson_get_uint(yyjson_arr_get(sample, 0));
}

/* The highest of the samples that fall into the column. */
static void take_sample(struct column *column, yyjson_val *sample)
{
	uint64_t all = yyjson_get_uint(yyjson_arr_get(sample, 1));
	uint64_t cache = yyjson_get_uint(yyjson_arr_get(sample, 2));

	if (cache > all)
		cache = all;
	if (column->known && all < column->used + column->cache)
		return;
	*column = (struct column){.known = true, .used = all - cache, .cache = cache};
}

static void fill_columns(struct column *columns, unsigned int count, yyjson_val *history)
{
	uint64_t first = at_of(yyjson_arr_get_first(history));
	uint64_t span = at_of(yyjson_arr_get_last(history)) - first;
	yyjson_arr_iter iter;
	yyjson_val *sample;

	yyjson_arr_iter_init(history, &iter);
	while ((sample = yyjson_arr_iter_next(&iter))) {
		uint64_t at = at_of(sample);

		if (at >= first && at - first <= span)
			take_sample(&columns[scale(at - first, span, count - 1)], sample);
	}
	/* What was is so until something else is known. */
	for (unsigned int i = 1; i < count; i++)
		if (!columns[i].known)
			columns[i] = columns[i - 1];
}

static unsigned int within_row(unsigned int level, unsigned int row)
{
	unsigned int below = row * LEVELS;

	if (level <= below)
		return 0;
	return level - below < LEVELS ? level - below : LEVELS;
}

static void put_row(const struct memory_view *view, const struct column *columns,
	unsigned int count, uint64_t total, unsigned int row)
{
	enum paint paint = PAINT_NONE;
	char label[32] = "";

	if (row == ROWS - 1)
		(void)view_format_bytes(total, label, sizeof(label));
	(void)fprintf(view->out, "%*s %s", AXIS - 2, label, view->utf8 ? "│" : "|");
	for (unsigned int i = 0; i < count; i++) {
		uint64_t sum = columns[i].used + columns[i].cache;
		unsigned int used = scale(columns[i].used, total, ROWS * LEVELS);
		unsigned int all = scale(sum, total, ROWS * LEVELS);

		put_cell(view, pick_cell(view, within_row(used, row), within_row(all, row)),
			&paint);
	}
	end_line(view, &paint);
}

/* The total, halved as long as all of it fits: steady from page to page, and not a line at the bottom. */
static uint64_t find_top(const struct column *columns, unsigned int count, uint64_t total)
{
	uint64_t highest = 1;

	for (unsigned int i = 0; i < count; i++)
		if (columns[i].used + columns[i].cache > highest)
			highest = columns[i].used + columns[i].cache;
	while (total / 2 >= highest)
		total /= 2;
	return total;
}

void memory_plot_history(const struct memory_view *view, unsigned int width, uint64_t total,
	yyjson_val *history)
{
	struct column columns[MEMORY_VIEW_WIDTH_MAX] = {0};
	unsigned int count = width - AXIS;
	uint64_t first = at_of(yyjson_arr_get_first(history));
	uint64_t last = at_of(yyjson_arr_get_last(history));
	char span[32];

	if (yyjson_arr_size(history) < 2 || last <= first || total == 0)
		return;
	fill_columns(columns, count, history);
	total = find_top(columns, count, total);
	(void)fprintf(view->out, "\nThe last %s (%s in use, %s cache)\n",
		view_format_ms((double)(last - first), span, sizeof(span)), view->utf8 ? "█" : "#",
		view->utf8 ? (view->colour ? "\033[34m█\033[0m" : "░") : ":");
	for (unsigned int row = ROWS; row-- > 0;)
		put_row(view, columns, count, total, row);
	(void)fprintf(view->out, "%*s %s", AXIS - 2, "0", view->utf8 ? "└" : "+");
	for (unsigned int i = 0; i < count; i++)
		(void)fputs(view->utf8 ? "─" : "-", view->out);
	(void)fputc('\n', view->out);
}
