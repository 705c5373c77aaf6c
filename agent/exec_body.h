/* SPDX-License-Identifier: MIT
 *
 * exec_body.h - the body of POST /v1/exec into what the runner is asked for. Pure; fuzzed.
 */
#pragma once

#include "agent/runner.h"

/* {"argv":[…],"tty":true,"rows":24,"cols":80,"term":"xterm"}, all optional and nothing else: without argv a login shell. 0;
 * -EINVAL and what is wrong of it, a sentence. */
int exec_body_parse(const char *body, size_t len, struct runner_session_request *session,
	const char **wrong) MUST_CHECK;
