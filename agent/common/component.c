/* SPDX-License-Identifier: MIT
 *
 * component.c - see component.h. Callers: document_components.c, agent.c, api.c.
 *
 * What is wrong is health.c's matter. Here is what a component is when nothing is: up, on its way, not wanted, not known;
 * and what people can do.
 */
#include "agent/common/component.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum component_id component_of_stage(const char *name)
{
	if (strcmp(name, "disk") == 0)
		return COMPONENT_DISK;
	if (strcmp(name, "net") == 0)
		return COMPONENT_NETWORK;
	if (strcmp(name, "memory") == 0)
		return COMPONENT_MEMORY;
	return strcmp(name, "services") == 0 ? COMPONENT_SERVICES : COMPONENT_BOOT;
}

enum component_id component_of_daemon(enum engine_daemon_id id)
{
	return id == ENGINE_CONTAINERD ? COMPONENT_CONTAINERD : COMPONENT_DOCKER;
}

enum component_id component_of_service(const char *name)
{
	for (size_t i = 0; i < ENGINE_DAEMONS; i++)
		if (strcmp(name, engine_daemon_unit((enum engine_daemon_id)i)) == 0)
			return component_of_daemon((enum engine_daemon_id)i);
	return COMPONENT_SERVICES;
}

/* ---- nothing is wrong ---------------------------------------------------------------------------- */

static void set(struct component *component, enum component_state state, const char *reason)
{
	component->state = state;
	(void)snprintf(component->reason, sizeof(component->reason), "%s", reason);
}

/* A boot that goes on: the stage that it is at. */
static void rest_boot(const struct facts *facts, struct component *component)
{
	if (facts->boot.state != BOOT_STATE_STARTING)
		return;
	set(component, COMPONENT_STATE_STARTING, "the boot goes on");
	for (size_t i = 0; i < CONTROL_STAGES_MAX; i++)
		if (facts->stages[i].name[0] && facts->stages[i].state == STAGE_STATE_RUNNING) {
			(void)snprintf(component->reason, sizeof(component->reason),
				"boot stage %s runs", facts->stages[i].name);
			return;
		}
}

static void rest_network(const struct facts *facts, struct component *component)
{
	const struct control_stage *stage = facts_find_stage(facts, "net");

	if (!stage)
		set(component, COMPONENT_STATE_UNKNOWN, "PID 1 tells nothing of it");
	else if (stage->state == STAGE_STATE_SKIPPED)
		set(component, COMPONENT_STATE_OFF, stage->reason);
	else if (stage->state < STAGE_STATE_DONE)
		set(component, COMPONENT_STATE_STARTING, stage->reason);
}

/* The other daemon may be the engine's trouble, and this one have its own. */
static void rest_daemon(const struct facts *facts, enum engine_daemon_id id,
	struct component *component)
{
	const struct facts_daemon *daemon = &facts->engine.daemons[id];
	const struct control_service *service = facts_find_service(facts, engine_daemon_unit(id));

	if (!service) {
		set(component, COMPONENT_STATE_OFF, "it is no service of this guest");
		return;
	}
	if (service->state != SERVICE_STATE_ACTIVE && service->state != SERVICE_STATE_RELOADING) {
		set(component, service->wanted ? COMPONENT_STATE_STARTING : COMPONENT_STATE_OFF,
			service->reason);
		return;
	}
	if (facts->engine.state == ENGINE_STATE_READY || !daemon->known)
		return;
	if (daemon->state == DAEMON_STATE_SLOW || daemon->state == DAEMON_STATE_HUNG)
		set(component, COMPONENT_STATE_DEGRADED,
			daemon->reason[0] ? daemon->reason : "it does not answer on its socket");
	else if (daemon->state != DAEMON_STATE_READY)
		set(component, COMPONENT_STATE_STARTING, "it has not answered yet");
}

static void rest(const struct facts *facts, enum component_id id, struct component *component)
{
	switch (id) {
	case COMPONENT_BOOT:
		rest_boot(facts, component);
		break;
	case COMPONENT_DISK:
		if (facts->disk.state == DISK_STATE_NONE)
			set(component, COMPONENT_STATE_OFF, "configured away");
		break;
	case COMPONENT_NETWORK:
		rest_network(facts, component);
		break;
	case COMPONENT_MEMORY:
		if (!facts->memory_seen.known)
			set(component, COMPONENT_STATE_UNKNOWN, "nobody has looked at it yet");
		break;
	case COMPONENT_CLOCK:
		if (!facts->clock.known)
			set(component, COMPONENT_STATE_UNKNOWN, "nobody looks after it");
		break;
	case COMPONENT_CONTAINERD:
		rest_daemon(facts, ENGINE_CONTAINERD, component);
		break;
	case COMPONENT_DOCKER:
		rest_daemon(facts, ENGINE_DOCKERD, component);
		break;
	case COMPONENT_AGENT:
	case COMPONENT_SERVICES:
	case COMPONENTS:
		break;
	}
}

/* ---- the way out --------------------------------------------------------------------------------- */

static void hint_stages(const struct facts *facts, enum component_id id, struct hints *hints)
{
	for (size_t i = 0; i < CONTROL_STAGES_MAX; i++) {
		const struct control_stage *stage = &facts->stages[i];

		if (component_of_stage(stage->name) == id)
			hints_for_stage(hints, stage->name, stage_state_name(stage->state));
	}
}

static void hint_services(const struct facts *facts, enum component_id id, struct hints *hints)
{
	for (size_t i = 0; i < CONTROL_SERVICES_MAX; i++) {
		const struct control_service *service = &facts->services[i];

		if (service->name[0] && component_of_service(service->name) == id)
			hints_for_service(hints, service->name, service_state_name(service->state),
				service->essential != 0, service->wanted != 0);
	}
}

static void hint_daemon(const struct facts *facts, enum component_id id, enum component_state state,
	struct hints *hints)
{
	hint_services(facts, id, hints);
	if (hints->count == 0 && id == COMPONENT_DOCKER &&
		facts->engine.state == ENGINE_STATE_READY &&
		facts->docker.state == DOCKER_API_CLOSED)
		hints_for_docker_api(hints);
	if (hints->count == 0 && state != COMPONENT_STATE_STARTING)
		hints_for_daemon(hints, id == COMPONENT_CONTAINERD ? "containerd" : "docker");
}

static void find_hints(const struct facts *facts, enum component_id id, enum component_state state,
	struct hints *hints)
{
	switch (id) {
	case COMPONENT_AGENT:
	case COMPONENT_BOOT:
	case COMPONENT_NETWORK:
		hint_stages(facts, id, hints);
		break;
	case COMPONENT_DISK:
		hints_for_disk(hints, boot_mode_name(facts->boot.mode),
			disk_state_name(facts->disk.state),
			disk_situation_name(health_disk_situation(facts)),
			facts->disk_seen.space_known
				? space_word_name(facts->disk_seen.forecast.word)
				: "");
		hint_stages(facts, id, hints);
		break;
	case COMPONENT_MEMORY:
		if (health_oom_recent(facts))
			hints_for_memory(hints);
		hint_stages(facts, id, hints);
		break;
	case COMPONENT_CLOCK:
		hints_for_clock(hints);
		break;
	case COMPONENT_CONTAINERD:
	case COMPONENT_DOCKER:
		hint_daemon(facts, id, state, hints);
		break;
	case COMPONENT_SERVICES:
		hint_services(facts, id, hints);
		hint_stages(facts, id, hints);
		break;
	case COMPONENTS:
		break;
	}
	/* Of what else goes wrong, PID 1 and the kernel know most. */
	if (hints->count == 0 && state == COMPONENT_STATE_STARTING)
		hints_for_start(hints);
	else if (hints->count == 0)
		hints_for_stage(hints, "", stage_state_name(STAGE_STATE_FAILED));
}

/* ---- the component ------------------------------------------------------------------------------- */

static enum component_state state_of(enum health_status status)
{
	switch (status) {
	case HEALTH_STATUS_STARTING:
		return COMPONENT_STATE_STARTING;
	case HEALTH_STATUS_READY:
		return COMPONENT_STATE_OK;
	case HEALTH_STATUS_DEGRADED:
		return COMPONENT_STATE_DEGRADED;
	case HEALTH_STATUS_FAILED:
		return COMPONENT_STATE_FAILED;
	case HEALTH_STATUS_STOPPING:
		return COMPONENT_STATE_OFF;
	}
	return COMPONENT_STATE_UNKNOWN;
}

/* What the agent sees with its own eyes is known without PID 1; that it is silent is the agent's own objection. */
static bool is_unknown(const struct facts *facts, enum component_id id)
{
	return (facts->link != FACTS_LINK_UP || !facts->boot_known) && id != COMPONENT_MEMORY &&
	       id != COMPONENT_CLOCK;
}

static void judge_state(const struct facts *facts, enum component_id id,
	struct component *component)
{
	struct health own, whole;

	health_judge_component(facts, id, &own);
	set(component, state_of(own.status), own.reason);
	if (component->state != COMPONENT_STATE_OK)
		return;
	if (is_unknown(facts, id)) {
		set(component, COMPONENT_STATE_UNKNOWN, "PID 1 does not answer");
		return;
	}
	if (id == COMPONENT_BOOT) {
		/* That PID 1 calls the boot degraded is the boot's if nothing else explains it. */
		health_judge(facts, &whole);
		if (whole.cause == COMPONENT_BOOT) {
			set(component, state_of(whole.status), whole.reason);
			return;
		}
	}
	rest(facts, id, component);
}

void component_judge(const struct facts *facts, enum component_id id, struct component *component)
{
	struct hints hints = {0};

	component->hint[0] = '\0';
	judge_state(facts, id, component);
	switch (component->state) {
	case COMPONENT_STATE_STARTING:
	case COMPONENT_STATE_DEGRADED:
	case COMPONENT_STATE_FAILED:
		find_hints(facts, id, component->state, &hints);
		break;
	case COMPONENT_STATE_OK:
	case COMPONENT_STATE_UNKNOWN:
	case COMPONENT_STATE_OFF:
		break;
	}
	hints_write(&hints, component->hint);
}

void component_follow(struct facts *facts, uint64_t boot_us, uint64_t realtime_ms)
{
	for (size_t i = 0; i < COMPONENTS; i++) {
		struct component_since *since = &facts->since[i];
		struct component component;

		component_judge(facts, (enum component_id)i, &component);
		if (since->known && since->state == component.state)
			continue;
		*since = (struct component_since){.known = true,
			.state = component.state,
			.boot_us = boot_us,
			.realtime_ms = realtime_ms};
	}
}

const char *component_name(enum component_id id)
{
	static const char *const names[] = {"agent", "boot", "disk", "network", "memory", "clock",
		"containerd", "docker", "services"};

	static_assert(ARRAY_SIZE(names) == COMPONENTS, "a name for each component");
	return (unsigned int)id < ARRAY_SIZE(names) ? names[id] : "?";
}

const char *component_state_name(enum component_state state)
{
	static const char *const names[] = {
		"ok", "starting", "degraded", "failed", "unknown", "off"};

	static_assert(ARRAY_SIZE(names) == COMPONENT_STATE_OFF + 1, "a name for each state");
	return (unsigned int)state < ARRAY_SIZE(names) ? names[state] : "?";
}
