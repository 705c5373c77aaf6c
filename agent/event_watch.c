/* SPDX-License-Identifier: MIT
 *
 * event_watch.c - see event_watch.h. Caller: agent.c. docs/api.md has the members of each event.
 */
#include "agent/event_watch.h"

#include <string.h>
#include <sys/wait.h>

#include "agent/common/document_memory.h"
#include "agent/event_json.h"
#include "lib/memory_mode.h"

static void add_text(struct event_json *json, const char *key, const char *text)
{
	(void)yyjson_mut_obj_add_str(json->doc, json->root, key, text);
}

static void add_number(struct event_json *json, const char *key, uint64_t number)
{
	(void)yyjson_mut_obj_add_uint(json->doc, json->root, key, number);
}

/* ---- health ------------------------------------------------------------------------------------------ */

static void watch_health(struct event_watch *watch)
{
	struct event_json json;
	struct health health;

	health_judge(watch->facts, &health);
	if (watch->begun && health.status == watch->health.status &&
		health.ready == watch->health.ready &&
		text_same_words(health.reason, watch->health.reason))
		return;
	event_json_begin(&json);
	add_text(&json, "status", health_status_name(health.status));
	if (watch->begun)
		add_text(&json, "was", health_status_name(watch->health.status));
	(void)yyjson_mut_obj_add_bool(json.doc, json.root, "ready", health.ready);
	add_text(&json, "reason", health.reason);
	event_json_end(&json, watch->events, EVENT_STATUS);
	watch->health = health;
	watch->begun = true;
}

/* ---- PID 1's ----------------------------------------------------------------------------------------- */

static void tell_service(struct event_watch *watch, const struct control_service *service,
	const struct event_watch_service *old)
{
	struct event_json json;

	event_json_begin(&json);
	add_text(&json, "name", service->name);
	add_text(&json, "state", service_state_name(service->state));
	if (old->name[0])
		add_text(&json, "was", service_state_name(old->state));
	(void)yyjson_mut_obj_add_bool(json.doc, json.root, "wanted", service->wanted != 0);
	(void)yyjson_mut_obj_add_int(json.doc, json.root, "pid", service->pid);
	add_number(&json, "restarts", service->restarts);
	document_add_ms(json.doc, json.root, "since_ms", service->since_us);
	if (service->exit_us > 0) {
		document_add_ms(json.doc, json.root, "exit_ms", service->exit_us);
		if (WIFEXITED(service->exit_status))
			add_number(&json, "exit_code", (uint64_t)WEXITSTATUS(service->exit_status));
		else if (WIFSIGNALED(service->exit_status))
			add_number(&json, "exit_signal", (uint64_t)WTERMSIG(service->exit_status));
	}
	add_text(&json, "reason", service->reason);
	event_json_end(&json, watch->events, EVENT_SERVICE);
}

/* Between two looks a service may have died and come back: its count or its last end says so. */
static void watch_service(struct event_watch *watch, size_t index)
{
	const struct control_service *service = &watch->facts->services[index];
	struct event_watch_service *old = &watch->services[index];
	bool known = strcmp(old->name, service->name) == 0;

	if (!service->name[0])
		return;
	if (!known)
		*old = (struct event_watch_service){.state = SERVICE_STATE_INACTIVE};
	if (service->state != old->state || service->restarts != old->restarts ||
		service->exit_us != old->exit_us || (known && service->wanted != old->wanted))
		tell_service(watch, service, old);
	memcpy(old->name, service->name, sizeof(old->name));
	old->state = service->state;
	old->wanted = service->wanted;
	old->restarts = service->restarts;
	old->exit_us = service->exit_us;
}

static void watch_stage(struct event_watch *watch, size_t index)
{
	const struct control_stage *stage = &watch->facts->stages[index];
	uint8_t old = watch->stages[index];
	struct event_json json;

	if (!stage->name[0] || stage->state == old)
		return;
	watch->stages[index] = stage->state;
	event_json_begin(&json);
	add_text(&json, "name", stage->name);
	add_text(&json, "state", stage_state_name(stage->state));
	document_add_ms(json.doc, json.root, "start_ms", stage->start_us);
	if (stage->end_us > 0)
		document_add_ms(json.doc, json.root, "ms", stage->end_us - stage->start_us);
	add_text(&json, "reason", stage->reason);
	event_json_end(&json, watch->events, EVENT_STAGE);
}

/* ---- the engine -------------------------------------------------------------------------------------- */

static void watch_daemon(struct event_watch *watch, size_t index)
{
	const struct facts_daemon *daemon = &watch->facts->engine.daemons[index];
	struct facts_daemon *old = &watch->daemons[index];
	struct event_json json;

	if (!daemon->known || (daemon->state == old->state && daemon->restarts == old->restarts))
		return;
	event_json_begin(&json);
	add_text(&json, "name", engine_daemon_name((enum engine_daemon_id)index));
	add_text(&json, "state", daemon_state_name(daemon->state));
	if (old->known)
		add_text(&json, "was", daemon_state_name(old->state));
	add_number(&json, "restarts", daemon->restarts);
	add_text(&json, "reason",
		daemon->restarts != old->restarts ? daemon->restart_reason : daemon->reason);
	event_json_end(&json, watch->events, EVENT_ENGINE);
	*old = *daemon;
}

/* ---- the data disk ----------------------------------------------------------------------------------- */

static void begin_disk(const struct event_watch *watch, struct event_json *json, const char *what)
{
	const struct disk_seen *seen = &watch->facts->disk_seen;

	event_json_begin(json);
	add_text(json, "what", what);
	add_text(json, "device", watch->facts->disk.device);
	if (seen->watched && seen->space_known)
		add_number(json, "free_bytes", seen->space.free);
}

/* `value` was another word, or "". */
static void tell_disk_word(const struct event_watch *watch, const char *what, const char *value,
	const char *old)
{
	const struct space_verdict *forecast = &watch->facts->disk_seen.forecast;
	struct event_json json;

	if (old && strcmp(value, old) == 0)
		return;
	begin_disk(watch, &json, what);
	add_text(&json, "value", value);
	if (old)
		add_text(&json, "was", old);
	if (strcmp(what, "forecast") == 0 && forecast->full_known)
		add_number(&json, "full_in_s", forecast->full_in_s);
	add_text(&json, "reason", watch->facts->disk.reason);
	event_json_end(&json, watch->events, EVENT_DISK);
}

static void tell_disk_number(const struct event_watch *watch, const char *what, uint64_t value,
	uint64_t old)
{
	struct event_json json;

	if (value == old)
		return;
	begin_disk(watch, &json, what);
	add_number(&json, "value", value);
	add_number(&json, "was", old);
	event_json_end(&json, watch->events, EVENT_DISK);
}

static void watch_disk(struct event_watch *watch)
{
	const struct disk_seen *seen = &watch->facts->disk_seen;
	struct event_watch_disk *old = &watch->disk;
	struct event_watch_disk now = {
		.state = disk_state_name(watch->facts->disk.state),
		.situation = disk_situation_name(health_disk_situation(watch->facts)),
		/* unknown for a moment is no news */
		.forecast =
			seen->space_known ? space_word_name(seen->forecast.word) : old->forecast,
		.size_bytes =
			seen->watched && seen->size_bytes > 0 ? seen->size_bytes : old->size_bytes,
		.errors = seen->watched ? seen->errors.count + seen->errors.io_count : 0,
	};

	memcpy(now.job, seen->job.verb, sizeof(now.job));
	tell_disk_word(watch, "state", now.state, old->state);
	tell_disk_word(watch, "situation", now.situation, old->situation);
	if (now.forecast)
		tell_disk_word(watch, "forecast", now.forecast, old->forecast);
	tell_disk_word(watch, "job", now.job, old->job);
	if (old->size_bytes > 0)
		tell_disk_number(watch, "size", now.size_bytes, old->size_bytes);
	/* The first is a situation; a device that fails has thousands. Fewer are those of another mount. */
	if (now.errors > 0 && count_is_news(now.errors, old->errors))
		tell_disk_number(watch, "errors", now.errors, old->errors);
	else
		now.errors = now.errors > 0 ? old->errors : 0;
	*old = now;
}

/* ---- memory ------------------------------------------------------------------------------------------ */

static void tell_memory_number(struct event_watch *watch, const char *what, uint64_t value,
	const char *text)
{
	struct event_json json;

	event_json_begin(&json);
	add_text(&json, "what", what);
	if (value > 0)
		add_number(&json, "value", value);
	else
		(void)yyjson_mut_obj_add_null(json.doc, json.root, "value");
	if (text[0])
		add_text(&json, "reason", text);
	event_json_end(&json, watch->events, EVENT_MEMORY);
}

static void watch_memory_mode(struct event_watch *watch, const char *mode)
{
	struct event_json json;

	if (watch->memory_mode && strcmp(watch->memory_mode, mode) == 0)
		return;
	event_json_begin(&json);
	add_text(&json, "what", "mode");
	add_text(&json, "value", mode);
	if (watch->memory_mode)
		add_text(&json, "was", watch->memory_mode);
	event_json_end(&json, watch->events, EVENT_MEMORY);
	watch->memory_mode = mode;
}

static void watch_memory(struct event_watch *watch)
{
	const struct memory_seen *seen = &watch->facts->memory_seen;

	if (!seen->known)
		return;
	watch_memory_mode(watch, memory_mode_name(seen->mode));
	if (seen->target != watch->memory_target)
		tell_memory_number(watch, "target", seen->target, "");
	watch->memory_target = seen->target;
	if (seen->working)
		return;
	if (seen->reclaimed != watch->memory_reclaimed)
		tell_memory_number(watch, "reclaimed", seen->reclaimed - watch->memory_reclaimed,
			seen->waiting);
	watch->memory_reclaimed = seen->reclaimed;
}

/* ---- all of it --------------------------------------------------------------------------------------- */

void event_watch_init(struct event_watch *watch, struct events *events, const struct facts *facts)
{
	*watch = (struct event_watch){.events = events, .facts = facts};
	event_oom_init(&watch->oom, events, &facts->memory_seen);
	event_kernel_init(&watch->kernel, events);
	event_pressure_init(&watch->pressure, events);
}

void event_watch_start(struct event_watch *watch)
{
	event_kernel_start(&watch->kernel);
	event_pressure_start(&watch->pressure);
}

/* Causes before what follows from them. */
void event_watch_update(struct event_watch *watch)
{
	for (size_t i = 0; i < CONTROL_STAGES_MAX; i++)
		watch_stage(watch, i);
	watch_disk(watch);
	for (size_t i = 0; i < CONTROL_SERVICES_MAX; i++)
		watch_service(watch, i);
	for (size_t i = 0; i < ENGINE_DAEMONS; i++)
		watch_daemon(watch, i);
	watch_memory(watch);
	event_oom_update(&watch->oom);
	watch_health(watch);
}

void event_watch_stop(struct event_watch *watch)
{
	event_oom_stop(&watch->oom);
	event_kernel_stop(&watch->kernel);
	event_pressure_stop(&watch->pressure);
}
