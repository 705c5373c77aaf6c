/* SPDX-License-Identifier: MIT
 *
 * top.c - keelctl top: memory, pressure, reclaim, disk, services and containers, drawn again every two seconds. All of it is
 * asked of the guest: the API, and Docker for the names of containers.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/ctl/ctl.h"
#include "agent/ctl/screen.h"
#include "agent/ctl/top_view.h"
#include "agent/ctl/view.h"
#include "lib/clock.h"

#define PAUSE_MS     2000
#define WIDTH        80 /* where there is no terminal */
#define WIDTH_MIN    (MEMORY_VIEW_WIDTH_MIN / 2)
#define NAMES_MS     1000
#define NAMES_WAIT_S 10 /* before dockerd is asked again for what it did not know */

struct top {
	const struct ctl *ctl;
	struct container_names names;
	struct top_history history;
	enum top_sort sort;
	uint64_t names_us; /* not asked before */
	yyjson_doc *health, *memory;
};

/* A question to the API: 0 or an exit code, and it has been said why. */
static int ask(const struct ctl *ctl, const char *path, yyjson_doc **doc)
{
	const struct address address = ctl_api_address(ctl);
	struct http_answer answer = {0};
	int rc = http_client_ask(&address, "GET", path, NULL, ctl_timeout_ms(ctl), &answer);

	if (rc < 0)
		rc = ctl_unreachable(ctl, rc);
	else if (answer.status != 200 && !(answer.status == 503 && strcmp(path, "/v1/health") == 0))
		rc = ctl_refused(ctl, answer.status, answer.body, answer.body_len);
	else if (!(*doc = yyjson_read(answer.body, answer.body_len, YYJSON_READ_NOFLAG)))
		rc = ctl_not_the_api(ctl);
	free(answer.body);
	return rc;
}

/* Without dockerd the ids have to do. */
static void ask_names(struct top *top)
{
	const struct address address = ctl_docker_address(top->ctl);
	struct http_answer answer = {0};
	uint64_t now_us = clock_now_us();

	if (now_us < top->names_us ||
		!top_view_lacks_name(&top->names, yyjson_doc_get_root(top->memory)))
		return;
	top->names_us = now_us + NAMES_WAIT_S * USEC_PER_SEC;
	if (http_client_ask(&address, "GET", "/containers/json", NULL, NAMES_MS, &answer) < 0 ||
		answer.status != 200 ||
		container_names_parse(&top->names, answer.body, answer.body_len) < 0)
		top->names.count = 0;
	free(answer.body);
}

static void forget(struct top *top)
{
	yyjson_doc_free(top->health);
	yyjson_doc_free(top->memory);
	top->health = top->memory = NULL;
}

static int look(struct top *top)
{
	int rc = ask(top->ctl, "/v1/health", &top->health);

	if (rc == CTL_EXIT_OK)
		rc = ask(top->ctl, "/v1/memory", &top->memory);
	if (rc != CTL_EXIT_OK)
		return rc;
	top_history_add(&top->history, yyjson_doc_get_root(top->memory));
	ask_names(top);
	return CTL_EXIT_OK;
}

static void print_page(const struct top *top, FILE *out)
{
	const struct view_style style = view_get_style(stdout);
	unsigned int width = style.width ? style.width : WIDTH;
	const struct top_view view = {
		.view = {.out = out,
			.width = width < WIDTH_MIN               ? WIDTH_MIN
				 : width > MEMORY_VIEW_WIDTH_MAX ? MEMORY_VIEW_WIDTH_MAX
								 : width,
			.colour = style.colour,
			.utf8 = view_speaks_utf8()},
		.rows = screen_rows(),
		.sort = top->sort,
		.names = &top->names,
		.history = &top->history,
	};

	top_view_page(&view, yyjson_doc_get_root(top->health), yyjson_doc_get_root(top->memory));
}

static void draw(const struct top *top, struct screen *screen)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return;
	print_page(top, out);
	(void)fclose(out);
	screen_draw(screen, text, len);
	free(text);
}

/* False: it is over. */
static bool press(struct top *top, char key)
{
	switch (key) {
	case 'q':
		return false;
	case 'm':
		top->sort = TOP_SORT_MEMORY;
		return true;
	case 'c':
		top->sort = TOP_SORT_CACHE;
		return true;
	case 'n':
		top->sort = TOP_SORT_NAME;
		return true;
	default:
		return true;
	}
}

/* Draws what was seen, at once after a key, until it is time to look again. False: it is over. */
static bool show(struct top *top, struct screen *screen)
{
	uint64_t end_us = clock_now_us() + PAUSE_MS * USEC_PER_MSEC;

	for (;;) {
		uint64_t now_us = clock_now_us();
		char key = 0;

		draw(top, screen);
		switch (screen_wait(screen, -1,
			now_us < end_us ? (int)((end_us - now_us) / USEC_PER_MSEC) + 1 : 0, &key)) {
		case SCREEN_END:
			return false;
		case SCREEN_KEY:
			if (!press(top, key))
				return false;
			break;
		case SCREEN_RESIZED:
			break;
		case SCREEN_READABLE:
		case SCREEN_TIMEOUT:
			return !ferror(stdout);
		}
	}
}

static int run(struct top *top)
{
	struct screen screen;
	int rc = screen_open(&screen);

	if (rc < 0)
		return ctl_fail(top->ctl, "%s", strerror(-rc));
	while ((rc = look(top)) == CTL_EXIT_OK && screen.terminal && show(top, &screen))
		forget(top);
	if (rc == CTL_EXIT_OK && !screen.terminal)
		print_page(top, stdout);
	forget(top);
	screen_close(&screen);
	return rc;
}

static int print_json(const struct top *top)
{
	_cleanup_free_ char *health = yyjson_write(top->health, YYJSON_WRITE_NOFLAG, NULL);
	_cleanup_free_ char *memory = yyjson_write(top->memory, YYJSON_WRITE_NOFLAG, NULL);
	char *text;
	int len;

	if (!health || !memory)
		return ctl_fail(top->ctl, "%s", strerror(ENOMEM));
	len = asprintf(&text, "{\"health\":%s,\"memory\":%s}\n", health, memory);
	if (len < 0)
		return ctl_fail(top->ctl, "%s", strerror(ENOMEM));
	ctl_print_json(stdout, text, (size_t)len);
	free(text);
	return CTL_EXIT_OK;
}

int ctl_top(const struct ctl *ctl)
{
	static struct top top;
	int rc;

	top.ctl = ctl;
	if (!ctl->once && !ctl->json)
		return run(&top);
	rc = look(&top);
	if (rc == CTL_EXIT_OK && ctl->json)
		rc = print_json(&top);
	else if (rc == CTL_EXIT_OK)
		print_page(&top, stdout);
	forget(&top);
	return rc;
}
