/* SPDX-License-Identifier: MIT
 *
 * disk_policy.c - the decision about the data disk. Pure; called by disk_stage.c after each scan.
 * What always holds: a disk is formatted only if nothing speaks against it, and two disks that
 * could be ours are never chosen between.
 */
#include "init/disk/disk_policy.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *disk_exclusion_name(enum disk_exclusion exclusion)
{
	static const char *const names[] = {"candidate", "virtual", "no medium", "not named",
		"smaller than 64 MiB", "read-only", "removable", "mounted", "in use"};

	static_assert(ARRAY_SIZE(names) == DISK_EXCLUSION_BUSY + 1, "a name for each exclusion");
	return exclusion < ARRAY_SIZE(names) ? names[exclusion] : "?";
}

bool disk_policy_check_passed(int exit_status)
{
	return exit_status == 0 || exit_status == 1;
}

const char *disk_action_name(enum disk_action action)
{
	static const char *const names[] = {"wait", "keep", "grow", "mount", "replay+mount",
		"check+mount", "check-blank", "format", "rescue", "refuse"};

	static_assert(ARRAY_SIZE(names) == DISK_ACTION_REFUSE + 1, "a name for each action");
	return action < ARRAY_SIZE(names) ? names[action] : "?";
}

#define DECIDE(decision_, action_, index_, ...)                                                \
	do {                                                                                   \
		(decision_)->action = (action_);                                               \
		(decision_)->situation = DISK_SITUATION_OK;                                    \
		(decision_)->index = (index_);                                                 \
		(void)snprintf((decision_)->reason, sizeof((decision_)->reason), __VA_ARGS__); \
	} while (0)

static bool has_label(const struct disk_policy_input *input, const struct disk_facts *disk)
{
	return disk->content == DISK_CONTENT_DATA && strcmp(disk->label, input->label) == 0;
}

static bool has_identity(const struct disk_policy_input *input, const struct disk_facts *disk)
{
	/* Whoever limits the choice on the command line has looked at the others. */
	if (disk->exclusion == DISK_EXCLUSION_NOT_NAMED)
		return false;
	return has_label(input, disk) &&
	       (input->uuid[0] == '\0' || strcasecmp(disk->uuid, input->uuid) == 0);
}

static bool is_data_disk(const struct disk_policy_input *input, const struct disk_facts *disk)
{
	return has_identity(input, disk) && strcmp(disk->type, "ext4") == 0;
}

/* Rule 1. Returns false if the mount point is free. */
static bool decide_mounted(const struct disk_policy_input *input, struct disk_decision *decision)
{
	for (size_t i = 0; i < input->count; i++) {
		const struct disk_facts *disk = &input->disks[i];

		if (!disk->at_mountpoint)
			continue;
		if (is_data_disk(input, disk))
			DECIDE(decision, DISK_ACTION_KEEP, i, "%s is mounted on %s", disk->device,
				input->mountpoint);
		else
			DECIDE(decision, DISK_ACTION_REFUSE, i,
				"%s holds %s, which is not the disk labelled %s; unmount it",
				input->mountpoint, disk->device, input->label);
		return true;
	}
	if (input->mounted_source[0] == '\0')
		return false;
	DECIDE(decision, DISK_ACTION_REFUSE, DISK_INDEX_NONE,
		"%s holds %.48s, which is not the disk labelled %s; unmount it", input->mountpoint,
		input->mounted_source, input->label);
	return true;
}

/* Rule 3. */
static void decide_found(const struct disk_policy_input *input, size_t index,
	struct disk_decision *decision)
{
	const struct disk_facts *disk = &input->disks[index];

	if (disk->exclusion != DISK_EXCLUSION_NONE)
		DECIDE(decision, DISK_ACTION_REFUSE, index,
			"%s is labelled %s but is %s%s%s; release it, or attach another disk of "
			"that label",
			disk->device, input->label, disk_exclusion_name(disk->exclusion),
			disk->exclusion_detail[0] ? ": " : "", disk->exclusion_detail);
	else if (strcmp(disk->type, "ext4") != 0)
		DECIDE(decision, DISK_ACTION_REFUSE, index,
			"%s is labelled %s but holds %s, not ext4; change its label or attach the "
			"right disk",
			disk->device, input->label, disk->type);
	else if (disk->superblock.error)
		DECIDE(decision, DISK_ACTION_CHECK_AND_MOUNT, index,
			"%s carries the error flag of ext4", disk->device);
	else
		DECIDE(decision, DISK_ACTION_MOUNT, index, "%s is labelled %s", disk->device,
			input->label);
}

/* Rules 2 and 3. Returns false if no device has our identity. */
static bool decide_identity(const struct disk_policy_input *input, struct disk_decision *decision)
{
	size_t first = DISK_INDEX_NONE;

	for (size_t i = 0; i < input->count; i++) {
		if (!has_identity(input, &input->disks[i]))
			continue;
		if (first != DISK_INDEX_NONE) {
			DECIDE(decision, DISK_ACTION_REFUSE, DISK_INDEX_NONE,
				"%s and %s are both labelled %s; %s", input->disks[first].device,
				input->disks[i].device, input->label,
				input->uuid[0]
					? "and have the same UUID; detach one"
					: "detach one, or pin disk.uuid in /etc/keel/keel.conf");
			return true;
		}
		first = i;
	}
	if (first == DISK_INDEX_NONE)
		return false;
	decide_found(input, first, decision);
	return true;
}

/* How many devices are unused; *only is the last of them. */
static size_t count_unused(const struct disk_policy_input *input, size_t *only)
{
	size_t count = 0;

	for (size_t i = 0; i < input->count; i++) {
		if (input->disks[i].exclusion != DISK_EXCLUSION_NONE)
			continue;
		*only = i;
		count++;
	}
	return count;
}

/* Could be formatted if it proves to be blank. */
static bool maybe_blank(const struct disk_facts *disk)
{
	return disk->content == DISK_CONTENT_NOTHING && !disk->partition;
}

/* The action part of rule 4. Returns false if there is nothing to format. */
static bool decide_format(const struct disk_policy_input *input, struct disk_decision *decision)
{
	size_t only = DISK_INDEX_NONE;
	const struct disk_facts *disk;

	if (!input->format_blank || input->uuid[0] || count_unused(input, &only) != 1)
		return false;
	disk = &input->disks[only];
	if (!maybe_blank(disk) || disk->blank == DISK_BLANK_NOT_ZERO ||
		disk->blank == DISK_BLANK_READ_ERROR)
		return false;
	if (!input->settled)
		DECIDE(decision, DISK_ACTION_WAIT, DISK_INDEX_NONE,
			"waiting for a disk labelled %s before %s is formatted", input->label,
			disk->device);
	else if (disk->blank == DISK_BLANK_UNCHECKED)
		DECIDE(decision, DISK_ACTION_CHECK_BLANK, only,
			"reading %s to see whether it is blank", disk->device);
	else
		DECIDE(decision, DISK_ACTION_FORMAT, only, "%s is blank and the only unused disk",
			disk->device);
	return true;
}

/* What is known about the one unused device that is not our disk. */
static void explain_one(const struct disk_policy_input *input, const struct disk_facts *disk,
	char *text, size_t size)
{
	const char *device = disk->device;

	switch (disk->content) {
	case DISK_CONTENT_DATA:
	case DISK_CONTENT_PARTITIONS:
		(void)snprintf(text, size, "%s holds %s%s%.16s", device, disk->type,
			disk->label[0] ? " labelled " : "", disk->label);
		return;
	case DISK_CONTENT_AMBIVALENT:
		(void)snprintf(text, size, "%s has more than one signature (see wipefs)", device);
		return;
	case DISK_CONTENT_UNREADABLE:
		(void)snprintf(text, size, "%s cannot be read", device);
		return;
	case DISK_CONTENT_NOTHING:
		break;
	}
	if (disk->blank == DISK_BLANK_NOT_ZERO)
		(void)snprintf(text, size, "%s is unknown but not blank", device);
	else if (disk->blank == DISK_BLANK_READ_ERROR)
		(void)snprintf(text, size, "%s has read errors", device);
	else if (!input->format_blank && !disk->partition && !input->uuid[0])
		(void)snprintf(text, size, "%s looks empty and disk.format=blank would format it",
			device);
	else
		(void)snprintf(text, size, "%s looks empty", device);
}

/* The detail of "no such disk", the most telling first. */
static void explain_none(const struct disk_policy_input *input, char *text, size_t size)
{
	size_t only = DISK_INDEX_NONE;
	size_t unused = count_unused(input, &only);

	for (size_t i = 0; i < input->count; i++) {
		if (!has_label(input, &input->disks[i]) ||
			input->disks[i].exclusion == DISK_EXCLUSION_NOT_NAMED)
			continue;
		(void)snprintf(text, size, "%s has the label but not the UUID of disk.uuid",
			input->disks[i].device);
		return;
	}
	if (unused == 0)
		(void)snprintf(text, size, "no unused disk at all");
	else if (unused == 1)
		explain_one(input, &input->disks[only], text, size);
	else
		(void)snprintf(text, size, "%zu other unused devices, among them %s", unused,
			input->disks[only].device);
}

void disk_policy_decide(const struct disk_policy_input *input, struct disk_decision *decision)
{
	char detail[100];

	if (decide_mounted(input, decision) || decide_identity(input, decision) ||
		decide_format(input, decision))
		return;
	explain_none(input, detail, sizeof(detail));
	if (!input->deadline_passed)
		DECIDE(decision, DISK_ACTION_WAIT, DISK_INDEX_NONE,
			"waiting for a disk labelled %s (%s)", input->label, detail);
	else
		DECIDE(decision, DISK_ACTION_REFUSE, DISK_INDEX_NONE,
			"no disk labelled %s: %s; attach it, or make one: mke2fs -t ext4 -L %s "
			"DEVICE",
			input->label, detail, input->label);
}
