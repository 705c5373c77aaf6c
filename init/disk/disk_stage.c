/* SPDX-License-Identifier: MIT
 *
 * disk_stage.c - the loop around the policy. Called by main.c. Wakes on block uevents and on two
 * timers, never polls; between two events nothing runs.
 *
 * A refusal is reported as FAILED and waited on: the next event (the right disk arrives, the second
 * one is detached) leads to a new decision, and DONE replaces the failure. What does not make an
 * event, a repair by hand say, needs a restart of the helper or a reboot.
 *
 * "Settled" means that no block device came or went for SETTLE_US: nobody tells us that all drivers
 * are loaded, and a blank disk may show up before the labelled one. Should that one come later
 * still, the next boot finds two disks of our label and refuses, naming both.
 */
#include "init/disk/disk_stage.h"

#include <stdio.h>
#include <string.h>

#include "init/disk/data_disk.h"
#include "init/disk/disk_probe.h"
#include "lib/netlink/uevent.h"
#include "lib/clock.h"
#include "lib/control.h"
#include "lib/log.h"
#include "lib/loop.h"

#define SETTLE_US USEC_PER_SEC

struct disk_stage {
	const struct config *config;
	const struct disk_scan_options *options;
	struct loop loop;
	struct loop_source uevents;
	struct loop_timer deadline, settle;
	bool deadline_passed, settled;
	bool format_tried; /* once a run is enough: what failed then fails again */
	bool formatted;
	enum stage_state last_state;
	char last_reason[CONTROL_REASON_MAX];
	struct disk_scan scan;
};

static void report_disk(struct disk_stage *stage, enum stage_state state,
	enum disk_state disk_state, size_t index, const char *reason)
{
	struct control_disk disk = {.state = (uint8_t)disk_state, .formatted = stage->formatted};

	if (state == stage->last_state && strcmp(reason, stage->last_reason) == 0)
		return;
	stage->last_state = state;
	(void)snprintf(stage->last_reason, sizeof(stage->last_reason), "%s", reason);
	if (index != DISK_INDEX_NONE) {
		const struct disk_facts *facts = &stage->scan.disks[index];

		disk.size_bytes = facts->size_bytes;
		memcpy(disk.device, facts->device, sizeof(disk.device));
		memcpy(disk.uuid, facts->uuid, sizeof(disk.uuid));
		memcpy(disk.label, facts->label, sizeof(disk.label));
	}
	if (disk_state == DISK_STATE_MOUNTED)
		(void)snprintf(disk.mountpoint, sizeof(disk.mountpoint), "%s",
			stage->config->disk.mountpoint);
	(void)snprintf(disk.reason, sizeof(disk.reason), "%s", reason);
	stage_report_send(state, &disk, "%s", reason);
}

/* Mounted by us now or by an earlier run: bind, report, done. */
static void finish_mounted(struct disk_stage *stage, size_t index)
{
	const struct disk_facts *disk = &stage->scan.disks[index];
	char reason[CONTROL_REASON_MAX];

	if (data_disk_bind(stage->config->disk.mountpoint, reason, sizeof(reason)) < 0) {
		report_disk(stage, STAGE_STATE_FAILED, DISK_STATE_REFUSED, index, reason);
		return;
	}
	(void)snprintf(reason, sizeof(reason), "%s%s mounted on %s", disk->device,
		stage->formatted ? " formatted and" : "", stage->config->disk.mountpoint);
	report_disk(stage, STAGE_STATE_DONE, DISK_STATE_MOUNTED, index, reason);
	stage->loop.stop = true;
}

static void mount_disk(struct disk_stage *stage, size_t index, bool check, const char *why)
{
	const struct disk_facts *disk = &stage->scan.disks[index];
	char reason[CONTROL_REASON_MAX];

	report_disk(stage, STAGE_STATE_RUNNING, DISK_STATE_CHECKING, index, why);
	if (data_disk_mount(disk->device, stage->config->disk.mountpoint, check, reason,
		    sizeof(reason)) < 0)
		report_disk(stage, STAGE_STATE_FAILED, DISK_STATE_REFUSED, index, reason);
	else
		finish_mounted(stage, index);
}

/* Returns true if the disk is formatted and a new scan will find it. */
static bool format_disk(struct disk_stage *stage, size_t index, const char *why)
{
	const struct disk_facts *disk = &stage->scan.disks[index];
	char reason[CONTROL_REASON_MAX];

	log_info("formatting %s (%llu MiB): %s", disk->device,
		(unsigned long long)(disk->size_bytes >> 20), why);
	(void)snprintf(reason, sizeof(reason), "formatting %s, which is blank", disk->device);
	report_disk(stage, STAGE_STATE_RUNNING, DISK_STATE_FORMATTING, index, reason);
	stage->format_tried = true;
	if (data_disk_format(disk->device, stage->config->disk.label, reason, sizeof(reason)) < 0) {
		report_disk(stage, STAGE_STATE_FAILED, DISK_STATE_REFUSED, index, reason);
		return false;
	}
	stage->formatted = true;
	return true;
}

static void restart_settle(struct disk_stage *stage);

/* Devices came or went while we were reading: what was found out is stale. */
static bool devices_changed(struct disk_stage *stage)
{
	if (!uevent_drain(stage->uevents.fd))
		return false;
	restart_settle(stage);
	return true;
}

/* One decision on the current facts. Returns true if there is to be another scan at once. */
static bool decide_once(struct disk_stage *stage)
{
	const struct config *config = stage->config;
	struct disk_policy_input input = {
		.label = config->disk.label,
		.uuid = config->disk.uuid,
		.mountpoint = config->disk.mountpoint,
		.mounted_source = stage->scan.mounted_source,
		.format_blank = config->disk.format == CONFIG_DISK_FORMAT_BLANK &&
				!stage->format_tried && !stage->scan.overflow,
		.settled = stage->settled,
		.deadline_passed = stage->deadline_passed,
		.disks = stage->scan.disks,
		.count = stage->scan.count,
	};
	struct disk_decision decision;
	struct disk_facts *disk;

	disk_policy_decide(&input, &decision);
	if (decision.action == DISK_ACTION_CHECK_BLANK) {
		disk = &stage->scan.disks[decision.index];
		report_disk(stage, STAGE_STATE_RUNNING, DISK_STATE_CHECKING, decision.index,
			decision.reason);
		disk->blank = disk_probe_blank(disk->device, disk->size_bytes);
		if (devices_changed(stage))
			return true;
		disk_policy_decide(&input, &decision);
	}
	switch (decision.action) {
	case DISK_ACTION_WAIT:
	case DISK_ACTION_CHECK_BLANK:
		report_disk(stage, STAGE_STATE_RUNNING, DISK_STATE_WAITING, decision.index,
			decision.reason);
		break;
	case DISK_ACTION_KEEP:
	case DISK_ACTION_GROW:
		finish_mounted(stage, decision.index);
		break;
	case DISK_ACTION_MOUNT:
	case DISK_ACTION_REPLAY_AND_MOUNT:
	case DISK_ACTION_CHECK_AND_MOUNT:
		mount_disk(stage, decision.index, decision.action == DISK_ACTION_CHECK_AND_MOUNT,
			decision.reason);
		break;
	case DISK_ACTION_FORMAT:
		return format_disk(stage, decision.index, decision.reason);
	case DISK_ACTION_RESCUE:
	case DISK_ACTION_REFUSE:
		report_disk(stage, STAGE_STATE_FAILED,
			decision.index == DISK_INDEX_NONE && input.mounted_source[0] == '\0'
				? DISK_STATE_WAITING
				: DISK_STATE_REFUSED,
			decision.index, decision.reason);
		break;
	}
	return false;
}

static void scan_and_decide(struct disk_stage *stage)
{
	int rc;

	do {
		rc = disk_scan_run(stage->options, &stage->scan);
		if (rc < 0) {
			log_error("scan /sys/class/block: %s", strerror(-rc));
			report_disk(stage, STAGE_STATE_FAILED, DISK_STATE_UNKNOWN, DISK_INDEX_NONE,
				"/sys/class/block cannot be read");
			return;
		}
	} while (decide_once(stage));
}

static void on_settle(struct loop_timer *timer)
{
	struct disk_stage *stage = timer->ctx;

	stage->settled = true;
	scan_and_decide(stage);
}

static void restart_settle(struct disk_stage *stage)
{
	stage->settled = false;
	/* Being settled matters to formatting only: without it, not one wake-up. */
	if (stage->config->disk.format == CONFIG_DISK_FORMAT_BLANK)
		loop_timer_set(&stage->loop, &stage->settle, clock_now_us() + SETTLE_US, on_settle,
			stage);
}

static void on_deadline(struct loop_timer *timer)
{
	struct disk_stage *stage = timer->ctx;

	stage->deadline_passed = true;
	scan_and_decide(stage);
}

static void on_uevent(struct loop_source *source, uint32_t epoll_events)
{
	struct disk_stage *stage = source->ctx;

	(void)epoll_events;
	if (!uevent_drain(source->fd))
		return;
	restart_settle(stage);
	scan_and_decide(stage);
}

static int start_stage(struct disk_stage *stage, int uevent_fd)
{
	int rc = loop_init(&stage->loop);

	if (rc < 0)
		return rc;
	rc = loop_add(&stage->loop, &stage->uevents, uevent_fd, EPOLLIN, on_uevent, stage);
	if (rc < 0)
		return rc;
	loop_timer_set(&stage->loop, &stage->deadline,
		clock_now_us() + stage->config->disk.wait_s * USEC_PER_SEC, on_deadline, stage);
	restart_settle(stage);
	scan_and_decide(stage);
	return stage->loop.stop ? 0 : loop_run(&stage->loop);
}

int disk_stage_run(const struct config *config, const struct disk_scan_options *options)
{
	static struct disk_stage stage; /* too large for the stack */
	_cleanup_close_ int uevent_fd = uevent_open();
	int rc;

	stage = (struct disk_stage){.config = config, .options = options};
	rc = uevent_fd < 0 ? uevent_fd : start_stage(&stage, uevent_fd);
	loop_fini(&stage.loop);
	if (rc < 0)
		stage_report_send(STAGE_STATE_FAILED, NULL, "cannot wait for disks: %s",
			strerror(-rc));
	return rc;
}
