/* SPDX-License-Identifier: MIT
 *
 * disk_stage.c - the loop around the policy. Called by main.c. Wakes on block uevents, on writes to a device that could
 * become ours, and on two timers; never polls. Between two events nothing runs.
 *
 * After every action the devices are looked at again, and the policy decides again with what came of it: so a mount
 * is followed by growth, a check that found too much by a refusal or a rescue. What came of an action is kept by device and
 * forgotten when somebody else writes to that device.
 *
 * A refusal is reported as FAILED and waited on: the next event (the right disk arrives, the second one is detached, a
 * repair by hand ends) leads to a new decision, and DONE replaces the failure.
 *
 * "Settled" means that no block device came or went for SETTLE_US: nobody tells us that all drivers
 * are loaded, and a blank disk may show up before the labelled one. Should that one come later
 * still, the next boot finds two disks of our label and refuses, naming both.
 */
#include "init/disk/disk_stage.h"

#include <stdio.h>
#include <string.h>

#include "init/disk/device_watch.h"
#include "init/disk/disk_action.h"
#include "init/disk/disk_probe.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/netlink/uevent.h"

#define SETTLE_US USEC_PER_SEC
#define ROUNDS_MAX \
	16 /* actions in a row; the longest sensible row is check, format, mount, grow, keep */

struct disk_stage {
	const struct config *config;
	const struct disk_scan_options *options;
	struct loop loop;
	struct loop_source uevents, writes;
	struct loop_timer deadline, settle;
	bool deadline_passed, settled;
	struct disk_action_state actions;
	struct device_watch watch;
	struct disk_scan scan;
};

static void restart_settle(struct disk_stage *stage);

/* Devices came or went while we were reading: what was found out is stale. */
static bool devices_changed(struct disk_stage *stage)
{
	if (!uevent_drain(stage->uevents.fd, "block"))
		return false;
	restart_settle(stage);
	return true;
}

static void forget_device(void *ctx, const char *device)
{
	struct disk_stage *stage = ctx;

	log_info("%s was written to by somebody; looking at it again", device);
	disk_action_forget(&stage->actions, device);
}

static void ignore_write(void *ctx, const char *device)
{
	(void)ctx;
	(void)device;
}

/* One decision on the current facts. Returns true if there is to be another look at once. */
static bool decide_once(struct disk_stage *stage)
{
	const struct config *config = stage->config;
	struct disk_policy_input input = {
		.label = config->disk.label,
		.uuid = config->disk.uuid,
		.mountpoint = config->disk.mountpoint,
		.mounted_source = stage->scan.mounted_source,
		.format_blank = config->disk.format == CONFIG_DISK_FORMAT_BLANK &&
				!stage->actions.format_tried && !stage->scan.overflow,
		.rescue_read_only = config->disk.damaged == CONFIG_DISK_DAMAGED_READ_ONLY,
		.settled = stage->settled,
		.deadline_passed = stage->deadline_passed,
		.disks = stage->scan.disks,
		.count = stage->scan.count,
	};
	struct disk_decision decision;
	enum disk_result result;

	disk_policy_decide(&input, &decision);
	if (decision.action == DISK_ACTION_CHECK_BLANK) {
		struct disk_facts *disk = &stage->scan.disks[decision.index];

		disk_action_report(&stage->actions, STAGE_STATE_RUNNING, DISK_STATE_CHECKING, disk,
			&decision, decision.reason);
		disk->blank = disk_probe_blank(disk->device, disk->size_bytes);
		if (devices_changed(stage))
			return true;
		disk_policy_decide(&input, &decision);
	}
	result = disk_action_run(&stage->actions, &decision,
		decision.index == DISK_INDEX_NONE ? NULL : &stage->scan.disks[decision.index],
		stage->scan.mounted_source[0] != '\0');
	if (result == DISK_RESULT_DONE)
		stage->loop.stop = true;
	if (result != DISK_RESULT_AGAIN)
		return false;
	/* Our own programs have closed the device by now: that is no news. */
	(void)device_watch_drain(&stage->watch, ignore_write, NULL);
	return true;
}

static bool scan_once(struct disk_stage *stage)
{
	static const struct disk_decision none = {.index = DISK_INDEX_NONE};
	int rc = disk_scan_run(stage->options, &stage->scan);

	if (rc < 0) {
		log_error("scan /sys/class/block: %s", strerror(-rc));
		disk_action_report(&stage->actions, STAGE_STATE_FAILED, DISK_STATE_UNKNOWN, NULL,
			&none, "/sys/class/block cannot be read");
		return false;
	}
	disk_action_recall(&stage->actions, &stage->scan);
	return decide_once(stage);
}

static void scan_and_decide(struct disk_stage *stage)
{
	for (int round = 0; round < ROUNDS_MAX; round++) {
		if (scan_once(stage))
			continue;
		/* Before going to sleep: what is written from here on is noticed. */
		if (stage->loop.stop || !device_watch_set(&stage->watch, &stage->scan))
			return;
	}
	log_error("%d decisions in a row led to no end; waiting for an event", ROUNDS_MAX);
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
	if (!uevent_drain(source->fd, "block"))
		return;
	restart_settle(stage);
	scan_and_decide(stage);
}

static void on_write(struct loop_source *source, uint32_t epoll_events)
{
	struct disk_stage *stage = source->ctx;

	(void)epoll_events;
	if (device_watch_drain(&stage->watch, forget_device, stage))
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
	rc = loop_add(&stage->loop, &stage->writes, stage->watch.fd, EPOLLIN, on_write, stage);
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
	stage.actions.config = config;
	rc = device_watch_open(&stage.watch);
	if (rc == 0)
		rc = uevent_fd < 0 ? uevent_fd : start_stage(&stage, uevent_fd);
	loop_fini(&stage.loop);
	close_p(&stage.watch.fd);
	if (rc < 0)
		stage_report_send(STAGE_STATE_FAILED, NULL, "cannot wait for disks: %s",
			strerror(-rc));
	return rc;
}
