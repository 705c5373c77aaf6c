/* SPDX-License-Identifier: MIT
 *
 * advice.c - see advice.h. Callers: view.c.
 *
 * The order is that of health.c: who would mend the second cause before the first works in vain. What a sentence of
 * the document says already (its `reason` has a way out) is not repeated as a sentence, but as a command to copy.
 */
#include "agent/ctl/advice.h"

#include <string.h>

static const char *text_of(yyjson_val *object, const char *key)
{
	const char *text = yyjson_get_str(yyjson_obj_get(object, key));

	return text ? text : "";
}

static bool is(yyjson_val *object, const char *key, const char *word)
{
	return strcmp(text_of(object, key), word) == 0;
}

static void advise_services(struct hints *hints, yyjson_val *root, bool essential)
{
	yyjson_val *service;
	yyjson_arr_iter iter;

	yyjson_arr_iter_init(yyjson_obj_get(root, "services"), &iter);
	while ((service = yyjson_arr_iter_next(&iter)))
		if (yyjson_get_bool(yyjson_obj_get(service, "essential")) == essential)
			hints_for_service(hints, text_of(service, "name"),
				text_of(service, "state"), essential,
				yyjson_get_bool(yyjson_obj_get(service, "wanted")));
}

static void advise_stages(struct hints *hints, yyjson_val *root)
{
	yyjson_val *stage;
	yyjson_arr_iter iter;

	yyjson_arr_iter_init(yyjson_obj_get(root, "stages"), &iter);
	while ((stage = yyjson_arr_iter_next(&iter)))
		hints_for_stage(hints, text_of(stage, "name"), text_of(stage, "state"));
}

void advice_give(yyjson_val *document, bool agent_silent, struct hints *hints)
{
	yyjson_val *disk = yyjson_obj_get(document, "disk");

	hints->count = 0;
	if (is(document, "status", "stopping"))
		return;
	if (agent_silent)
		hints_for_silent_agent(hints);
	hints_for_disk(hints, text_of(document, "mode"), text_of(disk, "state"),
		text_of(disk, "situation"), text_of(disk, "forecast"));
	advise_services(hints, document, true);
	if (is(yyjson_obj_get(document, "engine"), "state", "unreachable"))
		hints_for_daemon(hints, "docker");
	if (is(yyjson_obj_get(document, "engine"), "state", "ready") &&
		is(yyjson_obj_get(document, "docker_api"), "state", "closed"))
		hints_for_docker_api(hints);
	advise_stages(hints, document);
	advise_services(hints, document, false);
	if (is(document, "status", "starting") && hints->count == 0)
		hints_for_start(hints);
	if (strstr(text_of(document, "reason"), "out of memory") ||
		strstr(text_of(document, "reason"), "want of memory"))
		hints_for_memory(hints);
	if (strstr(text_of(document, "reason"), "see keelctl clock"))
		hints_for_clock(hints);
}
