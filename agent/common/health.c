/* SPDX-License-Identifier: MIT
 *
 * health.c - see health.h for the words. tests/unit/test_health.c goes through every combination.
 *
 * The judgement is a list of checks in order of dependency (boot, rescue, disk, services, engine). The first one that
 * has an objection against readiness decides; without one, the blemishes decide between
 * ready and degraded. Each check knows whose matter it is; asked for one component, those of the others are passed over: so
 * what a component says and what the whole says cannot differ.
 */
#include "agent/common/health.h"

#include <assert.h>
#include <string.h>

#include "agent/common/clock_policy.h"
#include "agent/common/component.h"
#include "agent/common/health_disk.h"

/* Is the verdict of this component asked for? */
static bool concerns(enum component_id of, enum component_id id)
{
	return of == COMPONENTS || of == id;
}

/* The verdict is that of this component; true, for the end of a check. */
static bool blame(struct health *health, enum component_id id)
{
	health->cause = id;
	return true;
}

/* What PID 1 said is old, or there is nothing yet: only the agent's own eyes count. */
static bool is_deaf(const struct facts *facts)
{
	return facts->link != FACTS_LINK_UP || !facts->boot_known;
}

static bool agent_objects(const struct facts *facts, struct health *health)
{
	if (facts->link == FACTS_LINK_LOST)
		return health_object(health, HEALTH_STATUS_DEGRADED,
			"PID 1 no longer answers on its control socket; see dmesg in the guest");
	if (is_deaf(facts))
		return health_object(health, HEALTH_STATUS_STARTING,
			"waiting for the first word of PID 1");
	return false;
}

static bool ends_object(const struct facts *facts, enum component_id of, struct health *health)
{
	if (concerns(of, COMPONENT_AGENT) && facts->agent_stopping) {
		(void)health_object(health, HEALTH_STATUS_STOPPING, "the agent is being stopped");
		return blame(health, COMPONENT_AGENT);
	}
	if (concerns(of, COMPONENT_BOOT) && facts->boot_known &&
		facts->boot.state == BOOT_STATE_STOPPING) {
		(void)health_object(health, HEALTH_STATUS_STOPPING,
			"the guest is shutting down%s%s", DETAIL(facts->boot.reason));
		return blame(health, COMPONENT_BOOT);
	}
	return false;
}

/* PID 1 starts no services: a stage without which there is nothing has failed, or no unit is usable. */
static bool rescue_objects(const struct facts *facts, struct health *health)
{
	const struct control_stage *stage = facts_find_stage(facts, "services");

	if (!stage || stage->state != STAGE_STATE_FAILED)
		return false;
	return health_object(health, HEALTH_STATUS_FAILED, "the boot failed%s%s",
		DETAIL(stage->reason));
}

/* Not active: is that the ordinary way up, a crash, or somebody's wish? */
static bool service_objects(const struct control_service *service, struct health *health)
{
	const char *name = service->name, *word = service_state_name(service->state);
	bool up_before = service->ready_us != 0 || service->restarts > 0;

	switch ((enum service_state)service->state) {
	case SERVICE_STATE_ACTIVE:
	case SERVICE_STATE_RELOADING:
		return false;
	case SERVICE_STATE_FAILED:
		return health_object(health, HEALTH_STATUS_FAILED,
			"%s failed%s%s; then: keelctl restart %s", name, DETAIL(service->reason),
			name);
	case SERVICE_STATE_BACKOFF:
		return health_object(health, HEALTH_STATUS_DEGRADED,
			"%s died and will be restarted%s%s", name, DETAIL(service->reason));
	case SERVICE_STATE_INACTIVE:
	case SERVICE_STATE_STOPPING:
		if (!service->wanted)
			return health_object(health, HEALTH_STATUS_DEGRADED,
				"%s was stopped; start it: keelctl start %s", name, name);
		break;
	case SERVICE_STATE_WAITING:
	case SERVICE_STATE_STARTING:
		break;
	}
	if (up_before)
		return health_object(health, HEALTH_STATUS_DEGRADED, "%s is %s again%s%s", name,
			word, DETAIL(service->reason));
	return health_object(health, HEALTH_STATUS_STARTING, "%s is %s%s%s", name, word,
		DETAIL(service->reason));
}

/* A service that failed says more than one that waits for it: worst first, then in PID 1's order. */
static bool services_object(const struct facts *facts, enum component_id of, struct health *health)
{
	bool any = false, found = false;

	for (size_t i = 0; i < CONTROL_SERVICES_MAX; i++) {
		const struct control_service *service = &facts->services[i];
		enum component_id id;
		struct health own;

		if (!service->name[0] || !service->essential)
			continue;
		any = true;
		id = component_of_service(service->name);
		own = (struct health){0};
		if (!concerns(of, id) || !service_objects(service, &own))
			continue;
		if (!found || own.status > health->status) {
			*health = own;
			found = blame(health, id);
		}
	}
	if (found)
		return true;
	if (any || !concerns(of, COMPONENT_DOCKER))
		return false;
	if (facts->boot.state == BOOT_STATE_STARTING)
		(void)health_object(health, HEALTH_STATUS_STARTING,
			"the services are not started yet");
	else
		(void)health_object(health, HEALTH_STATUS_FAILED,
			"no engine service is installed: look for docker.service in /usr/lib/keel/units");
	return blame(health, COMPONENT_DOCKER);
}

/* The reason of a restart by policy outlives the daemon that gave it. */
static bool policy_objects(const struct facts *facts, enum component_id of, struct health *health)
{
	for (size_t i = 0; i < ENGINE_DAEMONS; i++) {
		const struct facts_daemon *daemon = &facts->engine.daemons[i];
		enum component_id id = component_of_daemon((enum engine_daemon_id)i);

		if (!concerns(of, id) || !daemon->restarting)
			continue;
		(void)health_object(health, HEALTH_STATUS_DEGRADED, "%s", daemon->restart_reason);
		return blame(health, id);
	}
	return false;
}

static bool engine_objects(const struct facts *facts, struct health *health)
{
	enum engine_daemon_id culprit = facts->engine.culprit;

	switch (facts->engine.state) {
	case ENGINE_STATE_READY:
		return false;
	case ENGINE_STATE_UNKNOWN:
		if (facts->engine.was_ready)
			return health_object(health, HEALTH_STATUS_DEGRADED,
				"waiting for %s to answer again", engine_daemon_name(culprit));
		return health_object(health, HEALTH_STATUS_STARTING,
			"waiting for %s's first answer", engine_daemon_name(culprit));
	case ENGINE_STATE_UNREACHABLE:
		return health_object(health, HEALTH_STATUS_DEGRADED,
			"%s does not answer on its socket%s%s; see its log, or: keelctl restart %s",
			engine_daemon_name(culprit), DETAIL(facts->engine.reason),
			engine_daemon_unit(culprit));
	}
	return health_object(health, HEALTH_STATUS_DEGRADED,
		"the engine is in a state that this agent does not know");
}

/* dockerd is well, but the host does not reach it. */
static bool docker_objects(const struct facts *facts, struct health *health)
{
	const struct docker_facts *docker = &facts->docker;

	if (docker->state != DOCKER_API_CLOSED)
		return false;
	if (docker->error == -EADDRINUSE)
		return health_object(health, HEALTH_STATUS_DEGRADED,
			"Docker's API is not offered to the host: something else in this VM (another "
			"distro with keel?) listens on %s; stop it, or set docker_port in [vsock] of "
			"/etc/keel/keel.conf and run: keelctl restart keel-agent",
			docker->address);
	return health_object(health, HEALTH_STATUS_DEGRADED,
		"Docker's API is not offered to the host: %s: listen: %s; then: keelctl restart keel-agent",
		docker->address, strerror(-docker->error));
}

/* Of keel's own, or for want of memory in the whole VM: what limits and the reserve are to prevent. A container that was
 * killed at its limit is that container's matter: told in memory{}, and no blemish of the guest. */
static bool oom_kill_is_ours(const struct memory_oom_kill *kill)
{
	static const char *const slices[] = {"engine", "keel"};

	for (size_t i = 0; i < ARRAY_SIZE(slices); i++) {
		size_t len = strlen(slices[i]);

		if (strncmp(kill->group, slices[i], len) == 0 &&
			(kill->group[len] == '\0' || kill->group[len] == '/'))
			return true;
	}
	return kill->global;
}

/* The newest that matters, or NULL. The last look at memory is the clock. */
static const struct memory_oom_kill *find_oom_kill(const struct facts *facts)
{
	const struct memory_seen *seen = &facts->memory_seen;

	for (unsigned int i = 0; i < seen->oom_kept && i < MEMORY_OOM_KILLS; i++) {
		const struct memory_oom_kill *kill = &seen->oom_kill[i];

		if (oom_kill_is_ours(kill) && kill->at_us + HEALTH_OOM_US > seen->looked_us)
			return kill;
	}
	return NULL;
}

bool health_oom_recent(const struct facts *facts)
{
	return find_oom_kill(facts) != NULL;
}

static bool memory_blemish(const struct facts *facts, struct health *health)
{
	const struct memory_oom_kill *kill = find_oom_kill(facts);
	const char *of = " of ", *whose;

	if (!kill)
		return false;
	whose = kill->group;
	if (kill->container[0]) {
		of = " of container ";
		whose = kill->container;
	}
	return health_object(health, HEALTH_STATUS_DEGRADED,
		kill->global
			? "the guest ran out of memory, and the kernel killed %s%s%s; give it more, or "
			  "limit containers (docker run --memory); see keelctl memory"
			: "the kernel killed %s%s%s for want of memory in its group; see keelctl memory",
		kill->process, whose[0] ? of : "", whose);
}

/* It is known to be far off, and could not be put right. */
static bool clock_blemish(const struct facts *facts, struct health *health)
{
	const struct clock_seen *seen = &facts->clock;
	const struct clock_decision *judged = &seen->judged;
	int64_t offset_us = judged->offset_us;

	if (judged->action != CLOCK_ACTION_REFUSED || judged->reason == CLOCK_REASON_MANAGE ||
		judged->reason == CLOCK_REASON_ABSURD ||
		(offset_us <= HEALTH_CLOCK_US && offset_us >= -HEALTH_CLOCK_US))
		return false;
	return health_object(health, HEALTH_STATUS_DEGRADED,
		"the clock is %.0f s %s what the %s says: %s; see keelctl clock",
		(offset_us < 0 ? -(double)offset_us : (double)offset_us) / 1e6,
		offset_us < 0 ? "ahead of" : "behind", clock_source_name(judged->source),
		clock_reason_text(judged->reason));
}

static bool stage_blemish(const struct facts *facts, enum component_id of, struct health *health)
{
	for (size_t i = 0; i < CONTROL_STAGES_MAX; i++) {
		const struct control_stage *stage = &facts->stages[i];
		enum component_id id = component_of_stage(stage->name);

		if (!stage->name[0] || !concerns(of, id) ||
			(stage->state != STAGE_STATE_FAILED &&
				stage->state != STAGE_STATE_DEGRADED))
			continue;
		(void)health_object(health, HEALTH_STATUS_DEGRADED, "boot stage %s %s%s%s",
			stage->name, stage->state == STAGE_STATE_FAILED ? "failed" : "is degraded",
			DETAIL(stage->reason));
		return blame(health, id);
	}
	return false;
}

static bool service_blemish(const struct facts *facts, enum component_id of, struct health *health)
{
	for (size_t i = 0; i < CONTROL_SERVICES_MAX; i++) {
		const struct control_service *service = &facts->services[i];
		enum component_id id;

		if (!service->name[0] || service->essential ||
			(service->state != SERVICE_STATE_FAILED &&
				service->state != SERVICE_STATE_BACKOFF))
			continue;
		id = component_of_service(service->name);
		if (!concerns(of, id))
			continue;
		(void)service_objects(service, health);
		health->status = HEALTH_STATUS_DEGRADED;
		return blame(health, id);
	}
	return false;
}

/* The engine cannot be used. */
static bool find_objection(const struct facts *facts, enum component_id of, struct health *health)
{
	enum component_id culprit = component_of_daemon(facts->engine.culprit);

	if (ends_object(facts, of, health))
		return true;
	if (concerns(of, COMPONENT_AGENT) && agent_objects(facts, health))
		return blame(health, COMPONENT_AGENT);
	if (is_deaf(facts))
		return false; /* of one component: nothing is known */
	if (concerns(of, COMPONENT_BOOT) && rescue_objects(facts, health))
		return blame(health, COMPONENT_BOOT);
	if (concerns(of, COMPONENT_DISK) && health_disk_objects(facts, health))
		return blame(health, COMPONENT_DISK);
	if (policy_objects(facts, of, health) || services_object(facts, of, health))
		return true;
	if (concerns(of, culprit) && engine_objects(facts, health))
		return blame(health, culprit);
	if (concerns(of, COMPONENT_DOCKER) && docker_objects(facts, health))
		return blame(health, COMPONENT_DOCKER);
	return false;
}

/* It can, and something is wrong all the same. */
static bool find_blemish(const struct facts *facts, enum component_id of, struct health *health)
{
	bool deaf = is_deaf(facts);

	if (!deaf && concerns(of, COMPONENT_DISK) && health_disk_blemish(facts, health))
		return blame(health, COMPONENT_DISK);
	if (concerns(of, COMPONENT_MEMORY) && memory_blemish(facts, health))
		return blame(health, COMPONENT_MEMORY);
	if (concerns(of, COMPONENT_CLOCK) && clock_blemish(facts, health))
		return blame(health, COMPONENT_CLOCK);
	return !deaf && (stage_blemish(facts, of, health) || service_blemish(facts, of, health));
}

void health_judge_component(const struct facts *facts, enum component_id of, struct health *health)
{
	*health = (struct health){.status = HEALTH_STATUS_READY, .cause = COMPONENTS};
	if (find_objection(facts, of, health))
		return;
	health->ready = true;
	(void)find_blemish(facts, of, health);
}

/* That PID 1 calls the boot degraded is told when nothing explains it. */
static bool boot_blemish(const struct facts *facts, struct health *health)
{
	if (health->status != HEALTH_STATUS_READY || facts->boot.state != BOOT_STATE_DEGRADED)
		return false;
	(void)health_object(health, HEALTH_STATUS_DEGRADED, "the boot is degraded%s%s",
		DETAIL(facts->boot.reason));
	return blame(health, COMPONENT_BOOT);
}

void health_judge(const struct facts *facts, struct health *health)
{
	health_judge_component(facts, COMPONENTS, health);
	(void)boot_blemish(facts, health);
}

const char *health_status_name(enum health_status status)
{
	static const char *const names[] = {"starting", "ready", "degraded", "failed", "stopping"};

	static_assert(ARRAY_SIZE(names) == HEALTH_STATUS_STOPPING + 1, "a name for each status");
	return (unsigned int)status < ARRAY_SIZE(names) ? names[status] : "?";
}
