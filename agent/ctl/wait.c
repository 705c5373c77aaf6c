/* SPDX-License-Identifier: MIT
 *
 * wait.c - keelctl wait: until the guest has a status.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "agent/ctl/change.h"
#include "agent/ctl/ctl.h"
#include "lib/clock.h"

#define WAIT_DEFAULT_S 120
#define BURST_MS       20 /* of changes */

/* Does the document say what is waited for? 1 yes, 0 not yet, -1 it never will. */
static int judge_wait(const char *goal, const char *json, size_t len, char *seen, size_t seen_size)
{
	yyjson_doc *doc = yyjson_read(json, len, YYJSON_READ_NOFLAG);
	yyjson_val *root = yyjson_doc_get_root(doc);
	const char *status = yyjson_get_str(yyjson_obj_get(root, "status"));
	const char *reason = yyjson_get_str(yyjson_obj_get(root, "reason"));
	bool ready = yyjson_get_bool(yyjson_obj_get(root, "ready"));
	int verdict = 0;

	status = status ? status : "?";
	(void)snprintf(seen, seen_size, "%s%s%s", status, reason && reason[0] ? ": " : "",
		reason ? reason : "");
	if (strcmp(goal, "ready") == 0)
		verdict = ready ? 1 : strcmp(status, "failed") == 0 ? -1 : 0;
	else if (strcmp(goal, status) == 0)
		verdict = 1;
	yyjson_doc_free(doc);
	return verdict;
}

/* Until the guest says that something changed, or should have said something. */
static void wait_for_change(struct change *change, uint64_t end_us)
{
	struct pollfd wait = {.fd = change->fd, .events = POLLIN};
	uint64_t now_us = clock_now_us();
	uint64_t left_ms = now_us < end_us ? (end_us - now_us) / USEC_PER_MSEC + 1 : 0;
	uint64_t most_ms = (uint64_t)change_wait_ms(change);

	if (poll(&wait, 1, (int)(left_ms < most_ms ? left_ms : most_ms)) <= 0 || change->fd < 0)
		return;
	/* What comes at once with it is one change. */
	(void)poll(NULL, 0, BURST_MS);
	change_take(change);
}

int ctl_wait(const struct ctl *ctl)
{
	static const char *const goals[] = {"ready", "starting", "degraded", "failed", "stopping"};
	const char *goal = ctl->argc > 0 ? ctl->argv[0] : "ready";
	const struct address address = ctl_api_address(ctl);
	uint64_t end_us =
		clock_now_us() + (ctl->timeout_s ? ctl->timeout_s : WAIT_DEFAULT_S) * USEC_PER_SEC;
	struct change change;
	char seen[400] = "";
	bool known = false;
	int rc, verdict = 0;

	for (size_t i = 0; i < ARRAY_SIZE(goals); i++)
		known |= strcmp(goal, goals[i]) == 0;
	if (!known)
		return ctl_unknown_word(ctl, goal);
	change_init(&change, ctl);
	for (;;) {
		struct http_answer answer = {0};
		uint64_t now_us = clock_now_us();
		uint64_t left_ms = now_us < end_us ? (end_us - now_us) / USEC_PER_MSEC + 1 : 1;

		/* First the stream, then the look: nothing comes between them unseen. */
		(void)change_fd(&change);
		if (left_ms > CTL_ANSWER_S * 1000)
			left_ms = CTL_ANSWER_S * 1000;
		rc = http_client_ask(&address, "GET", "/v1/health", NULL, (unsigned int)left_ms,
			&answer);
		if (rc == 0)
			verdict =
				judge_wait(goal, answer.body, answer.body_len, seen, sizeof(seen));
		else
			(void)snprintf(seen, sizeof(seen), "nobody answers: %s", strerror(-rc));
		free(answer.body);
		if (verdict != 0 || clock_now_us() >= end_us)
			break;
		wait_for_change(&change, end_us);
	}
	change_close(&change);
	if (verdict > 0)
		return CTL_EXIT_OK;
	return ctl_fail(ctl, "not %s%s; last seen: %s", goal, verdict < 0 ? "" : " in time", seen);
}
