/* SPDX-License-Identifier: MIT
 *
 * control.c - names, validation and the client side of control.h.
 */
#include "lib/control.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static_assert(sizeof(struct control_record) <= 1024, "a record fits any socket buffer");

static const char *name_of(const char *const *names, size_t count, unsigned int value)
{
	return value < count ? names[value] : "?";
}

const char *boot_state_name(unsigned int state)
{
	static const char *const names[] = {"starting", "running", "degraded", "stopping"};

	static_assert(ARRAY_SIZE(names) == BOOT_STATE_STOPPING + 1, "a name for each state");
	return name_of(names, ARRAY_SIZE(names), state);
}

const char *boot_mode_name(unsigned int mode)
{
	static const char *const names[] = {"vm", "wsl"};

	static_assert(ARRAY_SIZE(names) == BOOT_MODE_WSL + 1, "a name for each mode");
	return name_of(names, ARRAY_SIZE(names), mode);
}

const char *stage_state_name(unsigned int state)
{
	static const char *const names[] = {
		"pending", "running", "done", "degraded", "failed", "skipped"};

	static_assert(ARRAY_SIZE(names) == STAGE_STATE_SKIPPED + 1, "a name for each state");
	return name_of(names, ARRAY_SIZE(names), state);
}

const char *service_state_name(unsigned int state)
{
	static const char *const names[] = {"inactive", "waiting", "starting", "active",
		"reloading", "stopping", "backoff", "failed"};

	static_assert(ARRAY_SIZE(names) == SERVICE_STATE_FAILED + 1, "a name for each state");
	return name_of(names, ARRAY_SIZE(names), state);
}

const char *service_step_name(unsigned int step)
{
	static const char *const names[] = {"", "start-pre", "start", "start-post", "reload",
		"reload-notify", "stop", "stop-notified", "stop-signal", "stop-kill", "stop-post"};

	static_assert(ARRAY_SIZE(names) == SERVICE_STEP_STOP_POST + 1, "a name for each step");
	return name_of(names, ARRAY_SIZE(names), step);
}

const char *disk_state_name(unsigned int state)
{
	static const char *const names[] = {"unknown", "waiting", "checking", "formatting",
		"mounted", "refused", "none", "rescue"};

	static_assert(ARRAY_SIZE(names) == DISK_STATE_RESCUE + 1, "a name for each state");
	return name_of(names, ARRAY_SIZE(names), state);
}

const char *disk_situation_name(unsigned int situation)
{
	static const char *const names[] = {"ok", "no-disk", "not-found", "foreign", "blank",
		"not-blank", "read-error", "ambivalent", "two-disks", "other-uuid", "in-use",
		"read-only-device", "unsuitable", "too-small", "too-large", "other-file-system",
		"encrypted", "block-size", "unknown-features", "truncated", "no-marker",
		"marker-bad", "marker-newer", "bad-superblock", "needs-repair", "mount-failed",
		"mount-point-busy", "file-system-errors", "io-errors", "vanished", "unmounted"};

	static_assert(ARRAY_SIZE(names) == DISK_SITUATION_UNMOUNTED + 1,
		"a name for each situation");
	return name_of(names, ARRAY_SIZE(names), situation);
}

#define TERMINATED(array) (memchr((array), '\0', sizeof(array)) != NULL)

static bool disk_terminated(const struct control_disk *disk)
{
	return TERMINATED(disk->device) && TERMINATED(disk->uuid) && TERMINATED(disk->label) &&
	       TERMINATED(disk->mountpoint) && TERMINATED(disk->made_by) &&
	       TERMINATED(disk->reason);
}

bool control_record_valid(const struct control_record *record, size_t len)
{
	if (len != sizeof(*record) || record->magic != CONTROL_MAGIC ||
		record->version != CONTROL_VERSION)
		return false;
	switch (record->type) {
	case CONTROL_RECORD_RESULT:
	case CONTROL_RECORD_END:
		return true;
	case CONTROL_RECORD_BOOT:
		return TERMINATED(record->boot.reason);
	case CONTROL_RECORD_STAGE:
		return record->index < CONTROL_STAGES_MAX && TERMINATED(record->stage.name) &&
		       TERMINATED(record->stage.reason);
	case CONTROL_RECORD_SERVICE:
		return record->index < CONTROL_SERVICES_MAX && TERMINATED(record->service.name) &&
		       TERMINATED(record->service.reason) && TERMINATED(record->service.status);
	case CONTROL_RECORD_DISK:
		return disk_terminated(&record->disk);
	default:
		return false;
	}
}

bool control_request_valid(const struct control_request *request, size_t len)
{
	return len == sizeof(*request) && request->magic == CONTROL_MAGIC &&
	       request->version == CONTROL_VERSION && TERMINATED(request->unit);
}

int control_connect(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = CONTROL_SOCKET};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int control_send(int fd, enum control_verb verb, const char *unit)
{
	struct control_request request = {
		.magic = CONTROL_MAGIC, .version = CONTROL_VERSION, .verb = (uint16_t)verb};

	if (unit) {
		if (strlen(unit) >= sizeof(request.unit))
			return -ENAMETOOLONG;
		memcpy(request.unit, unit, strlen(unit));
	}
	return send(fd, &request, sizeof(request), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

bool stage_report_valid(const struct stage_report *report, size_t len)
{
	return len == sizeof(*report) && report->magic == CONTROL_MAGIC &&
	       report->version == CONTROL_VERSION && report->state <= STAGE_STATE_SKIPPED &&
	       TERMINATED(report->reason) && (!report->has_disk || disk_terminated(&report->disk));
}

void stage_report_send(enum stage_state state, const struct control_disk *disk, const char *format,
	...)
{
	struct stage_report report = {
		.magic = CONTROL_MAGIC, .version = CONTROL_VERSION, .state = (uint8_t)state};
	va_list args;

	va_start(args, format);
	(void)vsnprintf(report.reason, sizeof(report.reason), format, args);
	va_end(args);
	if (disk) {
		report.has_disk = 1;
		report.disk = *disk;
	}
	if (send(STAGE_REPORT_FD, &report, sizeof(report), MSG_NOSIGNAL) < 0)
		(void)dprintf(STDERR_FILENO, "%s: %s\n", stage_state_name(state), report.reason);
}
