/* SPDX-License-Identifier: MIT
 *
 * status.c - the verbs that show parts of the health document: status, health, services, kernel.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "agent/common/system.h"
#include "agent/ctl/ctl.h"
#include "agent/ctl/guest_network.h"
#include "agent/ctl/view.h"

/* A greeting comes before the prompt: three questions at most, each this long. */
#define GREETING_MS 250

static int print_page(const struct ctl *ctl)
{
	unsigned int limit_ms = ctl->brief && !ctl->timeout_s ? GREETING_MS : ctl_timeout_ms(ctl);
	struct view_style style = view_get_style(stdout);
	struct view_notes notes = {0};
	struct http_answer answer = {0};
	char network[GUEST_NETWORK_MAX], agent[64];
	int agent_error, rc = ctl_ask_health(ctl, limit_ms, &answer, &agent_error);

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
		rc = ctl_not_the_api(ctl);
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
	rc = ctl_get_health(ctl, &answer);
	if (rc == 0)
		(void)puts(answer.body);
	free(answer.body);
	return rc;
}

int ctl_health(const struct ctl *ctl)
{
	struct http_answer answer = {0};
	int rc = ctl_get_health(ctl, &answer);

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
	int rc = ctl_get_health(ctl, &answer);

	if (rc == 0 && ctl->json) {
		yyjson_doc *doc = yyjson_read(answer.body, answer.body_len, YYJSON_READ_NOFLAG);
		char *list = yyjson_val_write(yyjson_obj_get(yyjson_doc_get_root(doc), "services"),
			YYJSON_WRITE_NOFLAG, NULL);

		if (list)
			(void)puts(list);
		else
			rc = ctl_not_the_api(ctl);
		free(list);
		yyjson_doc_free(doc);
	} else if (rc == 0 && view_print_services(stdout, answer.body, answer.body_len,
				      view_wants_colour(stdout)) < 0) {
		rc = ctl_not_the_api(ctl);
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
	int rc = ctl_get_health(ctl, &answer);

	if (rc != 0)
		return rc;
	doc = yyjson_read(answer.body, answer.body_len, YYJSON_READ_NOFLAG);
	kernel = yyjson_obj_get(yyjson_doc_get_root(doc), "kernel");
	check = yyjson_obj_get(kernel, "check");
	if (!check || yyjson_is_null(check)) {
		rc = ctl_fail(ctl, "it has not been checked (yet): there is no " SYSTEM_KERNEL_CHECK
				   " in the guest");
	} else {
		text = yyjson_val_write(kernel, YYJSON_WRITE_PRETTY, NULL);
		(void)puts(text ? text : "");
		free(text);
	}
	yyjson_doc_free(doc);
	free(answer.body);
	return rc;
}
