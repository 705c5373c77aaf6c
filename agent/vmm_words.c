/* SPDX-License-Identifier: MIT
 *
 * vmm_words.c - see vmm_words.h. Caller: vmm_notify.c.
 */
#include "agent/vmm_words.h"

#include <stdio.h>
#include <string.h>

static bool stage_good(const struct facts *facts, const char *name)
{
	const struct control_stage *stage = facts_find_stage(facts, name);

	return stage && stage->state >= STAGE_STATE_DONE && stage->state != STAGE_STATE_FAILED;
}

static bool is_stopping(const struct facts *facts)
{
	return facts->boot.state == BOOT_STATE_STOPPING;
}

static bool sysinit_active(const struct facts *facts)
{
	return stage_good(facts, "console") && stage_good(facts, "mounts") &&
	       stage_good(facts, "cgroup") && stage_good(facts, "memory") &&
	       stage_good(facts, "modules");
}

static bool disk_active(const struct facts *facts)
{
	return stage_good(facts, "disk");
}

static bool net_active(const struct facts *facts)
{
	return stage_good(facts, "net");
}

/* A guest without its data disk is up: its reason is in the status. */
static bool basic_active(const struct facts *facts)
{
	return sysinit_active(facts) && facts_stage_over(facts, "disk") &&
	       facts_stage_over(facts, "net");
}

static bool multi_user_active(const struct facts *facts)
{
	return stage_good(facts, "services") && !is_stopping(facts);
}

static const struct {
	const char *name;
	bool (*active)(const struct facts *facts);
} targets[] = {
	{"sysinit.target", sysinit_active},
	{"local-fs.target", disk_active},
	{"network.target", net_active},
	{"network-online.target", net_active},
	{"basic.target", basic_active},
	{"multi-user.target", multi_user_active},
	{"shutdown.target", is_stopping},
};

_Static_assert(ARRAY_SIZE(targets) == VMM_WORDS_TARGETS, "what was said of each");

static void put_unit(char text[VMM_WORDS_MAX], bool active, const char *name)
{
	(void)snprintf(text, VMM_WORDS_MAX, "X_SYSTEMD_UNIT_%s=%s", active ? "ACTIVE" : "INACTIVE",
		name);
}

static bool next_target(const struct facts *facts, struct vmm_said *said, size_t first, size_t end,
	char text[VMM_WORDS_MAX])
{
	for (size_t i = first; i < end; i++) {
		bool active = targets[i].active(facts);

		if (active == said->targets[i])
			continue;
		said->targets[i] = active;
		put_unit(text, active, targets[i].name);
		return true;
	}
	return false;
}

/* A place in the table may be another service's after a daemon-reload: what was said is kept by name. */
static bool next_service(const struct facts *facts, struct vmm_said *said, char text[VMM_WORDS_MAX])
{
	for (size_t i = 0; i < CONTROL_SERVICES_MAX; i++) {
		const struct control_service *service = &facts->services[i];
		bool active = service->state == SERVICE_STATE_ACTIVE ||
			      service->state == SERVICE_STATE_RELOADING;
		char *name = said->services[i];

		if (name[0] && !(active && strcmp(name, service->name) == 0)) {
			put_unit(text, false, name);
			name[0] = '\0';
			return true;
		}
		if (!name[0] && active && service->name[0]) {
			memcpy(name, service->name, CONTROL_NAME_MAX);
			put_unit(text, true, name);
			return true;
		}
	}
	return false;
}

/* As systemd's queue of jobs is empty: without the data disk what requires it waits, for a disk may come late, where systemd's
 * jobs fail. */
static bool boot_over(const struct facts *facts)
{
	if (facts_stage_over(facts, "services"))
		return true;
	if (!basic_active(facts) || disk_active(facts))
		return false;
	for (size_t i = 0; i < CONTROL_SERVICES_MAX; i++)
		if (facts->services[i].state == SERVICE_STATE_STARTING)
			return false;
	return true;
}

static bool next_status(const struct facts *facts, const struct health *health,
	struct vmm_said *said, char text[VMM_WORDS_MAX])
{
	bool ready = said->ready || boot_over(facts);
	char status[sizeof(said->status)];

	if (health->status == HEALTH_STATUS_READY)
		(void)snprintf(status, sizeof(status), "Ready.");
	else
		(void)snprintf(status, sizeof(status), "%s: %s", health_status_name(health->status),
			health->reason);
	if (ready == said->ready && strcmp(status, said->status) == 0)
		return false;
	(void)snprintf(text, VMM_WORDS_MAX, "%sSTATUS=%s", ready && !said->ready ? "READY=1\n" : "",
		status);
	said->ready = ready;
	memcpy(said->status, status, sizeof(status));
	return true;
}

bool vmm_words_next(const struct facts *facts, const struct health *health,
	const struct vmm_identity *identity, struct vmm_said *said, char text[VMM_WORDS_MAX])
{
	/* Nothing is known: not even what is wrong. */
	if (!facts->boot_known)
		return false;
	if (!said->machine_id && identity->machine_id[0]) {
		said->machine_id = true;
		(void)snprintf(text, VMM_WORDS_MAX, "X_SYSTEMD_MACHINE_ID=%s",
			identity->machine_id);
		return true;
	}
	if (!said->hostname && identity->hostname[0]) {
		said->hostname = true;
		(void)snprintf(text, VMM_WORDS_MAX, "X_SYSTEMD_HOSTNAME=%s", identity->hostname);
		return true;
	}
	/* In systemd's order: multi-user.target comes after READY=1. */
	return next_target(facts, said, 0, VMM_WORDS_TARGETS - 2, text) ||
	       next_service(facts, said, text) || next_status(facts, health, said, text) ||
	       next_target(facts, said, VMM_WORDS_TARGETS - 2, VMM_WORDS_TARGETS, text);
}
