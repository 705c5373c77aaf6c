/* SPDX-License-Identifier: MIT
 *
 * exec_api.c - see exec_api.h. Caller: api.c.
 */
#include "agent/exec_api.h"

#include <string.h>
#include <strings.h>

#include "agent/exec_body.h"
#include "lib/log.h"

static bool wants_protocol(const struct http_request *request)
{
	return request->upgrade && request->upgrade_len == strlen(EXEC_PROTOCOL) &&
	       strncasecmp(request->upgrade, EXEC_PROTOCOL, request->upgrade_len) == 0;
}

/* The command itself: a session on a terminal may begin with "env TERM=..." (exec_body.c). Its arguments are not for a log. */
static const char *command_of(const struct runner_session_request *session)
{
	static const char prefix[] = "env\0TERM=";
	size_t at = sizeof("env");

	if (session->words_len < sizeof(prefix) ||
		memcmp(session->words, prefix, sizeof(prefix) - 1) != 0)
		return session->words;
	at += strlen(session->words + at) + 1;
	return at < session->words_len ? session->words + at : session->words;
}

void exec_api_answer(struct exec_sessions *sessions, const struct http_request *request,
	struct http_response *response)
{
	static struct runner_session_request session_request;
	struct exec_session *session;
	const char *wrong;
	int rc;

	if (!sessions) {
		http_response_problem(response, 403, "shell_disabled",
			"commands are not run for the host: shell in section [debug] of keel.conf is no; "
			"set it to yes, or keel.debug.shell=1 on the kernel command line");
		return;
	}
	if (!wants_protocol(request)) {
		http_response_problem(response, 426, "upgrade_required",
			"send Connection: Upgrade and Upgrade: " EXEC_PROTOCOL);
		return;
	}
	if (exec_body_parse(request->body, request->body_len, &session_request, &wrong) < 0) {
		http_response_problem(response, 400, "bad_body", wrong);
		return;
	}
	rc = exec_session_start(sessions, &session_request, &session);
	if (rc == -EBUSY) {
		http_response_problem(response, 503, "too_many_sessions",
			"there are as many sessions as there may be; end one of them");
	} else if (rc < 0) {
		log_warning("a command for an API client cannot be started: %s", strerror(-rc));
		http_response_problem(response, 500, "failed",
			"the command cannot be started; see keel-agent's log");
	} else {
		log_info("an API client runs %s", command_of(&session_request));
		*response = (struct http_response){.take = exec_session_take, .take_ctx = session};
	}
}
