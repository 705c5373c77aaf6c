/* SPDX-License-Identifier: MIT
 *
 * events.c - the verb events of keelctl: what happens in the guest, as it happens. A connection that is lost is made
 * again, and what happened meanwhile is asked for by the last id.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "agent/ctl/ctl.h"
#include "agent/ctl/event_view.h"
#include "agent/ctl/logs.h"
#include "agent/ctl/sse.h"
#include "lib/clock.h"

#define PROBLEM_TEXT_MAX 2048
#define RETRY_MS         1000 /* until the guest has said */
#define KINDS_MAX        256
#define ID_LETTERS       "0123456789abcdef-"
#define KIND_LETTERS     "abcdefghijklmnopqrstuvwxyz_"

struct following {
	const struct ctl *ctl;
	struct sse sse;
	bool answered; /* by an API with events, at least once */
	int status;    /* of the last answer */
	size_t problem_len;
	char problem[PROBLEM_TEXT_MAX];
};

/* Such words need no escape in JSON or in a path. */
static bool is_of(const char *text, const char *letters)
{
	return text[strspn(text, letters)] == '\0';
}

static int print_event(void *ctx, const struct sse_event *event)
{
	const struct following *following = ctx;
	char line[EVENT_VIEW_MAX];

	/* The guest's own object, with what is around it. */
	if (following->ctl->json) {
		if (event->data_len > 2 && event->data[0] == '{' &&
			!memchr(event->data, '\n', event->data_len) &&
			is_of(event->id, ID_LETTERS) && is_of(event->name, KIND_LETTERS)) {
			(void)printf("{\"id\":\"%s\",\"event\":\"%s\",", event->id, event->name);
			ctl_print_json(stdout, event->data + 1, event->data_len - 1);
		}
	} else if (event_view_line(event->name, event->data, event->data_len, line) == 0) {
		(void)puts(line);
	}
	return 0;
}

/* An http_client_piece_fn. */
static int take_piece(void *ctx, int status, const char *data, size_t len)
{
	struct following *following = ctx;
	size_t room = sizeof(following->problem) - 1 - following->problem_len;
	int rc;

	following->status = status;
	if (status != 200) {
		len = len < room ? len : room;
		memcpy(following->problem + following->problem_len, data, len);
		following->problem_len += len;
		return 0;
	}
	following->answered = true;
	rc = sse_take(&following->sse, data, len, print_event, following);
	return fflush(stdout) != 0 ? -EPIPE : rc;
}

static void write_path(const struct following *following, char *path, size_t size)
{
	const struct ctl *ctl = following->ctl;
	const char *seen = following->sse.last_id;
	const char *last_id = seen[0] && is_of(seen, ID_LETTERS) ? seen : ctl->since;
	size_t len = (size_t)snprintf(path, size, "/v1/events?follow=%d", !ctl->once);

	if (ctl->kinds)
		len += (size_t)snprintf(path + len, size - len, "&kinds=%s", ctl->kinds);
	if (last_id)
		(void)snprintf(path + len, size - len, "&last_event_id=%s", last_id);
	else if (ctl->lines != LOGS_ALL || ctl->once)
		(void)snprintf(path + len, size - len, "&last=%zu",
			ctl->lines < 1000 ? ctl->lines : 1000);
}

/* Until the connection ends. 0 or -errno. */
static int follow_once(struct following *following)
{
	const struct address address = ctl_api_address(following->ctl);
	char path[512];

	write_path(following, path, sizeof(path));
	sse_begin(&following->sse);
	following->status = 0;
	following->problem_len = 0;
	return http_client_stream(&address, "GET", path, NULL, ctl_timeout_ms(following->ctl),
		following->ctl->once ? HTTP_CLIENT_WHOLE : ctl_silence_ms(), STDOUT_FILENO,
		take_piece, following);
}

/* Lets the time go by; -EPIPE when nobody reads our output any more. */
static int rest(unsigned int ms)
{
	struct pollfd wait = {.fd = STDOUT_FILENO};
	int n = poll(&wait, 1, (int)ms);

	return n > 0 && (wait.revents & (POLLERR | POLLNVAL)) ? -EPIPE : 0;
}

/* A guest that is full, or on its way down or up, is one to come back to. */
static bool is_passing(const struct following *following)
{
	return following->answered && (following->status == 503 || following->status == 200);
}

static int follow(struct following *following)
{
	bool complained = false;

	for (;;) {
		int rc = follow_once(following);

		if (rc == -EPIPE)
			return CTL_EXIT_OK;
		if (following->ctl->once && rc == 0 && following->status == 200)
			return CTL_EXIT_OK;
		if (rc < 0 && (!following->answered || following->ctl->once))
			return ctl_unreachable(following->ctl, rc);
		if (rc == 0 && !is_passing(following))
			return ctl_refused(following->ctl, following->status, following->problem,
				following->problem_len);
		complained = complained && following->status != 200;
		if (!complained)
			(void)ctl_fail(following->ctl, "the connection %s; trying again",
				rc == -ETIMEDOUT ? "has gone silent" : "has ended");
		complained = true;
		if (rest(following->sse.retry_ms ? following->sse.retry_ms : RETRY_MS) < 0)
			return CTL_EXIT_OK;
	}
}

int ctl_events(const struct ctl *ctl)
{
	static struct following following;

	if (ctl->kinds && (strlen(ctl->kinds) > KINDS_MAX || !is_of(ctl->kinds, KIND_LETTERS ",")))
		return ctl_usage(ctl, "--kinds %s: kinds are words with commas between them",
			ctl->kinds);
	if (ctl->since && (strlen(ctl->since) >= SSE_WORD_MAX || !is_of(ctl->since, ID_LETTERS)))
		return ctl_usage(ctl, "--since %s: not the id of an event", ctl->since);
	if (ctl->since && ctl->lines != LOGS_ALL)
		return ctl_usage(ctl, "--since or --lines, not both");
	following.ctl = ctl;
	logs_default_signals();
	return follow(&following);
}
