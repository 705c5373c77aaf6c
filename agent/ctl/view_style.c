/* SPDX-License-Identifier: MIT
 *
 * view_style.c - how the terminal wants it (view.h): colours, width, sizes and times for people.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "agent/ctl/view.h"

#define WIDTH_LEAST 20 /* of a terminal: below that wrapping makes it worse */

static bool colour_always, colour_never;

int view_set_colour(const char *when)
{
	colour_always = strcmp(when, "always") == 0;
	colour_never = strcmp(when, "never") == 0;
	return colour_always || colour_never || strcmp(when, "auto") == 0 ? 0 : -EINVAL;
}

bool view_wants_colour(FILE *out)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

	if (colour_always || colour_never)
		return colour_always;
	return isatty(fileno(out)) && !(no && no[0]) && term && strcmp(term, "dumb") != 0;
}

struct view_style view_get_style(FILE *out)
{
	struct view_style style = {.colour = view_wants_colour(out)};
	struct winsize size;

	if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0)
		style.width = size.ws_col == 0 ? 80 : size.ws_col;
	if (style.width > 0 && style.width < WIDTH_LEAST)
		style.width = WIDTH_LEAST;
	return style;
}

const char *view_format_bytes(uint64_t bytes, char *buffer, size_t size)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double value = (double)bytes;
	size_t i = 0;

	while (value >= 1024 && i < ARRAY_SIZE(units) - 1) {
		value /= 1024;
		i++;
	}
	(void)snprintf(buffer, size, i == 0 ? "%.0f %s" : "%.1f %s", value, units[i]);
	return buffer;
}

const char *view_format_ms(double ms, char *buffer, size_t size)
{
	const double limit = 1e15; /* anything may have been said */
	unsigned long seconds = ms < 0 ? 0 : (unsigned long)((ms < limit ? ms : limit) / 1000);

	if (ms < 10)
		(void)snprintf(buffer, size, "%.1f ms", ms);
	else if (ms < 1000)
		(void)snprintf(buffer, size, "%.0f ms", ms);
	else if (seconds < 60)
		(void)snprintf(buffer, size, "%.1f s", ms / 1000);
	else if (seconds < 3600)
		(void)snprintf(buffer, size, "%lu min %lu s", seconds / 60, seconds % 60);
	else if (seconds < 86400)
		(void)snprintf(buffer, size, "%lu h %lu min", seconds / 3600, seconds / 60 % 60);
	else
		(void)snprintf(buffer, size, "%lu d %lu h", seconds / 86400, seconds / 3600 % 24);
	return buffer;
}

/* The first of these that is set decides (setlocale(3)); musl's own locale cannot be asked. */
bool view_speaks_utf8(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *locale = getenv(names[i]);

		if (locale && locale[0])
			return strcasestr(locale, "utf-8") || strcasestr(locale, "utf8");
	}
	return false;
}
