/* SPDX-License-Identifier: MIT
 *
 * status.c - the verbs that show parts of the health document: status, health, services, kernel.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "agent/common/system.h"
#include "agent/ctl/change.h"
#include "agent/ctl/ctl.h"
#include "agent/ctl/guest_network.h"
#include "agent/ctl/screen.h"
#include "agent/ctl/view.h"

/* A greeting comes before the prompt: three questions at most, each this long. */
#define GREETING_MS 250
#define BURST_MS    50 /* of changes */

/* One answer, or why there is none. */
struct look {
	struct http_answer answer;
	int error, agent_error; /* 0, or -errno of the last one asked, of the agent */
};

static void look(const struct ctl *ctl, struct look *look)
{
	unsigned int limit_ms = ctl->brief && !ctl->timeout_s ? GREETING_MS : ctl_timeout_ms(ctl);

	*look = (struct look){0};
	look->error = ctl_ask_health(ctl, limit_ms, &look->answer, &look->agent_error);
}

static int print_page(const struct ctl *ctl, const struct look *look, FILE *out)
{
	struct view_style style = view_get_style(stdout);
	struct view_notes notes = {0};
	char network[GUEST_NETWORK_MAX], agent[64];
	bool here = ctl->vm.kind == ADDRESS_NONE;

	style.brief = ctl->brief;
	if (look->agent_error < 0) {
		(void)snprintf(agent, sizeof(agent), "%s", strerror(-look->agent_error));
		notes.agent = agent;
	}
	if (here) {
		guest_network_describe(network);
		notes.network = network;
	}
	if (look->error < 0) {
		view_print_silence(out, here ? strerror(-look->error) : NULL, &style, &notes);
		return CTL_EXIT_UNREACHABLE;
	}
	return view_print_status(out, look->answer.body, look->answer.body_len, &style, &notes) < 0
		       ? ctl_not_the_api(ctl)
		       : CTL_EXIT_OK;
}

/* Of a guest that does not answer: 0. */
static uint64_t mark_of(const struct look *look)
{
	return look->error < 0 ? 0 : change_mark(look->answer.body, look->answer.body_len);
}

static int draw(const struct ctl *ctl, const struct look *look, struct screen *screen)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	int rc = CTL_EXIT_OK;

	if (!out)
		return CTL_EXIT_NO;
	if (!ctl->json)
		rc = print_page(ctl, look, out);
	else if (look->error == 0)
		ctl_print_json(out, look->answer.body, look->answer.body_len);
	else
		(void)ctl_unreachable(ctl, look->agent_error);
	/* Pages that follow each other have a line between them. */
	if (!screen->terminal && !ctl->json)
		(void)fputc('\n', out);
	(void)fclose(out);
	screen_draw(screen, text, len);
	free(text);
	/* Who watches waits for a guest that is away. */
	return rc == CTL_EXIT_UNREACHABLE && look->error < 0 ? CTL_EXIT_OK : rc;
}

/* Waits for a reason to look again; what comes at once with it is one. False: it is over. */
static bool await_reason(struct screen *screen, struct change *change)
{
	int fd = change_fd(change);
	char key = 0;

	for (;;) {
		switch (screen_wait(screen, fd, change_wait_ms(change), &key)) {
		case SCREEN_END:
			return false;
		case SCREEN_KEY:
			if (key == 'q')
				return false;
			break;
		case SCREEN_READABLE:
			if (screen_wait(screen, -1, BURST_MS, &key) == SCREEN_END)
				return false;
			change_take(change);
			return true;
		case SCREEN_RESIZED:
		case SCREEN_TIMEOUT:
			return true;
		}
	}
}

/* On a terminal the page is drawn at each reason to; elsewhere one is written for each change. */
static int watch(const struct ctl *ctl)
{
	struct screen screen;
	struct change change;
	uint64_t mark = 0;
	bool first = true;
	int rc = screen_open(&screen);

	if (rc < 0)
		return ctl_fail(ctl, "%s", strerror(-rc));
	if (ctl->json)
		screen_plain(&screen);
	change_init(&change, ctl);
	do {
		struct look now;

		/* First the stream, then the look: nothing comes between them unseen. */
		(void)change_fd(&change);
		look(ctl, &now);
		if (first || screen.terminal || mark_of(&now) != mark)
			rc = draw(ctl, &now, &screen);
		mark = mark_of(&now);
		first = false;
		free(now.answer.body);
	} while (rc == CTL_EXIT_OK && !ferror(stdout) && await_reason(&screen, &change));
	change_close(&change);
	screen_close(&screen);
	return rc;
}

int ctl_status(const struct ctl *ctl)
{
	struct http_answer answer = {0};
	struct look now;
	int rc;

	if (ctl->watch)
		return watch(ctl);
	if (ctl->json) {
		rc = ctl_get_health(ctl, &answer);
		if (rc == CTL_EXIT_OK)
			ctl_print_json(stdout, answer.body, answer.body_len);
		free(answer.body);
		return rc;
	}
	look(ctl, &now);
	rc = now.error < 0 && ctl->vm.kind != ADDRESS_NONE ? ctl_unreachable(ctl, now.error)
							   : print_page(ctl, &now, stdout);
	free(now.answer.body);
	return rc;
}

int ctl_health(const struct ctl *ctl)
{
	struct http_answer answer = {0};
	int rc = ctl_get_health(ctl, &answer);

	if (rc == 0) {
		ctl_print_json(stdout, answer.body, answer.body_len);
		rc = answer.status == 200 ? CTL_EXIT_OK : CTL_EXIT_NO;
	}
	free(answer.body);
	return rc;
}

int ctl_services(const struct ctl *ctl)
{
	struct http_answer answer = {0};
	int rc = ctl_get_health(ctl, &answer);

	if (rc == 0 && ctl->json) {
		yyjson_doc *doc = yyjson_read(answer.body, answer.body_len, YYJSON_READ_NOFLAG);
		char *list = yyjson_val_write(yyjson_obj_get(yyjson_doc_get_root(doc), "services"),
			YYJSON_WRITE_NOFLAG, NULL);

		if (list)
			ctl_print_json(stdout, list, strlen(list));
		else
			rc = ctl_not_the_api(ctl);
		free(list);
		yyjson_doc_free(doc);
	} else if (rc == 0 && view_print_services(stdout, answer.body, answer.body_len,
				      view_wants_colour(stdout)) < 0) {
		rc = ctl_not_the_api(ctl);
	}
	free(answer.body);
	return rc;
}

int ctl_kernel(const struct ctl *ctl)
{
	struct http_answer answer = {0};
	yyjson_val *kernel, *check;
	yyjson_doc *doc;
	char *text;
	int rc = ctl_get_health(ctl, &answer);

	if (rc != 0)
		return rc;
	doc = yyjson_read(answer.body, answer.body_len, YYJSON_READ_NOFLAG);
	kernel = yyjson_obj_get(yyjson_doc_get_root(doc), "kernel");
	check = yyjson_obj_get(kernel, "check");
	if (!check || yyjson_is_null(check)) {
		rc = ctl_fail(ctl, "it has not been checked (yet): there is no " SYSTEM_KERNEL_CHECK
				   " in the guest");
	} else {
		text = yyjson_val_write(kernel, YYJSON_WRITE_PRETTY, NULL);
		ctl_print_json(stdout, text ? text : "", text ? strlen(text) : 0);
		free(text);
	}
	yyjson_doc_free(doc);
	free(answer.body);
	return rc;
}
