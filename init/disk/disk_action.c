/* SPDX-License-Identifier: MIT
 *
 * disk_action.c - see disk_action.h. Called by disk_stage.c. Each action may be killed at any point; what is left then is
 * said where it is done: disk_format.h, data_disk.h, marker_write.h. The next run finds out by looking.
 */
#include "init/disk/disk_action.h"

#include <stdio.h>
#include <string.h>

#include "init/disk/data_disk.h"
#include "init/disk/disk_format.h"
#include "init/disk/disk_lock.h"
#include "init/disk/marker_write.h"
#include "lib/clock.h"
#include "lib/log.h"

struct action {
	struct disk_action_state *state;
	const struct disk_decision *decision;
	const struct disk_facts *disk;
};

/* ---- what is known of a device ------------------------------------------------------------- */

static struct disk_finding *find(struct disk_action_state *state, const char *device)
{
	for (size_t i = 0; i < DISK_FINDINGS_MAX; i++)
		if (strcmp(state->findings[i].device, device) == 0)
			return &state->findings[i];
	return NULL;
}

static struct disk_finding *find_or_make(struct disk_action_state *state,
	const struct disk_facts *disk)
{
	struct disk_finding *finding = find(state, disk->device);

	if (finding)
		return finding;
	finding = &state->findings[state->next_finding++ % DISK_FINDINGS_MAX];
	*finding = (struct disk_finding){0};
	memcpy(finding->device, disk->device, sizeof(finding->device));
	memcpy(finding->uuid, disk->uuid, sizeof(finding->uuid));
	return finding;
}

static struct disk_facts *find_facts(struct disk_scan *scan, const struct disk_finding *finding)
{
	for (size_t i = 0; i < scan->count; i++)
		if (strcmp(scan->disks[i].device, finding->device) == 0 &&
			strcmp(scan->disks[i].uuid, finding->uuid) == 0)
			return &scan->disks[i];
	return NULL;
}

void disk_action_recall(struct disk_action_state *state, struct disk_scan *scan)
{
	for (size_t i = 0; i < DISK_FINDINGS_MAX; i++) {
		struct disk_finding *finding = &state->findings[i];
		struct disk_facts *disk = find_facts(scan, finding);

		if (!disk) {
			*finding = (struct disk_finding){0};
			continue;
		}
		disk->check = finding->check;
		disk->check_status = finding->check_status;
		disk->mount_error = finding->mount_error;
		disk->grow_error = finding->grow_error;
	}
}

void disk_action_forget(struct disk_action_state *state, const char *device)
{
	struct disk_finding *finding = find(state, device);

	if (finding)
		*finding = (struct disk_finding){0};
}

/* ---- what PID 1 is told ---------------------------------------------------------------------- */

static void describe_disk(const struct disk_facts *facts, struct control_disk *disk)
{
	disk->size_bytes = facts->size_bytes;
	memcpy(disk->device, facts->device, sizeof(disk->device));
	memcpy(disk->uuid, facts->uuid, sizeof(disk->uuid));
	memcpy(disk->label, facts->label, sizeof(disk->label));
	if (facts->marker == DISK_MARKER_VALID) {
		disk->made_s = facts->marker_content.made_s;
		(void)snprintf(disk->made_by, sizeof(disk->made_by), "%s",
			facts->marker_content.by);
	}
}

void disk_action_report(struct disk_action_state *state, enum stage_state stage_state,
	enum disk_state disk_state, const struct disk_facts *facts,
	const struct disk_decision *decision, const char *reason)
{
	struct control_disk disk = {
		.state = (uint8_t)disk_state,
		.situation = (uint8_t)decision->situation,
		.formatted = state->formatted,
		.grown = state->grown,
		.checked = state->checked,
	};

	if (stage_state == state->last_state && disk_state == state->last_disk &&
		strcmp(reason, state->last_reason) == 0)
		return;
	state->last_state = stage_state;
	state->last_disk = disk_state;
	(void)snprintf(state->last_reason, sizeof(state->last_reason), "%s", reason);
	if (facts)
		describe_disk(facts, &disk);
	if (disk_state == DISK_STATE_MOUNTED || disk_state == DISK_STATE_RESCUE)
		(void)snprintf(disk.mountpoint, sizeof(disk.mountpoint), "%s",
			state->config->disk.mountpoint);
	(void)snprintf(disk.reason, sizeof(disk.reason), "%s", reason);
	stage_report_send(stage_state, &disk, "%s", reason);
}

static void report(const struct action *action, enum stage_state stage_state,
	enum disk_state disk_state, const char *reason)
{
	disk_action_report(action->state, stage_state, disk_state, action->disk, action->decision,
		reason);
}

static void on_check_progress(void *ctx, unsigned int permille)
{
	const struct action *action = ctx;
	const uint64_t now = clock_now_us();
	char reason[CONTROL_REASON_MAX];

	/* A small disk is checked in no time: nobody wants to read about its tenths. */
	if (now - action->state->progress_us < USEC_PER_SEC)
		return;
	action->state->progress_us = now;
	(void)snprintf(reason, sizeof(reason), "checking %s: %u %%", action->disk->device,
		permille / 10);
	report(action, STAGE_STATE_RUNNING, DISK_STATE_CHECKING, reason);
}

/* ---- the actions ----------------------------------------------------------------------------- */

/* A disk that the configuration names by its UUID becomes one of keel's. A full disk is no reason not to use it. */
static void adopt(const struct action *action)
{
	int rc = marker_write(action->state->config->disk.mountpoint, action->disk->uuid);

	if (rc < 0)
		log_warning("write the marker of %s: %s", action->disk->device, strerror(-rc));
	else
		log_info("%s had no marker and is adopted", action->disk->device);
}

/* Mounted by us now or by an earlier run: bind, report, done. */
static enum disk_result keep(const struct action *action)
{
	const struct disk_action_state *state = action->state;
	const char *mountpoint = state->config->disk.mountpoint;
	char reason[CONTROL_REASON_MAX];

	/* Killed between mounting and that. */
	if (action->disk->marker == DISK_MARKER_NONE && !action->disk->mounted_read_only)
		adopt(action);
	if (data_disk_bind(mountpoint, reason, sizeof(reason)) < 0) {
		report(action, STAGE_STATE_FAILED, DISK_STATE_REFUSED, reason);
		return DISK_RESULT_WAIT;
	}
	(void)snprintf(reason, sizeof(reason), "%s%s%s mounted on %s", action->disk->device,
		state->formatted ? " formatted and" : "", state->grown ? " enlarged and" : "",
		mountpoint);
	report(action, STAGE_STATE_DONE, DISK_STATE_MOUNTED, reason);
	return DISK_RESULT_DONE;
}

static enum disk_result grow(const struct action *action)
{
	struct disk_action_state *state = action->state;
	struct disk_finding *finding = find_or_make(state, action->disk);
	const uint64_t old_bytes = action->disk->superblock.size_bytes;
	int rc;

	report(action, STAGE_STATE_RUNNING, DISK_STATE_CHECKING, action->decision->reason);
	rc = data_disk_grow(state->config->disk.mountpoint, action->disk->size_bytes);
	log_info("growing %s from %llu to %llu MiB: %s", action->disk->device,
		(unsigned long long)(old_bytes >> 20),
		(unsigned long long)(action->disk->size_bytes >> 20),
		rc < 0 ? strerror(-rc) : "done");
	if (rc == 0)
		state->grown = true;
	/* Once is enough: should the kernel have stopped short of the end, asking again does not help. */
	finding->grow_error = rc < 0 ? -rc : EOVERFLOW;
	return DISK_RESULT_AGAIN;
}

static enum disk_result mount_disk(const struct action *action)
{
	const struct disk_facts *disk = action->disk;
	struct disk_finding *finding = find_or_make(action->state, disk);
	int rc = 0;

	report(action, STAGE_STATE_RUNNING, DISK_STATE_CHECKING, action->decision->reason);
	/* Its format was complete and only this was left. The kernel would keep a copy of the block. */
	if (disk->format_intent)
		rc = disk_format_clear_intent(disk->device);
	if (rc == 0)
		rc = data_disk_mount(disk->device, action->state->config->disk.mountpoint, false);
	finding->mount_error = -rc;
	if (rc < 0)
		log_warning("mount %s on %s: %s", disk->device,
			action->state->config->disk.mountpoint, strerror(-rc));
	else if (disk->marker == DISK_MARKER_NONE)
		adopt(action);
	return DISK_RESULT_AGAIN;
}

static enum disk_result check_and_mount(const struct action *action)
{
	struct disk_finding *finding = find_or_make(action->state, action->disk);

	report(action, STAGE_STATE_RUNNING, DISK_STATE_CHECKING, action->decision->reason);
	action->state->progress_us = clock_now_us();
	finding->mount_error = 0; /* of the time before the check */
	finding->check = data_disk_check(action->disk->device, on_check_progress, (void *)action,
		&finding->check_status);
	if (finding->check != DISK_CHECK_PASSED)
		return DISK_RESULT_AGAIN;
	action->state->checked = true;
	return mount_disk(action);
}

static enum disk_result format(const struct action *action)
{
	const struct disk_facts *disk = action->disk;
	char reason[CONTROL_REASON_MAX], uuid[UUID_TEXT_SIZE];

	log_info("formatting %s (%llu MiB): %s", disk->device,
		(unsigned long long)(disk->size_bytes >> 20), action->decision->reason);
	(void)snprintf(reason, sizeof(reason), "formatting %s, which is blank", disk->device);
	report(action, STAGE_STATE_RUNNING, DISK_STATE_FORMATTING, reason);
	action->state->format_tried = true;
	if (disk_format_run(disk, action->state->config->disk.label, disk->blank == DISK_BLANK_ZERO,
		    uuid, reason, sizeof(reason)) < 0) {
		report(action, STAGE_STATE_FAILED, DISK_STATE_REFUSED, reason);
		return DISK_RESULT_WAIT;
	}
	action->state->formatted = true;
	return DISK_RESULT_AGAIN;
}

static enum disk_result rescue(const struct action *action)
{
	const struct disk_facts *disk = action->disk;
	struct disk_finding *finding = find_or_make(action->state, disk);

	if (!disk->at_mountpoint) {
		finding->mount_error = -data_disk_mount(disk->device,
			action->state->config->disk.mountpoint, true);
		return DISK_RESULT_AGAIN;
	}
	report(action, STAGE_STATE_FAILED, DISK_STATE_RESCUE, action->decision->reason);
	return DISK_RESULT_WAIT;
}

/* Runs one of them with the device locked. */
static enum disk_result locked(const struct action *action,
	enum disk_result (*run)(const struct action *))
{
	_cleanup_close_ int lock = disk_lock_take(action->disk->device, false);
	char reason[CONTROL_REASON_MAX];

	if (lock != -EWOULDBLOCK)
		return run(
			action); /* a node that cannot be opened fails there, with its own words */
	(void)snprintf(reason, sizeof(reason), "%s is being worked on; waiting for that to end",
		action->disk->device);
	report(action, STAGE_STATE_RUNNING, DISK_STATE_WAITING, reason);
	return DISK_RESULT_WAIT;
}

enum disk_result disk_action_run(struct disk_action_state *state,
	const struct disk_decision *decision, const struct disk_facts *disk, bool occupied)
{
	const struct action action = {.state = state, .decision = decision, .disk = disk};

	switch (decision->action) {
	case DISK_ACTION_WAIT:
	case DISK_ACTION_CHECK_BLANK:
		report(&action, STAGE_STATE_RUNNING, DISK_STATE_WAITING, decision->reason);
		return DISK_RESULT_WAIT;
	case DISK_ACTION_KEEP:
		return keep(&action);
	case DISK_ACTION_GROW:
		return grow(&action);
	case DISK_ACTION_MOUNT:
	case DISK_ACTION_REPLAY_AND_MOUNT:
		return locked(&action, mount_disk);
	case DISK_ACTION_CHECK_AND_MOUNT:
		return locked(&action, check_and_mount);
	case DISK_ACTION_FORMAT:
		return locked(&action, format);
	case DISK_ACTION_RESCUE:
		return locked(&action, rescue);
	case DISK_ACTION_REFUSE:
		report(&action, STAGE_STATE_FAILED,
			!disk && !occupied ? DISK_STATE_WAITING : DISK_STATE_REFUSED,
			decision->reason);
		return DISK_RESULT_WAIT;
	}
	return DISK_RESULT_WAIT;
}
