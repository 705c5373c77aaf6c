/* SPDX-License-Identifier: MIT
 *
 * verbs.c - the verbs of keelctl that ask the agent: status, health, wait, services, kernel, shutdown,
 * reboot. In the guest, when the agent does not answer, status, health and services come from PID 1 itself.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "agent/common/crash_log.h"
#include "agent/common/document.h"
#include "agent/common/facts.h"
#include "agent/common/health.h"
#include "agent/ctl/control_link.h"
#include "agent/ctl/ctl.h"
#include "agent/ctl/guest_network.h"
#include "agent/ctl/http_client.h"
#include "agent/ctl/view.h"
#include "lib/clock.h"

#define WAIT_DEFAULT_S 120
#define WAIT_POLL_MS   500
#define LINK_MS        2000
/* A greeting comes before the prompt: three questions at most, each this long. */
#define GREETING_MS 250

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

static unsigned int timeout_ms(const struct ctl *ctl)
{
	return (ctl->timeout_s ? ctl->timeout_s : CTL_ANSWER_S) * 1000;
}

int ctl_unreachable(const struct ctl *ctl, int error)
{
	const struct address address = ctl_api_address(ctl);
	char text[ADDRESS_TEXT_MAX];

	(void)fprintf(stderr, "keelctl: keel-agent does not answer on %s: %s%s\n",
		address_format(&address, text, sizeof(text)), strerror(-error),
		ctl->vm.kind == ADDRESS_NONE && error == -EACCES ? " (are you root?)" : "");
	return CTL_EXIT_UNREACHABLE;
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

/* Asks the agent, and if it is silent in our own guest, PID 1. 0 if one answered, else -errno of the last; what the
 * agent gave is in `agent_error`. */
static int ask_health(const struct ctl *ctl, unsigned int limit_ms, unsigned int link_ms,
	struct http_answer *answer, int *agent_error)
{
	const struct address address = ctl_api_address(ctl);

	*agent_error = http_client_ask(&address, "GET", "/v1/health", NULL, limit_ms, answer);
	if (*agent_error == 0 || ctl->vm.kind != ADDRESS_NONE)
		return *agent_error;
	free(answer->body);
	*answer = (struct http_answer){0};
	return health_from_init(answer, link_ms);
}

/* 0 or an exit code after saying why. */
static int get_health(const struct ctl *ctl, struct http_answer *answer)
{
	int agent_error, rc = ask_health(ctl, timeout_ms(ctl), LINK_MS, answer, &agent_error);

	if (rc < 0)
		return ctl_unreachable(ctl, agent_error);
	if (agent_error < 0)
		(void)fprintf(stderr,
			"keelctl: keel-agent does not answer (%s); this is what PID 1 says\n",
			strerror(-agent_error));
	return 0;
}

static int not_a_document(void)
{
	(void)fputs("keelctl: the answer is not a keel document; is this the keel API?\n", stderr);
	return CTL_EXIT_UNREACHABLE;
}

static int print_page(const struct ctl *ctl)
{
	unsigned int limit_ms = ctl->brief && !ctl->timeout_s ? GREETING_MS : timeout_ms(ctl);
	unsigned int link_ms = limit_ms < LINK_MS ? limit_ms : LINK_MS;
	struct view_style style = view_get_style(stdout);
	struct view_notes notes = {0};
	struct http_answer answer = {0};
	char network[GUEST_NETWORK_MAX], agent[64];
	int agent_error, rc = ask_health(ctl, limit_ms, link_ms, &answer, &agent_error);

	style.brief = ctl->brief;
	if (agent_error < 0) {
		(void)snprintf(agent, sizeof(agent), "%s", strerror(-agent_error));
		notes.agent = agent;
	}
	if (ctl->vm.kind == ADDRESS_NONE) {
		guest_network_describe(network);
		notes.network = network;
	}
	if (rc < 0 && ctl->vm.kind == ADDRESS_NONE) {
		view_print_silence(stdout, strerror(-rc), &style, &notes);
		rc = CTL_EXIT_UNREACHABLE;
	} else if (rc < 0) {
		rc = ctl_unreachable(ctl, rc);
	} else if (view_print_status(stdout, answer.body, answer.body_len, &style, &notes) < 0) {
		rc = not_a_document();
	}
	free(answer.body);
	return rc;
}

int ctl_status(const struct ctl *ctl)
{
	struct http_answer answer = {0};
	int rc;

	if (!ctl->json)
		return print_page(ctl);
	rc = get_health(ctl, &answer);
	if (rc == 0)
		(void)puts(answer.body);
	free(answer.body);
	return rc;
}

int ctl_health(const struct ctl *ctl)
{
	struct http_answer answer = {0};
	int rc = get_health(ctl, &answer);

	if (rc == 0) {
		(void)puts(answer.body);
		rc = answer.status == 200 ? CTL_EXIT_OK : CTL_EXIT_NO;
	}
	free(answer.body);
	return rc;
}

int ctl_services(const struct ctl *ctl)
{
	struct http_answer answer = {0};
	int rc = get_health(ctl, &answer);

	if (rc == 0 && ctl->json) {
		yyjson_doc *doc = yyjson_read(answer.body, answer.body_len, YYJSON_READ_NOFLAG);
		char *list = yyjson_val_write(yyjson_obj_get(yyjson_doc_get_root(doc), "services"),
			YYJSON_WRITE_NOFLAG, NULL);

		if (list)
			(void)puts(list);
		else
			rc = not_a_document();
		free(list);
		yyjson_doc_free(doc);
	} else if (rc == 0 && view_print_services(stdout, answer.body, answer.body_len,
				      view_wants_colour(stdout)) < 0) {
		rc = not_a_document();
	}
	free(answer.body);
	return rc;
}

int ctl_kernel(const struct ctl *ctl)
{
	struct http_answer answer = {0};
	yyjson_val *kernel, *check;
	yyjson_doc *doc;
	char *text;
	int rc = get_health(ctl, &answer);

	if (rc != 0)
		return rc;
	doc = yyjson_read(answer.body, answer.body_len, YYJSON_READ_NOFLAG);
	kernel = yyjson_obj_get(yyjson_doc_get_root(doc), "kernel");
	check = yyjson_obj_get(kernel, "check");
	if (!check || yyjson_is_null(check)) {
		(void)fputs(
			"keelctl: the kernel has not been checked (yet): there is no " SYSTEM_KERNEL_CHECK
			" in the guest\n",
			stderr);
		rc = CTL_EXIT_NO;
	} else {
		text = yyjson_val_write(kernel, YYJSON_WRITE_PRETTY, NULL);
		(void)puts(text ? text : "");
		free(text);
	}
	yyjson_doc_free(doc);
	free(answer.body);
	return rc;
}

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

/* Until PID 1 says that something changed, or for a moment. */
static void wait_for_change(int control_fd, uint64_t end_us)
{
	struct pollfd wait = {.fd = control_fd, .events = POLLIN};
	uint64_t now_us = clock_now_us();
	uint64_t left_ms = now_us < end_us ? (end_us - now_us) / USEC_PER_MSEC + 1 : 0;
	struct control_record record;

	(void)poll(&wait, 1, left_ms < WAIT_POLL_MS ? (int)left_ms : WAIT_POLL_MS);
	/* Drop the burst: the agent knows it too, and has the verdict. */
	control_link_set_timeout(control_fd, 1);
	if ((wait.revents & POLLIN) != 0)
		while (control_link_next(control_fd, &record) == 0 &&
			record.type != CONTROL_RECORD_END)
			;
	else if (wait.revents != 0)
		(void)poll(NULL, 0, left_ms < WAIT_POLL_MS ? (int)left_ms : WAIT_POLL_MS);
}

int ctl_wait(const struct ctl *ctl)
{
	static const char *const goals[] = {"ready", "starting", "degraded", "failed", "stopping"};
	const char *goal = ctl->argc > 0 ? ctl->argv[0] : "ready";
	const struct address address = ctl_api_address(ctl);
	uint64_t end_us =
		clock_now_us() + (ctl->timeout_s ? ctl->timeout_s : WAIT_DEFAULT_S) * USEC_PER_SEC;
	_cleanup_close_ int control_fd = -1;
	char seen[400] = "nobody answers";
	bool known = false;
	int verdict = 0;

	for (size_t i = 0; i < ARRAY_SIZE(goals); i++)
		known |= strcmp(goal, goals[i]) == 0;
	if (!known || ctl->argc > 1) {
		(void)fputs("keelctl: wait for one of: ready starting degraded failed stopping\n",
			stderr);
		return CTL_EXIT_USAGE;
	}
	if (ctl->vm.kind == ADDRESS_NONE) {
		control_fd = control_link_open(LINK_MS);
		if (control_fd >= 0 && control_send(control_fd, CONTROL_VERB_SUBSCRIBE, NULL) < 0)
			close_p(&control_fd);
	}
	for (;;) {
		struct http_answer answer = {0};
		uint64_t now_us = clock_now_us();
		uint64_t left_ms = now_us < end_us ? (end_us - now_us) / USEC_PER_MSEC + 1 : 1;

		if (left_ms > CTL_ANSWER_S * 1000)
			left_ms = CTL_ANSWER_S * 1000;
		if (http_client_ask(&address, "GET", "/v1/health", NULL, (unsigned int)left_ms,
			    &answer) == 0)
			verdict =
				judge_wait(goal, answer.body, answer.body_len, seen, sizeof(seen));
		free(answer.body);
		if (verdict != 0 || clock_now_us() >= end_us)
			break;
		wait_for_change(control_fd, end_us);
	}
	if (verdict > 0)
		return CTL_EXIT_OK;
	(void)fprintf(stderr, "keelctl: not %s%s; last seen: %s\n", goal,
		verdict < 0 ? "" : " in time", seen);
	return CTL_EXIT_NO;
}

static int power(const struct ctl *ctl, const char *body, enum control_verb verb)
{
	const struct address address = ctl_api_address(ctl);
	struct http_answer answer = {0};
	int rc = http_client_ask(&address, "POST", "/v1/shutdown", body, timeout_ms(ctl), &answer);

	if ((rc < 0 || answer.status == 503) && ctl->vm.kind == ADDRESS_NONE) {
		int direct = control_link_order(LINK_MS, verb, NULL);

		free(answer.body);
		if (direct == 0)
			return CTL_EXIT_OK;
		(void)fprintf(stderr, "keelctl: PID 1: %s\n", strerror(-direct));
		return CTL_EXIT_NO;
	}
	if (rc < 0)
		return ctl_unreachable(ctl, rc);
	if (answer.status != 202)
		(void)fprintf(stderr, "keelctl: the guest answers: %s\n", answer.body);
	free(answer.body);
	return answer.status == 202 ? CTL_EXIT_OK : CTL_EXIT_NO;
}

int ctl_shutdown(const struct ctl *ctl)
{
	return power(ctl, "{\"action\":\"poweroff\"}", CONTROL_VERB_POWEROFF);
}

int ctl_reboot(const struct ctl *ctl)
{
	return power(ctl, "{\"action\":\"reboot\"}", CONTROL_VERB_REBOOT);
}
