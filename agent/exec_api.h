/* SPDX-License-Identifier: MIT
 *
 * exec_api.h - POST /v1/exec: checks the request, starts the command, hands the connection over (exec.h).
 */
#pragma once

#include "agent/exec.h"
#include "agent/http.h"

/* `sessions` NULL: the configuration does not allow it. */
void exec_api_answer(struct exec_sessions *sessions, const struct http_request *request,
	struct http_response *response);
