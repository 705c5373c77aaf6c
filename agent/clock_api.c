/* SPDX-License-Identifier: MIT
 *
 * clock_api.c - see clock_api.h. Caller: api.c.
 */
#include "agent/clock_api.h"

#include <stdio.h>

#include "agent/clock_body.h"
#include "agent/common/document.h"

#define MS 1000.0

void clock_api_get(struct clock_keeper *keeper, const struct facts *facts,
	struct http_response *response)
{
	size_t len;
	const char *text;

	if (keeper)
		clock_keeper_look(keeper);
	text = document_write_clock(facts, (uint64_t)clock_effects_real.now(CLOCK_REALTIME),
		(uint64_t)clock_effects_real.now(CLOCK_BOOTTIME), &len);
	if (!text)
		http_response_problem(response, 500, "too_large",
			"the document does not fit its buffer");
	else
		*response = (struct http_response){
			.status = 200, .type = "application/json", .body = text, .body_len = len};
}

void clock_api_post(struct clock_keeper *keeper, const struct http_request *request,
	struct http_response *response)
{
	static char text[512];
	struct clock_decision decision;
	int64_t realtime_us, after_us;
	uint64_t uncertainty_us;
	const char *why;
	int len;

	if (!keeper) {
		http_response_problem(response, 503, "clock_unavailable",
			"this agent does not look after the guest's clock");
		return;
	}
	if (clock_body_parse(request->body, request->body_len, &realtime_us, &uncertainty_us,
		    &why) < 0) {
		http_response_problem(response, 400, "bad_body", why);
		return;
	}
	clock_keeper_take_host(keeper, realtime_us, uncertainty_us, &decision, &after_us);
	/* Numbers, our own words and sentences: nothing in it needs an escape. */
	len = snprintf(text, sizeof(text),
		"{\"action\":\"%s\",\"reason\":\"%s\",\"detail\":\"%s\",\"offset_before_ms\":%.3f,"
		"\"offset_after_ms\":%.3f,\"uncertainty_ms\":%.3f,\"realtime_us\":%lld}",
		clock_action_name(decision.action), clock_reason_name(decision.reason),
		clock_reason_text(decision.reason), (double)decision.offset_us / MS,
		(double)after_us / MS, (double)uncertainty_us / MS,
		(long long)clock_effects_real.now(CLOCK_REALTIME));
	*response = (struct http_response){
		.status = 200, .type = "application/json", .body = text, .body_len = (size_t)len};
}
