/* SPDX-License-Identifier: MIT
 *
 * boot_status.c - see boot_status.h.
 */
#include "init/boot_status.h"

#include <stdio.h>

enum boot_state boot_status(const struct init *init, char *reason, size_t size)
{
	static const enum stage_id needed[] = {
		STAGE_CONSOLE, STAGE_MOUNTS, STAGE_CGROUP, STAGE_MEMORY};

	reason[0] = '\0';
	if (init->shutdown != SHUTDOWN_NONE) {
		(void)snprintf(reason, size, "%s", init->crash[0] ? init->crash : "shutting down");
		return BOOT_STATE_STOPPING;
	}
	if (init->rescue[0]) {
		(void)snprintf(reason, size, "%s", init->rescue);
		return BOOT_STATE_DEGRADED;
	}
	for (unsigned int i = 0; i < STAGE_COUNT; i++) {
		const struct control_stage *stage = &init->stages[i].record;

		if (stage->state != STAGE_STATE_FAILED && stage->state != STAGE_STATE_DEGRADED)
			continue;
		(void)snprintf(reason, size, "%s: %.150s", stage->name, stage->reason);
		return BOOT_STATE_DEGRADED;
	}
	for (unsigned int i = 0; i < init->service_count; i++) {
		const struct service *service = &init->services[i];

		if (service->sm.state != SERVICE_STATE_FAILED)
			continue;
		(void)snprintf(reason, size, "%s: %.150s", service->unit.name,
			service->record.reason);
		return BOOT_STATE_DEGRADED;
	}
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		if (init->stages[needed[i]].record.end_us == 0) {
			(void)snprintf(reason, size, "%s", init->stages[needed[i]].record.name);
			return BOOT_STATE_STARTING;
		}
	}
	return BOOT_STATE_RUNNING;
}
