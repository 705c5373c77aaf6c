/* SPDX-License-Identifier: MIT
 *
 * ask_health.c - where the guest is asked, and its health document (ctl.h). In the guest, when the agent does not answer,
 * PID 1 and dockerd are asked themselves. Callers: status.c, top.c, wait.c, complete.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/common/crash_log.h"
#include "agent/common/document.h"
#include "agent/common/facts.h"
#include "agent/common/health.h"
#include "agent/ctl/control_link.h"
#include "agent/ctl/ctl.h"

#define LINK_MS    2000
#define SILENCE_MS 40000

struct address ctl_api_address(const struct ctl *ctl)
{
	struct address address = ctl->vm;

	if (address.kind == ADDRESS_NONE)
		return (struct address){.kind = ADDRESS_UNIX, .path = CTL_API_SOCKET};
	address.port = ctl->api_port;
	return address;
}

struct address ctl_docker_address(const struct ctl *ctl)
{
	struct address address = ctl->vm;

	if (address.kind == ADDRESS_NONE)
		return (struct address){.kind = ADDRESS_UNIX, .path = CTL_ENGINE_SOCKET};
	address.port = ctl->docker_port;
	return address;
}

unsigned int ctl_timeout_ms(const struct ctl *ctl)
{
	return (ctl->timeout_s ? ctl->timeout_s : CTL_ANSWER_S) * 1000;
}

unsigned int ctl_silence_ms(void)
{
	const char *text = getenv("KEEL_SILENCE_MS");
	unsigned int ms = text ? (unsigned int)strtoul(text, NULL, 10) : 0;

	return ms > 0 && ms < SILENCE_MS ? ms : SILENCE_MS;
}

/* dockerd itself, once it should answer: without the agent nobody else has asked it. */
static void ping_engine(struct facts *facts, unsigned int limit_ms)
{
	const struct address address = {.kind = ADDRESS_UNIX, .path = CTL_ENGINE_SOCKET};
	const struct control_service *service =
		facts_find_service(facts, engine_daemon_unit(ENGINE_DOCKERD));
	struct http_answer answer = {0};
	int rc;

	if (!service || service->state != SERVICE_STATE_ACTIVE)
		return;
	rc = http_client_ask(&address, "GET", "/_ping", NULL, limit_ms, &answer);
	facts->engine.state =
		rc == 0 && answer.status == 200 ? ENGINE_STATE_READY : ENGINE_STATE_UNREACHABLE;
	if (rc < 0)
		(void)snprintf(facts->engine.reason, sizeof(facts->engine.reason), "%s",
			strerror(-rc));
	free(answer.body);
}

/* The health document as PID 1 alone can tell it, and dockerd's answer. */
static int health_from_init(struct http_answer *answer, unsigned int limit_ms)
{
	static struct facts facts;
	static struct system_facts system;
	struct health health;
	const char *text;
	int rc = control_link_snapshot(limit_ms, &facts);

	if (rc < 0)
		return rc;
	(void)crash_log_read(&facts);
	ping_engine(&facts, limit_ms);
	health_judge(&facts, &health);
	system_read_facts(&system, &facts);
	text = document_write_health(&facts, &health, &system, &answer->body_len);
	answer->body = text ? strdup(text) : NULL;
	answer->status = health.ready ? 200 : 503;
	return answer->body ? 0 : -ENOMEM;
}

int ctl_ask_health(const struct ctl *ctl, unsigned int limit_ms, struct http_answer *answer,
	int *agent_error)
{
	const struct address address = ctl_api_address(ctl);

	*agent_error = http_client_ask(&address, "GET", "/v1/health", NULL, limit_ms, answer);
	if (*agent_error == 0 || ctl->vm.kind != ADDRESS_NONE)
		return *agent_error;
	free(answer->body);
	*answer = (struct http_answer){0};
	return health_from_init(answer, limit_ms < LINK_MS ? limit_ms : LINK_MS);
}

int ctl_get_health(const struct ctl *ctl, struct http_answer *answer)
{
	int agent_error, rc = ctl_ask_health(ctl, ctl_timeout_ms(ctl), answer, &agent_error);

	if (rc < 0)
		return ctl_unreachable(ctl, agent_error);
	if (agent_error < 0)
		(void)ctl_fail(ctl, "keel-agent does not answer (%s); this is what PID 1 says",
			strerror(-agent_error));
	return 0;
}
