/* SPDX-License-Identifier: MIT
 *
 * memory_api.h - POST /v1/memory/VERB: a wish becomes a request to the agent's reclaim, its end the answer.
 *
 * The answer to a reclaim comes when it has ended; a client that goes away before ends it. Mode and target are answered
 * at once, with the new document.
 */
#pragma once

#include "agent/common/facts.h"
#include "agent/http.h"
#include "agent/memory/memory.h"
#include "lib/base.h"

/* `memory` NULL: 503. The method has been checked. `http` is woken when an answer is there. */
void memory_api_reclaim(struct memory *memory, struct http_server *http,
	const struct http_request *request, struct http_response *response);
/* 0: done; -errno: `response` says why not. */
int memory_api_set_target(struct memory *memory, const struct http_request *request,
	struct http_response *response) MUST_CHECK;
int memory_api_set_mode(struct memory *memory, const struct http_request *request,
	struct http_response *response) MUST_CHECK;
