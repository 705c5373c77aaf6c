/* SPDX-License-Identifier: MIT
 *
 * memory.c - keelctl memory [VERB]: shows the guest's memory, asks for some of it, sets mode and target until the agent's
 * next start.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ctl/bytes.h"
#include "agent/ctl/ctl.h"
#include "agent/ctl/http_client.h"
#include "agent/ctl/memory_view.h"
#include "agent/ctl/screen.h"
#include "agent/ctl/view.h"
#include "lib/memory_mode.h"

#define WATCH_MS      2000
#define RECLAIM_S     10
#define RECLAIM_S_MAX 600
#define WIDTH         80 /* where there is no terminal to ask */

/* ---- questions -------------------------------------------------------------------------------------- */

/* 0 and the answer, to be freed; else an exit code, and it has been said why. With --json the body has been printed. */
static int ask(const struct ctl *ctl, const char *path, const char *body, unsigned int seconds,
	yyjson_doc **doc)
{
	const struct address address = ctl_api_address(ctl);
	struct http_answer answer = {0};
	int rc = http_client_ask(&address, body ? "POST" : "GET", path, body, seconds * 1000,
		&answer);

	if (rc < 0) {
		free(answer.body);
		return ctl_unreachable(ctl, rc);
	}
	if (answer.status != 200) {
		rc = ctl_refused(ctl, answer.status, answer.body, answer.body_len);
		free(answer.body);
		return rc;
	}
	*doc = yyjson_read(answer.body, answer.body_len, YYJSON_READ_NOFLAG);
	if (*doc && ctl->json)
		ctl_print_json(stdout, answer.body, answer.body_len);
	free(answer.body);
	if (*doc)
		return CTL_EXIT_OK;
	return ctl_not_the_api(ctl);
}

/* ---- status ----------------------------------------------------------------------------------------- */

static void print_page(FILE *out, yyjson_doc *doc)
{
	const struct view_style style = view_get_style(stdout);
	const struct memory_view view = {.out = out,
		.width = style.width ? style.width : WIDTH,
		.colour = style.colour,
		.utf8 = view_speaks_utf8()};

	memory_view_page(&view, yyjson_doc_get_root(doc));
}

static void draw(struct screen *screen, yyjson_doc *doc)
{
	char *text = NULL;
	size_t len = 0;
	FILE *page = open_memstream(&text, &len);

	if (!page)
		return;
	print_page(page, doc);
	(void)fclose(page);
	screen_draw(screen, text, len);
	free(text);
}

/* Until it is interrupted or nobody answers any more. */
static int watch(const struct ctl *ctl)
{
	enum screen_event event = SCREEN_TIMEOUT;
	yyjson_doc *doc = NULL;
	struct screen screen;
	int rc = screen_open(&screen);
	char key = 0;

	if (rc < 0)
		return ctl_fail(ctl, "%s", strerror(-rc));
	while (event != SCREEN_END && !(event == SCREEN_KEY && key == 'q')) {
		rc = ask(ctl, "/v1/memory", NULL, ctl_timeout_ms(ctl) / 1000, &doc);
		if (rc != CTL_EXIT_OK || ferror(stdout))
			break;
		draw(&screen, doc);
		yyjson_doc_free(doc);
		doc = NULL;
		event = screen_wait(&screen, -1, WATCH_MS, &key);
	}
	screen_close(&screen);
	return rc;
}

static int show_status(const struct ctl *ctl)
{
	yyjson_doc *doc = NULL;
	int rc;

	if (ctl->argc > 1)
		return ctl_usage(ctl, "%s: it takes no operands", ctl->argv[1]);
	if (ctl->watch && !ctl->json && isatty(STDOUT_FILENO))
		return watch(ctl);
	rc = ask(ctl, "/v1/memory", NULL, ctl_timeout_ms(ctl) / 1000, &doc);
	if (rc == CTL_EXIT_OK && !ctl->json)
		print_page(stdout, doc);
	yyjson_doc_free(doc);
	return rc;
}

/* ---- orders ----------------------------------------------------------------------------------------- */

/* No: less than what was asked for; for all, nothing because it may not or cannot be. */
static int judge_answer(yyjson_val *answer, uint64_t wanted)
{
	const char *reason = yyjson_get_str(yyjson_obj_get(answer, "reason"));

	if (wanted > 0)
		return yyjson_get_uint(yyjson_obj_get(answer, "reclaimed_bytes")) >= wanted
			       ? CTL_EXIT_OK
			       : CTL_EXIT_NO;
	return reason && strcmp(reason, "off") != 0 && strcmp(reason, "impossible") != 0 &&
			       strcmp(reason, "running") != 0
		       ? CTL_EXIT_OK
		       : CTL_EXIT_NO;
}

static int reclaim(const struct ctl *ctl)
{
	bool all = ctl->argc < 2 || strcmp(ctl->argv[1], "all") == 0;
	unsigned int seconds = ctl->timeout_s ? ctl->timeout_s : RECLAIM_S;
	yyjson_doc *doc = NULL;
	uint64_t bytes = 0;
	char body[96], word[24] = "\"all\"";
	int rc;

	if (ctl->argc > 2 || (!all && bytes_parse(ctl->argv[1], &bytes) < 0))
		return ctl_usage(ctl, "it takes a number of bytes (512M) or all");
	if (seconds > RECLAIM_S_MAX)
		return ctl_usage(ctl, "--timeout: at most 600");
	if (!all)
		(void)snprintf(word, sizeof(word), "%llu", (unsigned long long)bytes);
	(void)snprintf(body, sizeof(body), "{\"bytes\":%s,\"timeout_ms\":%u}", word,
		seconds * 1000);
	rc = ask(ctl, "/v1/memory/reclaim", body, seconds + CTL_ANSWER_S, &doc);
	if (rc != CTL_EXIT_OK)
		return rc;
	if (!ctl->json)
		memory_view_answer(stdout, yyjson_doc_get_root(doc));
	rc = judge_answer(yyjson_doc_get_root(doc), bytes);
	yyjson_doc_free(doc);
	return rc;
}

static int set(const struct ctl *ctl, const char *path, const char *body)
{
	yyjson_doc *doc = NULL;
	int rc = ask(ctl, path, body, ctl_timeout_ms(ctl) / 1000, &doc);

	if (rc == CTL_EXIT_OK && !ctl->json)
		memory_view_settings(stdout, yyjson_doc_get_root(doc));
	yyjson_doc_free(doc);
	return rc;
}

static int set_target(const struct ctl *ctl)
{
	bool none = ctl->argc == 2 && strcmp(ctl->argv[1], "none") == 0;
	uint64_t bytes = 0;
	char body[64] = "{\"bytes\":null}";

	if (ctl->argc != 2 || (!none && bytes_parse(ctl->argv[1], &bytes) < 0))
		return ctl_usage(ctl, "it needs a number of bytes (2G) or none");
	if (!none)
		(void)snprintf(body, sizeof(body), "{\"bytes\":%llu}", (unsigned long long)bytes);
	return set(ctl, "/v1/memory/target", body);
}

static int set_mode(const struct ctl *ctl)
{
	char body[64];
	enum memory_mode mode;

	if (ctl->argc != 2 || memory_mode_find(ctl->argv[1], strlen(ctl->argv[1]), &mode) < 0)
		return ctl_usage(ctl, "it needs one of: adaptive gradual dropcache off");
	(void)snprintf(body, sizeof(body), "{\"mode\":\"%s\"}", memory_mode_name(mode));
	return set(ctl, "/v1/memory/mode", body);
}

int ctl_memory(const struct ctl *ctl)
{
	static const struct {
		const char *word;
		int (*fn)(const struct ctl *ctl);
	} verbs[] = {
		{"status", show_status},
		{"reclaim", reclaim},
		{"target", set_target},
		{"mode", set_mode},
	};
	const char *word = ctl->argc > 0 ? ctl->argv[0] : "status";

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(word, verbs[i].word) == 0)
			return verbs[i].fn(ctl);
	return ctl_unknown_word(ctl, word);
}
