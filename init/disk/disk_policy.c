/* SPDX-License-Identifier: MIT
 *
 * disk_policy.c - the decision about the data disk. Pure; called by disk_stage.c after each scan. What always holds: a
 * disk is formatted only if nothing speaks against it, and two disks that could be ours are never chosen between.
 */
#include "init/disk/disk_policy.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "init/disk/disk_judge.h"

const char *disk_exclusion_name(enum disk_exclusion exclusion)
{
	static const char *const names[] = {"candidate", "virtual", "no medium", "not named",
		"smaller than 64 MiB", "read-only", "removable", "mounted", "in use"};

	static_assert(ARRAY_SIZE(names) == DISK_EXCLUSION_BUSY + 1, "a name for each exclusion");
	return exclusion < ARRAY_SIZE(names) ? names[exclusion] : "?";
}

const char *disk_action_name(enum disk_action action)
{
	static const char *const names[] = {"wait", "keep", "grow", "mount", "replay+mount",
		"check+mount", "check-blank", "format", "rescue", "refuse"};

	static_assert(ARRAY_SIZE(names) == DISK_ACTION_REFUSE + 1, "a name for each action");
	return action < ARRAY_SIZE(names) ? names[action] : "?";
}

/* What the wanted disk is called in sentences. */
struct wanted_text {
	char text[64];
};

static struct wanted_text describe_wanted(const struct disk_policy_input *input)
{
	struct wanted_text wanted;

	(void)snprintf(wanted.text, sizeof(wanted.text), "%s %s",
		input->uuid[0] ? "with UUID" : "labelled",
		input->uuid[0] ? input->uuid : input->label);
	return wanted;
}

/* What is mounted there and is no block device that we know. */
static void refuse_occupied(const struct disk_policy_input *input, struct disk_decision *decision)
{
	if (strncmp(input->mounted_source, "/dev/", 5) == 0)
		DISK_DECIDE(decision, REFUSE, VANISHED, DISK_INDEX_NONE,
			"%s, mounted on %s, is no longer there; attach it again and run keelctl disk "
			"repair",
			input->mounted_source, input->mountpoint);
	else
		DISK_DECIDE(decision, REFUSE, MOUNT_POINT_BUSY, DISK_INDEX_NONE,
			"%s holds %.48s, which is not the data disk; unmount it", input->mountpoint,
			input->mounted_source);
}

/* Rule 1. Returns false if the mount point is free. */
static bool decide_mounted(const struct disk_policy_input *input, struct disk_decision *decision)
{
	for (size_t i = 0; i < input->count; i++) {
		const struct disk_facts *disk = &input->disks[i];

		if (!disk->at_mountpoint)
			continue;
		if (disk->content == DISK_CONTENT_UNREADABLE)
			DISK_DECIDE(decision, REFUSE, READ_ERROR, i,
				"%s, mounted on %s, cannot be read any more; see dmesg, attach it again "
				"and run keelctl disk repair",
				disk->device, input->mountpoint);
		else if (disk_judge_claims(input, disk))
			disk_judge_mounted(input, i, decision);
		else
			DISK_DECIDE(decision, REFUSE, MOUNT_POINT_BUSY, i,
				"%s holds %s, which is not the disk %s; unmount it",
				input->mountpoint, disk->device, describe_wanted(input).text);
		return true;
	}
	if (input->mounted_source[0] == '\0')
		return false;
	refuse_occupied(input, decision);
	return true;
}

/* Rules 2 and 3. Returns false if no device claims to be ours. */
static bool decide_claimed(const struct disk_policy_input *input, struct disk_decision *decision)
{
	size_t first = DISK_INDEX_NONE;

	for (size_t i = 0; i < input->count; i++) {
		if (!disk_judge_claims(input, &input->disks[i]))
			continue;
		if (first != DISK_INDEX_NONE) {
			DISK_DECIDE(decision, REFUSE, TWO_DISKS, DISK_INDEX_NONE,
				"%s and %s are both disks %s; %s", input->disks[first].device,
				input->disks[i].device, describe_wanted(input).text,
				input->uuid[0]
					? "detach one"
					: "detach one, or choose: disk.data=UUID=... in keel.conf");
			return true;
		}
		first = i;
	}
	if (first == DISK_INDEX_NONE)
		return false;
	disk_judge_found(input, first, decision);
	return true;
}

/* By the kernel's names: /dev/sda and /dev/sda1, /dev/nvme0n1 and /dev/nvme0n1p1. */
static bool is_partition_of(const struct disk_facts *partition, const struct disk_facts *disk)
{
	size_t len = strlen(disk->device);
	const char *rest = partition->device + len;

	if (!partition->partition || strncmp(partition->device, disk->device, len) != 0)
		return false;
	if (*rest == 'p')
		rest++;
	return *rest != '\0' && strspn(rest, "0123456789") == strlen(rest);
}

/* A partitioned disk is its partitions. */
static bool has_partitions(const struct disk_policy_input *input, const struct disk_facts *disk)
{
	for (size_t i = 0; i < input->count; i++)
		if (!disk->partition && is_partition_of(&input->disks[i], disk))
			return true;
	return false;
}

/* How many devices are unused; *only is the last of them. */
static size_t count_unused(const struct disk_policy_input *input, size_t *only)
{
	size_t count = 0;

	for (size_t i = 0; i < input->count; i++) {
		if (input->disks[i].exclusion != DISK_EXCLUSION_NONE ||
			has_partitions(input, &input->disks[i]))
			continue;
		*only = i;
		count++;
	}
	return count;
}

/* A disk that cannot be read could be ours: while it is there, no other becomes the data disk. Drives without a medium are
 * unreadable too. */
static bool could_be_ours(const struct disk_facts *disk)
{
	return disk->content == DISK_CONTENT_UNREADABLE &&
	       disk->exclusion != DISK_EXCLUSION_VIRTUAL &&
	       disk->exclusion != DISK_EXCLUSION_EMPTY &&
	       disk->exclusion != DISK_EXCLUSION_NOT_NAMED &&
	       disk->exclusion != DISK_EXCLUSION_REMOVABLE;
}

static bool any_could_be_ours(const struct disk_policy_input *input)
{
	for (size_t i = 0; i < input->count; i++)
		if (could_be_ours(&input->disks[i]))
			return true;
	return false;
}

static bool can_hold_data(const struct disk_facts *disk)
{
	return disk->size_bytes <= DISK_SIZE_MAX && disk->logical_block_size <= DISK_BLOCK_SIZE_MAX;
}

/* Could be formatted if it proves to be blank. The remains of a file system are no place to look for blankness in samples,
 * unless they are our own. */
static bool maybe_blank(const struct disk_facts *disk)
{
	return disk->content == DISK_CONTENT_NOTHING && !disk->partition && can_hold_data(disk) &&
	       (disk->format_intent || !disk->backup.valid);
}

/* The action part of rule 4. Returns false if there is nothing to format. */
static bool decide_format(const struct disk_policy_input *input, struct disk_decision *decision)
{
	size_t only = DISK_INDEX_NONE;
	const struct disk_facts *disk;

	if (!input->format_blank || input->uuid[0] || count_unused(input, &only) != 1 ||
		any_could_be_ours(input))
		return false;
	disk = &input->disks[only];
	if (!maybe_blank(disk) || disk->blank == DISK_BLANK_READ_ERROR ||
		(disk->blank == DISK_BLANK_NOT_ZERO && !disk->format_intent))
		return false;
	if (!input->settled)
		DISK_DECIDE(decision, WAIT, BLANK, DISK_INDEX_NONE,
			"waiting for a disk labelled %s before %s is formatted", input->label,
			disk->device);
	else if (disk->format_intent)
		DISK_DECIDE(decision, FORMAT, OK, only,
			"%s was blank when a format of it was interrupted", disk->device);
	else if (disk->blank == DISK_BLANK_UNCHECKED)
		DISK_DECIDE(decision, CHECK_BLANK, OK, only,
			"reading %s to see whether it is blank", disk->device);
	else
		DISK_DECIDE(decision, FORMAT, OK, only, "%s is blank and the only unused disk",
			disk->device);
	return true;
}

/* What is the matter when no disk is ours, and what can be done. */
struct absence {
	enum disk_situation situation;
	char what[96];
	char way_out[64];
};

#define ABSENCE(absence_, situation_, way_out_, ...)                                     \
	do {                                                                             \
		(absence_)->situation = DISK_SITUATION_##situation_;                     \
		(void)snprintf((absence_)->what, sizeof((absence_)->what), __VA_ARGS__); \
		(void)snprintf((absence_)->way_out, sizeof((absence_)->way_out), "%s",   \
			(way_out_));                                                     \
	} while (0)

#define ATTACH       "attach it: wsl --mount --vhd FILE --bare"
#define LIST         "see keelctl disk list"
#define INIT         "if it is not wanted: keelctl disk init"
#define FORMAT_BLANK "set disk.format=blank, or run keelctl disk init"

/* A label is whatever the disk says: nothing of it may reach a terminal as a command. */
static void copy_printable(const char *label, char *clean, size_t size)
{
	size_t i;

	for (i = 0; i < size - 1 && label[i]; i++)
		clean[i] = label[i] >= ' ' && label[i] <= '~' ? label[i] : '?';
	clean[i] = '\0';
}

/* The one unused device on which libblkid knows nothing. */
static void explain_nothing(const struct disk_policy_input *input, const struct disk_facts *disk,
	struct absence *absence)
{
	const char *device = disk->device;

	if (disk->blank == DISK_BLANK_READ_ERROR)
		ABSENCE(absence, READ_ERROR, "see dmesg, and attach a sound disk",
			"%s has read errors", device);
	else if (disk->size_bytes > DISK_SIZE_MAX)
		ABSENCE(absence, TOO_LARGE, ATTACH, "%s is larger than a VHDX can be (64 TiB)",
			device);
	else if (disk->logical_block_size > DISK_BLOCK_SIZE_MAX)
		ABSENCE(absence, BLOCK_SIZE, ATTACH, "%s has sectors of %u bytes", device,
			(unsigned int)disk->logical_block_size);
	else if (disk->backup.valid && !disk->format_intent)
		ABSENCE(absence, FOREIGN, LIST, "%s holds another ext4 without its superblock",
			device);
	else if (disk->blank == DISK_BLANK_NOT_ZERO && !disk->format_intent)
		ABSENCE(absence, NOT_BLANK, INIT, "%s is unknown but not blank", device);
	else
		ABSENCE(absence, BLANK,
			input->format_blank || input->uuid[0] || disk->partition ? INIT
										 : FORMAT_BLANK,
			"%s looks empty", device);
}

/* The one unused device, which is not our disk. */
static void explain_one(const struct disk_policy_input *input, const struct disk_facts *disk,
	struct absence *absence)
{
	const char *device = disk->device;
	char label[17];

	switch (disk->content) {
	case DISK_CONTENT_DATA:
	case DISK_CONTENT_PARTITIONS:
		copy_printable(disk->label, label, sizeof(label));
		if (strcmp(disk->type, "crypto_LUKS") == 0)
			ABSENCE(absence, ENCRYPTED, ATTACH, "%s is encrypted (LUKS)", device);
		else
			ABSENCE(absence, FOREIGN, INIT, "%s holds %s%s%s", device, disk->type,
				label[0] ? " labelled " : "", label);
		return;
	case DISK_CONTENT_AMBIVALENT:
		ABSENCE(absence, AMBIVALENT, "see wipefs(8) and keelctl disk list",
			"%s has more than one signature", device);
		return;
	case DISK_CONTENT_UNREADABLE:
		ABSENCE(absence, READ_ERROR, "see dmesg, and attach it again", "%s cannot be read",
			device);
		return;
	case DISK_CONTENT_NOTHING:
		break;
	}
	explain_nothing(input, disk, absence);
}

/* The pinned disk is not there, but one with the label is. */
static const struct disk_facts *find_other_uuid(const struct disk_policy_input *input)
{
	for (size_t i = 0; i < input->count; i++)
		if (input->disks[i].content == DISK_CONTENT_DATA &&
			input->disks[i].exclusion != DISK_EXCLUSION_NOT_NAMED &&
			strcmp(input->disks[i].label, input->label) == 0)
			return &input->disks[i];
	return NULL;
}

/* The most telling first. */
static void explain_none(const struct disk_policy_input *input, struct absence *absence)
{
	const struct disk_facts *other = find_other_uuid(input);
	size_t only = DISK_INDEX_NONE;
	size_t unused = count_unused(input, &only);

	if (other)
		ABSENCE(absence, OTHER_UUID, "correct disk.data or attach the right disk",
			"%s is labelled %s", other->device, input->label);
	else if (unused > 1)
		ABSENCE(absence, NOT_FOUND, LIST, "%zu unused devices, among them %s", unused,
			input->disks[only].device);
	else if (unused == 1 &&
		 !(input->disks[only].content == DISK_CONTENT_NOTHING && any_could_be_ours(input)))
		explain_one(input, &input->disks[only], absence);
	else if (any_could_be_ours(input))
		ABSENCE(absence, READ_ERROR, "see dmesg and keelctl disk list",
			"a disk that cannot be read could be it");
	else
		ABSENCE(absence, NO_DISK, ATTACH, "no unused disk at all");
}

void disk_policy_decide(const struct disk_policy_input *input, struct disk_decision *decision)
{
	struct absence absence = {0};

	if (decide_mounted(input, decision) || decide_claimed(input, decision) ||
		decide_format(input, decision))
		return;
	explain_none(input, &absence);
	if (input->deadline_passed)
		DISK_DECIDE(decision, REFUSE, NO_DISK, DISK_INDEX_NONE, "no disk %s: %s; %s",
			describe_wanted(input).text, absence.what, absence.way_out);
	else
		DISK_DECIDE(decision, WAIT, NO_DISK, DISK_INDEX_NONE, "waiting for a disk %s (%s)",
			describe_wanted(input).text, absence.what);
	decision->situation = absence.situation;
}
