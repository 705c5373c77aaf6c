/* SPDX-License-Identifier: MIT
 *
 * diagnostics_api.h - GET /v1/diagnostics: the archive of diagnostics.h as a streamed answer, one at a time.
 */
#pragma once

#include "agent/common/facts.h"
#include "agent/http.h"

void diagnostics_api_answer(const struct facts *facts, struct http_response *response);
