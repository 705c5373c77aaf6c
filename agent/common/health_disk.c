/* SPDX-License-Identifier: MIT
 *
 * health_disk.c - see health_disk.h. Caller: health.c, which knows in which order things matter.
 */
#include "agent/common/health_disk.h"

#include <stdarg.h>
#include <stdio.h>

bool health_object(struct health *health, enum health_status status, const char *format, ...)
{
	va_list args;

	health->status = status;
	va_start(args, format);
	(void)vsnprintf(health->reason, sizeof(health->reason), format, args);
	va_end(args);
	text_sanitize(health->reason); /* the buffer may have cut a character in two */
	return true;
}

/* A disk that is not there yet: is somebody still working on it? */
static bool disk_pending(const struct facts *facts, struct health *health, const char *what)
{
	const struct control_stage *stage = facts_find_stage(facts, "disk");
	const char *why = facts->disk.reason;

	if (stage && why[0] == '\0')
		why = stage->reason;
	if (stage && (stage->state == STAGE_STATE_FAILED || stage->state == STAGE_STATE_DEGRADED))
		return health_object(health, HEALTH_STATUS_DEGRADED, "no data disk%s%s",
			DETAIL(why));
	return health_object(health, HEALTH_STATUS_STARTING, "%s%s%s", what, DETAIL(why));
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
		return health_object(health, HEALTH_STATUS_FAILED,
			"the data disk %s went away while mounted; attach it again: the engine is "
			"stopped and follows. If it does not: keelctl disk repair, or keelctl reboot",
			device);
	if (seen->unmounted)
		return health_object(health, HEALTH_STATUS_FAILED,
			"%s was unmounted by somebody (an umount in a session?): the engine does "
			"not find its data there; keelctl reboot mounts it again",
			seen->unmounted);
	if (seen->read_only)
		return health_object(health, HEALTH_STATUS_FAILED,
			"the data disk %s became read-only: %s%s%s; keelctl reboot checks it, "
			"keelctl disk repair mends what a check leaves",
			device,
			seen->errors.io_count > 0 ? "the kernel reports I/O errors of it"
						  : "ext4 found it damaged",
			seen->errors.last_function[0] ? ", in " : "", seen->errors.last_function);
	return false;
}

/* It goes on, but not as it should. */
bool health_disk_blemish(const struct facts *facts, struct health *health)
{
	const struct disk_seen *seen = &facts->disk_seen;
	const char *device = facts->disk.device;

	if (!seen->watched)
		return false;
	if (seen->errors.io_count > 0)
		return health_object(health, HEALTH_STATUS_DEGRADED,
			"the kernel reports I/O errors of the data disk %s; see dmesg and the host's "
			"disk (is it full?), then: keelctl reboot, which checks it",
			device);
	if (seen->errors.count > 0)
		return health_object(health, HEALTH_STATUS_DEGRADED,
			"ext4 found errors on the data disk %s%s%s; keelctl reboot checks it, "
			"keelctl disk repair mends what a check leaves",
			device, seen->errors.last_function[0] ? ", the last in " : "",
			seen->errors.last_function);
	if (seen->space_known && seen->forecast.word == SPACE_CRITICAL)
		return health_object(health, HEALTH_STATUS_DEGRADED,
			"the data disk %s is nearly full: %llu of %llu MiB and %llu inodes are free; "
			"remove images or volumes (docker system prune), or enlarge the disk",
			device, (unsigned long long)seen->space.free >> 20,
			(unsigned long long)seen->space.total >> 20,
			(unsigned long long)seen->space.inodes_free);
	return false;
}

bool health_disk_objects(const struct facts *facts, struct health *health)
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
		return health_object(health, HEALTH_STATUS_DEGRADED,
			"the data disk is mounted read-only for rescue, without the engine%s%s",
			DETAIL(facts->disk.reason));
	case DISK_STATE_REFUSED:
		return health_object(health, HEALTH_STATUS_DEGRADED,
			"the data disk was refused%s%s", DETAIL(facts->disk.reason));
	}
	return health_object(health, HEALTH_STATUS_DEGRADED,
		"the data disk is in a state that this agent does not know");
}
