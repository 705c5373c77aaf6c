/* SPDX-License-Identifier: MIT
 *
 * memory_api.c - see memory_api.h. Caller: api.c.
 */
#include "agent/memory_api.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/memory_body.h"
#include "lib/clock.h"
#include "lib/log.h"

/* A client that waits. */
struct waiting_client {
	struct memory *memory;
	struct http_server *http;
	struct memory_request request;
	bool done;
	struct memory_answer answer;
};

/* The words of the answer's "reason". */
static const char *const reasons[] = {
	[RECLAIM_REASON_NONE] = "none",
	[RECLAIM_REASON_OFF] = "off",
	[RECLAIM_REASON_NOTHING] = "nothing",
	[RECLAIM_REASON_PRESSURE] = "pressure",
	[RECLAIM_REASON_REFAULTS] = "refaults",
	[RECLAIM_REASON_SETTLING] = "settling",
	[RECLAIM_REASON_WRITING] = "writing",
	[RECLAIM_REASON_BUSY] = "busy",
	[RECLAIM_REASON_RUNNING] = "running",
	[RECLAIM_REASON_IMPOSSIBLE] = "impossible",
	[RECLAIM_REASON_DONE] = "done",
	[RECLAIM_REASON_TIME] = "time",
};

static_assert(ARRAY_SIZE(reasons) == RECLAIM_REASON_TIME + 1, "a word for each reason");

/* ---- a reclaim and its answer ---------------------------------------------------------------------- */

/* A memory_answer_fn. */
static void on_reclaimed(void *ctx, const struct memory_answer *answer)
{
	struct waiting_client *client = ctx;

	client->answer = *answer;
	client->done = true;
	http_server_wake(client->http);
}

/* Numbers, our own words and sentences: nothing in it needs an escape. */
static int give_answer(void *ctx, struct http_response *response)
{
	static char text[512];
	const struct waiting_client *client = ctx;
	const struct memory_answer *answer = &client->answer;
	int len;

	if (!client->done)
		return -EAGAIN;
	len = snprintf(text, sizeof(text),
		"{\"reclaimed_bytes\":%llu,\"free_before_bytes\":%llu,\"free_after_bytes\":%llu,"
		"\"reason\":\"%s\",\"detail\":\"%s\",\"took_ms\":%.3f}",
		(unsigned long long)answer->reclaimed, (unsigned long long)answer->free_before,
		(unsigned long long)answer->free_after, reasons[answer->reason],
		reclaim_reason_text(answer->reason), (double)answer->took_us / 1000.0);
	*response = (struct http_response){
		.status = 200, .type = "application/json", .body = text, .body_len = (size_t)len};
	return 0;
}

/* Also when the answer is out, and it is nobody's request any more. */
static void close_client(void *ctx)
{
	struct waiting_client *client = ctx;

	if (!client->done)
		memory_ignore(client->memory, &client->request);
	free(client);
}

static const struct http_stream answer_ops = {.close = close_client, .answer = give_answer};

static int submit(struct waiting_client *client, uint64_t bytes, unsigned int timeout_ms)
{
	client->request = (struct memory_request){.bytes = bytes,
		.until_us = clock_now_us() + timeout_ms * USEC_PER_MSEC,
		.fn = on_reclaimed,
		.ctx = client};
	return memory_submit(client->memory, &client->request);
}

/* Is the body what it should be, and is there anybody to give it to? `rc` as it is, or -ENODEV. */
static int judge(const struct memory *memory, int rc, const char *why,
	struct http_response *response)
{
	if (!memory) {
		http_response_problem(response, 503, "memory_unavailable",
			"this agent does not look after the guest's memory");
		return -ENODEV;
	}
	if (rc < 0)
		http_response_problem(response, 400, "bad_body", why);
	return rc;
}

void memory_api_reclaim(struct memory *memory, struct http_server *http,
	const struct http_request *request, struct http_response *response)
{
	struct waiting_client *client;
	unsigned int timeout_ms;
	const char *why;
	uint64_t bytes;
	int rc;

	rc = memory_body_reclaim(request->body, request->body_len, &bytes, &timeout_ms, &why);
	if (judge(memory, rc, why, response) < 0)
		return;
	client = malloc(sizeof(*client));
	if (!client) {
		http_response_problem(response, 500, "failed", "no memory for the request");
		return;
	}
	*client = (struct waiting_client){.memory = memory, .http = http};
	rc = submit(client, bytes, timeout_ms);
	if (rc == 0) {
		*response = (struct http_response){.status = 200,
			.type = "application/json",
			.stream = &answer_ops,
			.stream_ctx = client};
		return;
	}
	free(client);
	if (rc == -EBUSY) {
		http_response_problem(response, 409, "busy",
			"another client's request is under way; try again when it has its answer");
		return;
	}
	log_warning("a request for memory cannot be worked on: %s", strerror(-rc));
	http_response_problem(response, 500, "failed",
		"the request cannot be worked on; see keelctl logs keel-agent");
}

/* ---- what is set ----------------------------------------------------------------------------------- */

int memory_api_set_target(struct memory *memory, const struct http_request *request,
	struct http_response *response)
{
	const char *why;
	uint64_t bytes;
	int rc = memory_body_target(request->body, request->body_len, &bytes, &why);

	rc = judge(memory, rc, why, response);
	if (rc == 0)
		memory_set_target(memory, bytes);
	return rc;
}

int memory_api_set_mode(struct memory *memory, const struct http_request *request,
	struct http_response *response)
{
	enum memory_mode mode;
	const char *why;
	int rc = memory_body_mode(request->body, request->body_len, &mode, &why);

	rc = judge(memory, rc, why, response);
	if (rc == 0)
		memory_set_mode(memory, mode);
	return rc;
}
