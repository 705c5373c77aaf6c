/* SPDX-License-Identifier: MIT
 *
 * health.c - see health.h for the words. tests/unit/test_health.c goes through every combination.
 *
 * The judgement is a list of checks in order of dependency (boot, rescue, disk, services, engine). The first one that
 * has an objection against readiness decides; without one, the blemishes decide between
 * ready and degraded.
 */
#include "agent/common/health.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Sets the verdict; always returns true, so that a check can end with it. */
PRINTF(3, 4)
static bool object(struct health *health, enum health_status status, const char *format, ...)
{
	va_list args;

	health->status = status;
	va_start(args, format);
	(void)vsnprintf(health->reason, sizeof(health->reason), format, args);
	va_end(args);
	text_sanitize(health->reason); /* the buffer may have cut a character in two */
	return true;
}

/* ": TEXT" or "". */
#define DETAIL(text) (text)[0] ? ": " : "", (text)

static bool boot_objects(const struct facts *facts, struct health *health)
{
	if (facts->agent_stopping)
		return object(health, HEALTH_STATUS_STOPPING, "the agent is being stopped");
	if (facts->boot_known && facts->boot.state == BOOT_STATE_STOPPING)
		return object(health, HEALTH_STATUS_STOPPING, "the guest is shutting down%s%s",
			DETAIL(facts->boot.reason));
	if (facts->link == FACTS_LINK_LOST)
		return object(health, HEALTH_STATUS_DEGRADED,
			"PID 1 no longer answers on its control socket; see dmesg in the guest");
	if (facts->link == FACTS_LINK_NEVER || !facts->boot_known)
		return object(health, HEALTH_STATUS_STARTING,
			"waiting for the first word of PID 1");
	return false;
}

/* PID 1 starts no services: a stage without which there is nothing has failed, or no unit is usable. */
static bool rescue_objects(const struct facts *facts, struct health *health)
{
	const struct control_stage *stage = facts_find_stage(facts, "services");

	if (!stage || stage->state != STAGE_STATE_FAILED)
		return false;
	return object(health, HEALTH_STATUS_FAILED, "the boot failed%s%s", DETAIL(stage->reason));
}

/* A disk that is not there yet: is somebody still working on it? */
static bool disk_pending(const struct facts *facts, struct health *health, const char *what)
{
	const struct control_stage *stage = facts_find_stage(facts, "disk");
	const char *why = facts->disk.reason;

	if (stage && why[0] == '\0')
		why = stage->reason;
	if (stage && (stage->state == STAGE_STATE_FAILED || stage->state == STAGE_STATE_DEGRADED))
		return object(health, HEALTH_STATUS_DEGRADED, "no data disk%s%s", DETAIL(why));
	return object(health, HEALTH_STATUS_STARTING, "%s%s%s", what, DETAIL(why));
}

enum disk_situation health_disk_situation(const struct facts *facts)
{
	const struct disk_seen *seen = &facts->disk_seen;

	if (!seen->watched)
		return (enum disk_situation)facts->disk.situation;
	if (seen->vanished)
		return DISK_SITUATION_VANISHED;
	if (seen->unmounted)
		return DISK_SITUATION_UNMOUNTED;
	/* The damage that I/O errors do comes after them: they are the cause. */
	if (seen->errors.io_count > 0)
		return DISK_SITUATION_IO_ERRORS;
	if (seen->errors.count > 0 || seen->read_only)
		return DISK_SITUATION_FS_ERRORS;
	return (enum disk_situation)facts->disk.situation;
}

/* It was mounted, and the engine was started on it. */
static bool mounted_objects(const struct facts *facts, struct health *health)
{
	const struct disk_seen *seen = &facts->disk_seen;
	const char *device = facts->disk.device;

	if (!seen->watched)
		return false;
	if (seen->vanished)
		return object(health, HEALTH_STATUS_FAILED,
			"the data disk %s went away while mounted; attach it again: the engine is "
			"stopped and follows. If it does not: keelctl disk repair, or keelctl reboot",
			device);
	if (seen->unmounted)
		return object(health, HEALTH_STATUS_FAILED,
			"%s was unmounted by somebody (an umount in a session?): the engine does "
			"not find its data there; keelctl reboot mounts it again",
			seen->unmounted);
	if (seen->read_only)
		return object(health, HEALTH_STATUS_FAILED,
			"the data disk %s became read-only: %s%s%s; keelctl reboot checks it, "
			"keelctl disk repair mends what a check leaves",
			device,
			seen->errors.io_count > 0 ? "the kernel reports I/O errors of it"
						  : "ext4 found it damaged",
			seen->errors.last_function[0] ? ", in " : "", seen->errors.last_function);
	return false;
}

/* It goes on, but not as it should. */
static bool mounted_blemish(const struct facts *facts, struct health *health)
{
	const struct disk_seen *seen = &facts->disk_seen;
	const char *device = facts->disk.device;

	if (!seen->watched)
		return false;
	if (seen->errors.io_count > 0)
		return object(health, HEALTH_STATUS_DEGRADED,
			"the kernel reports I/O errors of the data disk %s; see dmesg and the host's "
			"disk (is it full?), then: keelctl reboot, which checks it",
			device);
	if (seen->errors.count > 0)
		return object(health, HEALTH_STATUS_DEGRADED,
			"ext4 found errors on the data disk %s%s%s; keelctl reboot checks it, "
			"keelctl disk repair mends what a check leaves",
			device, seen->errors.last_function[0] ? ", the last in " : "",
			seen->errors.last_function);
	if (seen->space_known && seen->forecast.word == SPACE_CRITICAL)
		return object(health, HEALTH_STATUS_DEGRADED,
			"the data disk %s is nearly full: %llu of %llu MiB and %llu inodes are free; "
			"remove images or volumes (docker system prune), or enlarge the disk",
			device, (unsigned long long)seen->space.free >> 20,
			(unsigned long long)seen->space.total >> 20,
			(unsigned long long)seen->space.inodes_free);
	return false;
}

static bool disk_objects(const struct facts *facts, struct health *health)
{
	switch ((enum disk_state)facts->disk.state) {
	case DISK_STATE_MOUNTED:
		return mounted_objects(facts, health);
	case DISK_STATE_NONE:
		return false;
	case DISK_STATE_UNKNOWN:
	case DISK_STATE_WAITING:
		return disk_pending(facts, health, "waiting for the data disk");
	case DISK_STATE_CHECKING:
		return disk_pending(facts, health, "checking the data disk");
	case DISK_STATE_FORMATTING:
		return disk_pending(facts, health, "formatting the data disk");
	case DISK_STATE_RESCUE:
		return object(health, HEALTH_STATUS_DEGRADED,
			"the data disk is mounted read-only for rescue, without the engine%s%s",
			DETAIL(facts->disk.reason));
	case DISK_STATE_REFUSED:
		return object(health, HEALTH_STATUS_DEGRADED, "the data disk was refused%s%s",
			DETAIL(facts->disk.reason));
	}
	return object(health, HEALTH_STATUS_DEGRADED,
		"the data disk is in a state that this agent does not know");
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
		return object(health, HEALTH_STATUS_FAILED,
			"%s failed%s%s; then: keelctl restart %s", name, DETAIL(service->reason),
			name);
	case SERVICE_STATE_BACKOFF:
		return object(health, HEALTH_STATUS_DEGRADED, "%s died and will be restarted%s%s",
			name, DETAIL(service->reason));
	case SERVICE_STATE_INACTIVE:
	case SERVICE_STATE_STOPPING:
		if (!service->wanted)
			return object(health, HEALTH_STATUS_DEGRADED,
				"%s was stopped; start it: keelctl start %s", name, name);
		break;
	case SERVICE_STATE_WAITING:
	case SERVICE_STATE_STARTING:
		break;
	}
	if (up_before)
		return object(health, HEALTH_STATUS_DEGRADED, "%s is %s again%s%s", name, word,
			DETAIL(service->reason));
	return object(health, HEALTH_STATUS_STARTING, "%s is %s%s%s", name, word,
		DETAIL(service->reason));
}

/* A service that failed says more than one that waits for it: worst first, then in PID 1's order. */
static bool services_object(const struct facts *facts, struct health *health)
{
	bool any = false;
	struct health worst = {.status = HEALTH_STATUS_READY};

	for (size_t i = 0; i < CONTROL_SERVICES_MAX; i++) {
		const struct control_service *service = &facts->services[i];
		struct health own = {0};

		if (!service->name[0] || !service->essential)
			continue;
		any = true;
		if (!service_objects(service, &own))
			continue;
		if (worst.status == HEALTH_STATUS_READY || own.status > worst.status)
			worst = own;
	}
	if (worst.status != HEALTH_STATUS_READY) {
		*health = worst;
		return true;
	}
	if (!any && facts->boot.state == BOOT_STATE_STARTING)
		return object(health, HEALTH_STATUS_STARTING, "the services are not started yet");
	if (!any)
		return object(health, HEALTH_STATUS_FAILED,
			"no engine service is installed: look for docker.service in /usr/lib/keel/units");
	return false;
}

/* The reason of a restart by policy outlives the daemon that gave it. */
static bool policy_objects(const struct facts *facts, struct health *health)
{
	for (size_t i = 0; i < ENGINE_DAEMONS; i++) {
		const struct facts_daemon *daemon = &facts->engine.daemons[i];

		if (daemon->restarting)
			return object(health, HEALTH_STATUS_DEGRADED, "%s", daemon->restart_reason);
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
			return object(health, HEALTH_STATUS_DEGRADED,
				"waiting for %s to answer again", engine_daemon_name(culprit));
		return object(health, HEALTH_STATUS_STARTING, "waiting for %s's first answer",
			engine_daemon_name(culprit));
	case ENGINE_STATE_UNREACHABLE:
		return object(health, HEALTH_STATUS_DEGRADED,
			"%s does not answer on its socket%s%s; see its log, or: keelctl restart %s",
			engine_daemon_name(culprit), DETAIL(facts->engine.reason),
			engine_daemon_unit(culprit));
	}
	return object(health, HEALTH_STATUS_DEGRADED,
		"the engine is in a state that this agent does not know");
}

/* dockerd is well, but the host does not reach it. */
static bool docker_objects(const struct facts *facts, struct health *health)
{
	const struct docker_facts *docker = &facts->docker;

	if (docker->state != DOCKER_API_CLOSED)
		return false;
	if (docker->error == -EADDRINUSE)
		return object(health, HEALTH_STATUS_DEGRADED,
			"Docker's API is not offered to the host: something else in this VM (another "
			"distro with keel?) listens on %s; stop it, or set docker_port in [vsock] of "
			"/etc/keel/keel.conf and run: keelctl restart keel-agent",
			docker->address);
	return object(health, HEALTH_STATUS_DEGRADED,
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
	return object(health, HEALTH_STATUS_DEGRADED,
		kill->global
			? "the guest ran out of memory, and the kernel killed %s%s%s; give it more, or "
			  "limit containers (docker run --memory); see keelctl memory"
			: "the kernel killed %s%s%s for want of memory in its group; see keelctl memory",
		kill->process, whose[0] ? of : "", whose);
}

static bool stage_blemish(const struct facts *facts, struct health *health)
{
	for (size_t i = 0; i < CONTROL_STAGES_MAX; i++) {
		const struct control_stage *stage = &facts->stages[i];

		if (!stage->name[0] || (stage->state != STAGE_STATE_FAILED &&
					       stage->state != STAGE_STATE_DEGRADED))
			continue;
		return object(health, HEALTH_STATUS_DEGRADED, "boot stage %s %s%s%s", stage->name,
			stage->state == STAGE_STATE_FAILED ? "failed" : "is degraded",
			DETAIL(stage->reason));
	}
	return false;
}

static bool service_blemish(const struct facts *facts, struct health *health)
{
	for (size_t i = 0; i < CONTROL_SERVICES_MAX; i++) {
		const struct control_service *service = &facts->services[i];

		if (!service->name[0] || service->essential)
			continue;
		if (service->state == SERVICE_STATE_FAILED ||
			service->state == SERVICE_STATE_BACKOFF) {
			(void)service_objects(service, health);
			health->status = HEALTH_STATUS_DEGRADED;
			return true;
		}
	}
	return false;
}

void health_judge(const struct facts *facts, struct health *health)
{
	*health = (struct health){.status = HEALTH_STATUS_READY};
	if (boot_objects(facts, health) || rescue_objects(facts, health) ||
		disk_objects(facts, health) || policy_objects(facts, health) ||
		services_object(facts, health) || engine_objects(facts, health) ||
		docker_objects(facts, health))
		return;
	health->ready = true;
	if (mounted_blemish(facts, health) || memory_blemish(facts, health) ||
		stage_blemish(facts, health) || service_blemish(facts, health))
		return;
	if (facts->boot.state == BOOT_STATE_DEGRADED)
		(void)object(health, HEALTH_STATUS_DEGRADED, "the boot is degraded%s%s",
			DETAIL(facts->boot.reason));
}

const char *health_status_name(enum health_status status)
{
	static const char *const names[] = {"starting", "ready", "degraded", "failed", "stopping"};

	static_assert(ARRAY_SIZE(names) == HEALTH_STATUS_STOPPING + 1, "a name for each status");
	return (unsigned int)status < ARRAY_SIZE(names) ? names[status] : "?";
}
