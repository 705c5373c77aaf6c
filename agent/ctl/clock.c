/* SPDX-License-Identifier: MIT
 *
 * clock.c - keelctl clock [VERB]: shows the guest's wall clock; on the host, sets it by the host's.
 *
 * sync asks a few times over one connection: the guest's clock is compared with the middle of the round trip, and the
 * shortest one counts. What is sent is the host's time plus half of it, which is when the guest reads it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <yyjson.h>

#include "agent/common/transport.h"
#include "agent/ctl/clock_view.h"
#include "agent/ctl/ctl.h"

#define SAMPLES         5
#define REALTIME_MAX_US ((int64_t)1 << 53) /* the year 2255: beyond that it is no clock */

struct sample {
	int64_t offset_us; /* the guest's clock minus ours */
	int64_t rtt_us;
};

static int64_t realtime_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* 0 and the answer, to be freed; else an exit code, and it has been said why. */
static int ask(const struct ctl *ctl, int fd, const char *body, yyjson_doc **doc)
{
	struct http_answer answer = {0};
	int rc = http_client_exchange(fd, body ? "POST" : "GET", "/v1/clock", body,
		ctl_timeout_ms(ctl), &answer);

	if (rc < 0)
		rc = ctl_unreachable(ctl, rc);
	else if (answer.status != 200)
		rc = ctl_refused(ctl, answer.status, answer.body, answer.body_len);
	else if (!(*doc = yyjson_read(answer.body, answer.body_len, YYJSON_READ_NOFLAG)))
		rc = ctl_not_the_api(ctl);
	free(answer.body);
	return rc;
}

/* The best of a few. 0 or an exit code. */
static int measure(const struct ctl *ctl, int fd, struct sample *best)
{
	for (int i = 0; i < SAMPLES; i++) {
		int64_t sent_us = realtime_us(), rtt_us, guest_us;
		yyjson_doc *doc = NULL;
		int rc = ask(ctl, fd, NULL, &doc);

		if (rc != 0)
			return rc;
		rtt_us = realtime_us() - sent_us;
		guest_us = yyjson_get_sint(yyjson_obj_get(yyjson_doc_get_root(doc), "realtime_us"));
		yyjson_doc_free(doc);
		if (guest_us <= 0 || guest_us > REALTIME_MAX_US)
			return ctl_not_the_api(ctl);
		if (i > 0 && rtt_us >= best->rtt_us)
			continue;
		*best = (struct sample){
			.offset_us = guest_us - (sent_us + rtt_us / 2), .rtt_us = rtt_us};
	}
	return 0;
}

/* One of the API's words; what is none cannot break our own JSON. */
static const char *word_of(yyjson_val *answer, const char *key)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz_";
	const char *word = yyjson_get_str(yyjson_obj_get(answer, key));

	return word && word[strspn(word, letters)] == '\0' ? word : "?";
}

static void print_sync(const struct ctl *ctl, yyjson_val *answer, const struct sample *before,
	const struct sample *after)
{
	if (!ctl->json) {
		clock_view_sync(stdout, answer, before->offset_us, after->offset_us, after->rtt_us);
		return;
	}
	(void)printf("{\"before_ms\":%.3f,\"after_ms\":%.3f,\"rtt_ms\":%.3f,\"action\":\"%s\","
		     "\"reason\":\"%s\"}\n",
		(double)before->offset_us / 1000.0, (double)after->offset_us / 1000.0,
		(double)after->rtt_us / 1000.0, word_of(answer, "action"),
		word_of(answer, "reason"));
}

/* 0: it is right now, or others see to it. */
static int judge(const struct ctl *ctl, yyjson_val *answer)
{
	const char *action = word_of(answer, "action");

	if (strcmp(action, "?") == 0)
		return ctl_not_the_api(ctl);
	return strcmp(action, "refused") == 0 ? CTL_EXIT_NO : CTL_EXIT_OK;
}

static int sync_clock(const struct ctl *ctl, int fd)
{
	struct sample before, after;
	yyjson_doc *doc = NULL;
	long long now_us;
	char body[96];
	int rc = measure(ctl, fd, &before), judged;

	if (rc != 0)
		return rc;
	now_us = realtime_us() + before.rtt_us / 2;
	(void)snprintf(body, sizeof(body), "{\"realtime_us\":%lld,\"uncertainty_ms\":%.3f}", now_us,
		(double)before.rtt_us / 2000.0);
	rc = ask(ctl, fd, body, &doc);
	if (rc != 0)
		return rc;
	judged = judge(ctl, yyjson_doc_get_root(doc));
	rc = judged == CTL_EXIT_UNREACHABLE ? judged : measure(ctl, fd, &after);
	if (rc == 0)
		print_sync(ctl, yyjson_doc_get_root(doc), &before, &after);
	yyjson_doc_free(doc);
	return rc != 0 ? rc : judged;
}

static int show_status(const struct ctl *ctl, int fd)
{
	yyjson_doc *doc = NULL;
	int rc = ask(ctl, fd, NULL, &doc);
	char *text;

	if (rc != 0)
		return rc;
	text = ctl->json ? yyjson_write(doc, YYJSON_WRITE_NOFLAG, NULL) : NULL;
	if (text)
		ctl_print_json(stdout, text, strlen(text));
	else
		clock_view_page(stdout, yyjson_doc_get_root(doc));
	free(text);
	yyjson_doc_free(doc);
	return CTL_EXIT_OK;
}

int ctl_clock(const struct ctl *ctl)
{
	static const struct {
		const char *word;
		int (*fn)(const struct ctl *ctl, int fd);
	} verbs[] = {{"status", show_status}, {"sync", sync_clock}};
	const struct address address = ctl_api_address(ctl);
	const char *word = ctl->argc > 0 ? ctl->argv[0] : "status";
	_cleanup_close_ int fd = -1;

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		int rc;

		if (strcmp(word, verbs[i].word) != 0)
			continue;
		if (verbs[i].fn == sync_clock && ctl->vm.kind == ADDRESS_NONE)
			return ctl_usage(ctl,
				"it is for the guest's host: name the guest with --vm");
		rc = transport_connect(&address, ctl_timeout_ms(ctl), &fd);
		return rc < 0 ? ctl_unreachable(ctl, rc) : verbs[i].fn(ctl, fd);
	}
	return ctl_unknown_word(ctl, word);
}
