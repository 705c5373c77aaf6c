/* SPDX-License-Identifier: MIT
 *
 * disk_action.h - carries one decision of the policy out, tells PID 1, and keeps what came of it for the next decision.
 */
#pragma once

#include "init/disk/disk_scan.h"
#include "lib/config.h"

#define DISK_FINDINGS_MAX \
	8 /* disks that this run did something to; one more and the oldest is forgotten */

struct disk_finding {
	char device[32]; /* "": free */
	char uuid[40];   /* of what was on it: the next disk may get the same name */
	enum disk_check check;
	int check_status;
	int mount_error;
	int grow_error;
};

struct disk_action_state {
	const struct config *config;
	bool format_tried; /* once a run is enough: what failed then fails again */
	bool formatted, grown, checked;
	enum stage_state last_state; /* what PID 1 was told last */
	enum disk_state last_disk;
	char last_reason[CONTROL_REASON_MAX];
	uint64_t progress_us; /* when progress was told last */
	struct disk_finding findings[DISK_FINDINGS_MAX];
	size_t next_finding;
};

enum disk_result {
	DISK_RESULT_WAIT,  /* nothing more can be done now */
	DISK_RESULT_AGAIN, /* something was done: look again and decide again */
	DISK_RESULT_DONE,  /* mounted, bound, reported */
};

/* Puts what is known of each device into its facts. What is known of devices that have left is forgotten. */
void disk_action_recall(struct disk_action_state *state, struct disk_scan *scan);
/* Somebody else wrote to it. */
void disk_action_forget(struct disk_action_state *state, const char *device);

/* `disk` is the one that the decision is about, NULL if there is none; `occupied`: something is mounted on the mount point. */
enum disk_result disk_action_run(struct disk_action_state *state,
	const struct disk_decision *decision, const struct disk_facts *disk, bool occupied);

/* Tells PID 1 unless it was told the same last. `disk` may be NULL. */
void disk_action_report(struct disk_action_state *state, enum stage_state stage_state,
	enum disk_state disk_state, const struct disk_facts *disk,
	const struct disk_decision *decision, const char *reason);
