/* SPDX-License-Identifier: MIT
 *
 * service_deps.c - who waits for whom, who is started and stopped with whom.
 */
#include <stdio.h>
#include <string.h>

#include "init/service.h"
#include "init/stage.h"

struct service *service_find(struct init *init, const char *name)
{
	for (unsigned int i = 0; i < init->service_count; i++)
		if (strcmp(init->services[i].unit.name, name) == 0)
			return &init->services[i];
	return NULL;
}

/* Says in `why` what `name` still lacks for a unit that lists it in After= (required: Requires=). */
static bool dependency_met(struct init *init, const char *name, bool required, char *why,
	size_t size)
{
	struct service *other = service_find(init, name);
	int stage = stage_find_target(name);
	enum service_state state;

	if (stage >= 0) {
		const struct control_stage *record = &init->stages[stage].record;
		bool met = required ? stage_is_met(init, (enum stage_id)stage)
				    : stage_is_settled(init, (enum stage_id)stage);

		if (!met)
			(void)snprintf(why, size, "waits for %s%s%.150s", name,
				record->reason[0] ? ": " : "", record->reason);
		return met;
	}
	if (!other || !other->usable)
		return true; /* unknown, masked, a socket unit, or of systemd alone */
	state = other->sm.state;
	if (state == SERVICE_STATE_ACTIVE || state == SERVICE_STATE_RELOADING || other->sm.done)
		return true;
	/* Order only: one that is not coming up does not hold others back. */
	if (!required && (state == SERVICE_STATE_INACTIVE || state == SERVICE_STATE_FAILED))
		return true;
	(void)snprintf(why, size, "waits for %s (%s)", name, service_state_name(state));
	return false;
}

static bool listed(char *const *list, const char *name)
{
	for (size_t i = 0; list[i]; i++)
		if (strcmp(list[i], name) == 0)
			return true;
	return false;
}

/* After= orders. Requires= alone starts in parallel with another service (as in systemd), but what a
 * stage provides must be there in any case. */
static bool dependencies_met(struct service *service, char *why, size_t size)
{
	const struct unit *unit = &service->unit;

	for (size_t i = 0; unit->after[i]; i++)
		if (!dependency_met(service->init, unit->after[i],
			    listed(unit->requires, unit->after[i]), why, size))
			return false;
	for (size_t i = 0; unit->requires[i]; i++)
		if (stage_find_target(unit->requires[i]) >= 0 &&
			!dependency_met(service->init, unit->requires[i], true, why, size))
			return false;
	return true;
}

void service_check_waiting(struct init *init)
{
	for (unsigned int i = 0; i < init->service_count; i++) {
		struct service *service = &init->services[i];
		char why[CONTROL_REASON_MAX] = "";

		if (service->sm.state != SERVICE_STATE_WAITING)
			continue;
		if (dependencies_met(service, why, sizeof(why)))
			service_event(service, SM_EVENT_DEPS_MET, (struct sm_facts){0});
		else
			service_set_reason(service, why);
	}
}

void service_check_stage(struct init *init)
{
	char why[CONTROL_REASON_MAX] = "";
	bool busy = false;

	if (init->shutdown != SHUTDOWN_NONE)
		return;
	for (unsigned int i = 0; i < init->service_count; i++) {
		const struct service *service = &init->services[i];
		enum service_state state = service->sm.state;

		if (!service->unit.enabled || !service->usable)
			continue;
		if (state == SERVICE_STATE_FAILED)
			(void)snprintf(why, sizeof(why), "%s failed", service->unit.name);
		if (state == SERVICE_STATE_WAITING || state == SERVICE_STATE_STARTING ||
			state == SERVICE_STATE_BACKOFF || state == SERVICE_STATE_STOPPING)
			busy = true;
	}
	/* Its first end is what "boot took so long" means; after that only health tells about services. */
	if (!busy && init->stages[STAGE_SERVICES].record.end_us == 0)
		stage_set(init, STAGE_SERVICES, why[0] ? STAGE_STATE_DEGRADED : STAGE_STATE_DONE,
			why);
}

/* Ends: whoever is wanted already is not looked at again. */
static void start_dependencies(struct service *service)
{
	char *const *lists[] = {service->unit.requires, service->unit.wants};

	for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
		for (size_t i = 0; lists[l][i]; i++) {
			struct service *other = service_find(service->init, lists[l][i]);

			if (other && other->usable && !other->sm.wanted)
				service_start(other);
		}
	}
}

void service_start(struct service *service)
{
	service_event(service, SM_EVENT_WANT, (struct sm_facts){0});
	start_dependencies(service);
}

/* systemd.unit(5), Requires=: an explicit stop or restart reaches whoever requires the unit. */
static void send_with_dependents(struct service *service, enum sm_event event)
{
	struct init *init = service->init;

	for (unsigned int i = 0; i < init->service_count; i++) {
		struct service *other = &init->services[i];

		if (other != service && service_is_up(other) &&
			listed(other->unit.requires, service->unit.name))
			service_event(other, event, (struct sm_facts){0});
	}
	service_event(service, event, (struct sm_facts){0});
}

void service_stop(struct service *service)
{
	send_with_dependents(service, SM_EVENT_UNWANT);
}

void service_restart(struct service *service)
{
	send_with_dependents(service, SM_EVENT_RESTART);
}

void service_start_enabled(struct init *init)
{
	stage_set(init, STAGE_SERVICES, STAGE_STATE_RUNNING, "");
	for (unsigned int i = 0; i < init->service_count; i++)
		if (init->services[i].unit.enabled && init->services[i].usable &&
			!init->services[i].sm.wanted)
			service_start(&init->services[i]);
}

bool service_is_up(const struct service *service)
{
	switch (service->sm.state) {
	case SERVICE_STATE_INACTIVE:
	case SERVICE_STATE_FAILED:
		return false;
	case SERVICE_STATE_WAITING:
	case SERVICE_STATE_STARTING:
	case SERVICE_STATE_ACTIVE: /* without a process too: ExecStop= may undo what it did */
	case SERVICE_STATE_RELOADING:
	case SERVICE_STATE_STOPPING:
	case SERVICE_STATE_BACKOFF:
		return true;
	}
	return false;
}

bool service_is_keel(const struct service *service)
{
	return service->unit.slice && strcmp(service->unit.slice, "keel") == 0;
}

bool service_depends_on(const struct service *service, const struct service *other)
{
	return listed(service->unit.requires, other->unit.name) ||
	       listed(service->unit.wants, other->unit.name) ||
	       listed(service->unit.after, other->unit.name);
}
