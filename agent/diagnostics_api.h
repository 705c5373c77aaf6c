/* SPDX-License-Identifier: MIT
 *
 * diagnostics_api.h - GET /v1/diagnostics: the archive of diagnostics.h as a streamed answer, one at a time.
 */
#pragma once

#include "agent/common/facts.h"
#include "agent/event_ring.h"
#include "agent/http.h"

/* Without a ring (NULL) there are no events in it. */
void diagnostics_api_answer(const struct facts *facts, const struct event_ring *events,
	struct http_response *response);
