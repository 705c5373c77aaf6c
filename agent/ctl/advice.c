/* SPDX-License-Identifier: MIT
 *
 * advice.c - see advice.h. Callers: view.c.
 *
 * The order is that of health.c: who would mend the second cause before the first works in vain. What a sentence of
 * the document says already (its `reason` has a way out) is not repeated as a sentence, but as a command to copy.
 */
#include "agent/ctl/advice.h"

#include <stdio.h>
#include <string.h>

#include "lib/control.h"

struct list {
	struct advice *advice;
	size_t count;
};

static const char *text_of(yyjson_val *object, const char *key)
{
	const char *text = yyjson_get_str(yyjson_obj_get(object, key));

	return text ? text : "";
}

static bool is(yyjson_val *object, const char *key, const char *word)
{
	return strcmp(text_of(object, key), word) == 0;
}

static bool is_situation(yyjson_val *disk, enum disk_situation situation)
{
	return is(disk, "situation", disk_situation_name(situation));
}

/* `unit`: put behind the command; "" for none. What is in the list already is not added. */
static void add(struct list *list, const char *command, const char *unit, const char *about)
{
	struct advice *advice = &list->advice[list->count];

	if (list->count == ADVICE_MAX)
		return;
	(void)snprintf(advice->command, sizeof(advice->command), "%s%.31s", command, unit);
	advice->about = about;
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->advice[i].command, advice->command) == 0)
			return;
	list->count++;
}

static void add_attach(struct list *list, yyjson_val *root)
{
	if (is(root, "mode", "wsl"))
		add(list, "wsl --mount --vhd PATH --bare", "",
			"in Windows: attaches the data disk");
}

static void advise_disk(struct list *list, yyjson_val *root)
{
	yyjson_val *disk = yyjson_obj_get(root, "disk");

	if (is_situation(disk, DISK_SITUATION_NO_DISK) ||
		is_situation(disk, DISK_SITUATION_VANISHED))
		add_attach(list, root);
	if (is_situation(disk, DISK_SITUATION_FS_ERRORS) ||
		is_situation(disk, DISK_SITUATION_IO_ERRORS)) {
		add(list, "keelctl disk status", "",
			"what went wrong with the data disk, and when");
		add(list, "keelctl disk repair", "", "checks and mends it; containers are stopped");
	} else if (is_situation(disk, DISK_SITUATION_UNMOUNTED)) {
		add(list, "keelctl reboot", "",
			"mounts the data disk again; containers are stopped");
	} else if (is(disk, "state", "refused") || is(disk, "state", "rescue") ||
		   (text_of(disk, "situation")[0] && !is_situation(disk, DISK_SITUATION_OK))) {
		add(list, "keelctl disk list", "", "every disk, and what is on it");
		add(list, "man keel-disk", "", "the way out of each situation");
	}
	if (is(disk, "forecast", "critical") || is(disk, "forecast", "low")) {
		add(list, "docker system df", "", "what takes the space of the data disk");
		add(list, "docker system prune", "", "removes what no container uses");
	}
}

static void advise_service(struct list *list, yyjson_val *service)
{
	const char *name = text_of(service, "name");

	if (is(service, "state", "failed") || is(service, "state", "backoff")) {
		add(list, "keelctl logs -n 20 ", name, "its last words");
		add(list, "keelctl restart ", name, "starts it again, now");
	} else if (is(service, "state", "inactive") &&
		   yyjson_get_bool(yyjson_obj_get(service, "essential")) &&
		   !yyjson_get_bool(yyjson_obj_get(service, "wanted"))) {
		add(list, "keelctl start ", name, "somebody stopped it");
	}
}

static void advise_services(struct list *list, yyjson_val *root, bool essential)
{
	yyjson_val *service;
	yyjson_arr_iter iter;

	yyjson_arr_iter_init(yyjson_obj_get(root, "services"), &iter);
	while ((service = yyjson_arr_iter_next(&iter)))
		if (yyjson_get_bool(yyjson_obj_get(service, "essential")) == essential)
			advise_service(list, service);
}

static void advise_stages(struct list *list, yyjson_val *root)
{
	yyjson_val *stage;
	yyjson_arr_iter iter;

	yyjson_arr_iter_init(yyjson_obj_get(root, "stages"), &iter);
	while ((stage = yyjson_arr_iter_next(&iter))) {
		if (!is(stage, "state", "failed") && !is(stage, "state", "degraded"))
			continue;
		if (is(stage, "name", "modules"))
			add(list, "keelctl kernel", "", "what this kernel lacks");
		if (is(stage, "name", "net"))
			add(list, "ip address; ip route", "", "the network as it is");
		add(list, "journalctl -k", "", "what PID 1 and the kernel said");
	}
}

size_t advice_give(yyjson_val *document, bool agent_silent, struct advice advice[ADVICE_MAX])
{
	struct list list = {.advice = advice};
	yyjson_val *engine = yyjson_obj_get(document, "engine");

	if (is(document, "status", "stopping"))
		return 0;
	if (agent_silent) {
		add(&list, "keelctl logs -n 20 ", "keel-agent", "its last words");
		add(&list, "keelctl restart ", "keel-agent", "containers do not notice");
	}
	advise_disk(&list, document);
	advise_services(&list, document, true);
	if (is(engine, "state", "unreachable")) {
		add(&list, "keelctl logs -n 20 ", "docker", "what dockerd says");
		add(&list, "keelctl restart ", "docker", "containers go on");
	}
	advise_stages(&list, document);
	advise_services(&list, document, false);
	if (is(document, "status", "starting") && list.count == 0) {
		add(&list, "keelctl wait", "", "comes back when the engine is ready");
		add(&list, "keelctl logs -f ", "docker", "what dockerd does meanwhile");
	}
	if (strstr(text_of(document, "reason"), "out of memory") ||
		strstr(text_of(document, "reason"), "want of memory"))
		add(&list, "keelctl memory", "", "what uses the memory, and what was killed");
	return list.count;
}
