/* SPDX-License-Identifier: MIT
 *
 * disk_judge.c - what is done with a disk that claims to be ours: a list of rules, the first that has something to say
 * decides. Pure; called by disk_policy.c. What always holds: whatever is refused here was only read; whatever is checked or
 * mounted has proven its identity and fits this kernel.
 */
#include "init/disk/disk_judge.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Returns true if it decided. */
typedef bool rule_fn(const struct disk_policy_input *input, size_t index,
	struct disk_decision *decision);

/* An interrupted format of ours is no file system whose superblock is lost. */
static bool lost_superblock(const struct disk_facts *disk)
{
	return disk->content == DISK_CONTENT_NOTHING && disk->backup.valid && !disk->format_intent;
}

bool disk_judge_claims(const struct disk_policy_input *input, const struct disk_facts *disk)
{
	bool lost = lost_superblock(disk);

	/* Whoever limits the choice on the command line has looked at the others. */
	if (disk->exclusion == DISK_EXCLUSION_NOT_NAMED ||
		(disk->content != DISK_CONTENT_DATA && !lost))
		return false;
	if (input->uuid[0])
		return strcasecmp(lost ? disk->backup.uuid : disk->uuid, input->uuid) == 0;
	return strcmp(lost ? disk->backup.label : disk->label, input->label) == 0;
}

static bool refuse_excluded(const struct disk_policy_input *input, size_t index,
	struct disk_decision *decision)
{
	const struct disk_facts *disk = &input->disks[index];
	const char *device = disk->device;

	switch (disk->exclusion) {
	case DISK_EXCLUSION_NONE:
		return false;
	case DISK_EXCLUSION_MOUNTED:
		DISK_DECIDE(decision, REFUSE, IN_USE, index,
			"%s is the data disk but is mounted: %s; unmount it", device,
			disk->exclusion_detail);
		return true;
	case DISK_EXCLUSION_BUSY:
		DISK_DECIDE(decision, REFUSE, IN_USE, index,
			"%s is the data disk but is in use: %s; release it", device,
			disk->exclusion_detail);
		return true;
	case DISK_EXCLUSION_READ_ONLY:
		DISK_DECIDE(decision, REFUSE, READ_ONLY_DEVICE, index,
			"%s is the data disk but the device is read-only; make its VHDX writable "
			"and attach it again",
			device);
		return true;
	case DISK_EXCLUSION_SMALL:
		DISK_DECIDE(decision, REFUSE, TOO_SMALL, index,
			"%s is the data disk but is smaller than 64 MiB; enlarge its VHDX", device);
		return true;
	case DISK_EXCLUSION_VIRTUAL:
	case DISK_EXCLUSION_EMPTY:
	case DISK_EXCLUSION_NOT_NAMED:
	case DISK_EXCLUSION_REMOVABLE:
		break;
	}
	DISK_DECIDE(decision, REFUSE, UNSUITABLE, index,
		"%s is the data disk but is %s; attach its VHDX with wsl --mount --vhd --bare",
		device, disk_exclusion_name(disk->exclusion));
	return true;
}

static bool refuse_other_content(const struct disk_policy_input *input, size_t index,
	struct disk_decision *decision)
{
	const struct disk_facts *disk = &input->disks[index];

	if (lost_superblock(disk))
		DISK_DECIDE(decision, REFUSE, BAD_SUPERBLOCK, index,
			"%s has lost its superblock, a backup says that it is the data disk; run "
			"keelctl disk repair %s",
			disk->device, disk->device);
	else if (strcmp(disk->type, "crypto_LUKS") == 0)
		DISK_DECIDE(decision, REFUSE, ENCRYPTED, index,
			"%s is encrypted (LUKS), which the data disk must not be; attach the right "
			"disk, or unlock it and attach what is inside",
			disk->device);
	else if (strcmp(disk->type, "ext4") != 0)
		DISK_DECIDE(decision, REFUSE, OTHER_FS, index,
			"%s says that it is the data disk but holds %s, not ext4; change its label "
			"or attach the right disk",
			disk->device, disk->type);
	else if (!disk->superblock.valid)
		DISK_DECIDE(decision, REFUSE, BAD_SUPERBLOCK, index,
			"%s has a damaged superblock; run keelctl disk repair %s", disk->device,
			disk->device);
	else
		return false;
	return true;
}

static bool refuse_features(const struct disk_policy_input *input, size_t index,
	struct disk_decision *decision)
{
	const struct disk_facts *disk = &input->disks[index];

	if ((disk->superblock.unknown_incompat | disk->superblock.unknown_ro) == 0)
		return false;
	DISK_DECIDE(decision, REFUSE, UNKNOWN_FEATURES, index,
		"%s has features of ext4 that are not known here (incompat %x, ro_compat %x); update "
		"keel, or use it where it was made",
		disk->device, (unsigned int)disk->superblock.unknown_incompat,
		(unsigned int)disk->superblock.unknown_ro);
	return true;
}

static bool refuse_marker(const struct disk_policy_input *input, size_t index,
	struct disk_decision *decision)
{
	const struct disk_facts *disk = &input->disks[index];
	const char *device = disk->device;

	switch (disk->marker) {
	case DISK_MARKER_VALID:
		return false;
	case DISK_MARKER_NEWER:
		DISK_DECIDE(decision, REFUSE, MARKER_NEWER, index,
			"%s was made by a later keel (schema %u of its marker, %d is known here); "
			"update keel",
			device, disk->marker_content.schema, MARKER_SCHEMA);
		return true;
	case DISK_MARKER_NONE:
		if (input->uuid[0])
			return false; /* pinned: it is adopted when it is mounted */
		DISK_DECIDE(decision, REFUSE, NO_MARKER, index,
			"%s is labelled %s but keel did not make it; if it is the data disk: "
			"keelctl disk adopt --uuid %s %s",
			device, input->label, disk->uuid, device);
		return true;
	case DISK_MARKER_BAD:
		if (!disk->superblock.needs_recovery || disk->at_mountpoint)
			break;
		/* What the marker is made of may be in the journal: a cut while it was written. The UUID says enough, until it
		 * is replayed. */
		if (input->uuid[0])
			return false;
		DISK_DECIDE(decision, REFUSE, MARKER_BAD, index,
			"%s has a marker that cannot be read without its journal, which is not replayed "
			"on a guess; run keelctl disk repair %s",
			device, device);
		return true;
	case DISK_MARKER_UNCHECKED:
		break;
	}
	DISK_DECIDE(decision, REFUSE, MARKER_BAD, index,
		"%s has a marker that is damaged or not its own; run keelctl disk repair %s, then "
		"keelctl disk adopt",
		device, device);
	return true;
}

/* Before the marker: what is cut off may be what it takes to read that. */
static bool refuse_truncated(const struct disk_policy_input *input, size_t index,
	struct disk_decision *decision)
{
	const struct disk_facts *disk = &input->disks[index];

	if (disk->superblock.size_bytes <= disk->size_bytes)
		return false;
	DISK_DECIDE(decision, REFUSE, TRUNCATED, index,
		"%s has %llu MiB, its file system %llu: the VHDX was cut short; enlarge it to its old "
		"size or take a backup",
		disk->device, (unsigned long long)(disk->size_bytes >> 20),
		(unsigned long long)(disk->superblock.size_bytes >> 20));
	return true;
}

static bool refuse_size(const struct disk_policy_input *input, size_t index,
	struct disk_decision *decision)
{
	const struct disk_facts *disk = &input->disks[index];
	const struct superblock *superblock = &disk->superblock;

	if (disk->size_bytes > DISK_SIZE_MAX)
		DISK_DECIDE(decision, REFUSE, TOO_LARGE, index,
			"%s is larger than a VHDX can be (64 TiB); attach the right disk",
			disk->device);
	else if (superblock->block_size > DISK_BLOCK_SIZE_MAX ||
		 superblock->block_size < disk->logical_block_size)
		DISK_DECIDE(decision, REFUSE, BLOCK_SIZE, index,
			"%s has file-system blocks of %u bytes, the device of %u and the kernel of "
			"%d; attach it where they fit, and copy",
			disk->device, (unsigned int)superblock->block_size,
			(unsigned int)disk->logical_block_size, DISK_BLOCK_SIZE_MAX);
	else
		return false;
	return true;
}

/* Damage that nobody may decide about on their own. A mount that failed after that was the rescue's. */
static bool decide_needs_repair(const struct disk_policy_input *input, size_t index,
	struct disk_decision *decision)
{
	const struct disk_facts *disk = &input->disks[index];
	const char *what =
		disk->check == DISK_CHECK_NEEDS_DECISION ? "is damaged" : "cannot be checked";

	if (disk->check == DISK_CHECK_NONE || disk->check == DISK_CHECK_PASSED)
		return false;
	if (input->rescue_read_only && disk->mount_error == 0)
		DISK_DECIDE(decision, RESCUE, NEEDS_REPAIR, index,
			"%s %s (e2fsck -p ended with %d): read-only for rescue, without the engine; run "
			"keelctl disk repair",
			disk->device, what, disk->check_status);
	else
		DISK_DECIDE(decision, REFUSE, NEEDS_REPAIR, index,
			"%s %s (e2fsck -p ended with %d) and needs a decision; copy the VHDX if you can, "
			"then run keelctl disk repair",
			disk->device, what, disk->check_status);
	return true;
}

/* Somebody has taken it since it was looked at: what is in use must not be checked. */
static bool refuse_taken(const struct disk_policy_input *input, size_t index,
	struct disk_decision *decision)
{
	const struct disk_facts *disk = &input->disks[index];

	if (disk->mount_error != EBUSY)
		return false;
	DISK_DECIDE(decision, REFUSE, IN_USE, index,
		"%s is the data disk but the kernel says that it is in use; release it",
		disk->device);
	return true;
}

static bool decide_mount_error(const struct disk_policy_input *input, size_t index,
	struct disk_decision *decision)
{
	const struct disk_facts *disk = &input->disks[index];

	if (disk->mount_error == 0)
		return false;
	if (disk->check == DISK_CHECK_NONE)
		DISK_DECIDE(decision, CHECK_AND_MOUNT, OK, index,
			"%s could not be mounted: %s; checking it", disk->device,
			strerror(disk->mount_error));
	else
		DISK_DECIDE(decision, REFUSE, MOUNT_FAILED, index,
			"%s passed its check and still cannot be mounted: %.40s; see dmesg for the "
			"kernel's reason",
			disk->device, strerror(disk->mount_error));
	return true;
}

static bool decide_error_flag(const struct disk_policy_input *input, size_t index,
	struct disk_decision *decision)
{
	const struct disk_facts *disk = &input->disks[index];

	if ((!disk->superblock.error && disk->superblock.clean) || disk->check != DISK_CHECK_NONE)
		return false;
	if (disk->superblock.error)
		DISK_DECIDE(decision, CHECK_AND_MOUNT, OK, index,
			"%s carries the error flag of ext4%s%s", disk->device,
			disk->superblock.last_error[0] ? ", last set by " : "",
			disk->superblock.last_error);
	else
		DISK_DECIDE(decision, CHECK_AND_MOUNT, OK, index,
			"%s has no journal and was not unmounted", disk->device);
	return true;
}

static bool decide_mount(const struct disk_policy_input *input, size_t index,
	struct disk_decision *decision)
{
	const struct disk_facts *disk = &input->disks[index];

	if (disk->superblock.needs_recovery)
		DISK_DECIDE(decision, REPLAY_AND_MOUNT, OK, index,
			"%s is the data disk; its journal is replayed", disk->device);
	else
		DISK_DECIDE(decision, MOUNT, OK, index, "%s is the data disk", disk->device);
	return true;
}

void disk_judge_found(const struct disk_policy_input *input, size_t index,
	struct disk_decision *decision)
{
	static rule_fn *const rules[] = {
		/* Not usable, whatever is on it. */
		refuse_excluded,
		/* Not ours, or nobody can tell. */
		refuse_other_content,
		refuse_features,
		refuse_truncated,
		refuse_marker,
		/* Ours, and it does not fit. */
		refuse_size,
		/* Ours, and damaged. */
		decide_needs_repair,
		refuse_taken,
		decide_mount_error,
		decide_error_flag,
		/* Ours. */
		decide_mount,
	};

	for (size_t i = 0; !rules[i](input, index, decision); i++)
		;
}

static bool decide_read_only(const struct disk_policy_input *input, size_t index,
	struct disk_decision *decision)
{
	const struct disk_facts *disk = &input->disks[index];

	if (!disk->mounted_read_only)
		return false;
	if (input->rescue_read_only)
		DISK_DECIDE(decision, RESCUE, NEEDS_REPAIR, index,
			"%s is damaged and mounted read-only on %s for rescue, without the engine; run "
			"keelctl disk repair",
			disk->device, input->mountpoint);
	else
		DISK_DECIDE(decision, REFUSE, NEEDS_REPAIR, index,
			"%s is mounted read-only on %s, as after an error; run keelctl disk repair",
			disk->device, input->mountpoint);
	return true;
}

/* ext4 grows no file system that carries the error flag. */
static bool decide_grow(const struct disk_policy_input *input, size_t index,
	struct disk_decision *decision)
{
	const struct disk_facts *disk = &input->disks[index];

	if (disk->size_bytes < disk->superblock.size_bytes ||
		disk->size_bytes - disk->superblock.size_bytes < DISK_GROW_MIN ||
		disk->size_bytes > DISK_SIZE_MAX || disk->superblock.error || disk->grow_error != 0)
		return false;
	DISK_DECIDE(decision, GROW, OK, index, "%s was enlarged from %llu to %llu MiB",
		disk->device, (unsigned long long)(disk->superblock.size_bytes >> 20),
		(unsigned long long)(disk->size_bytes >> 20));
	return true;
}

static bool decide_keep(const struct disk_policy_input *input, size_t index,
	struct disk_decision *decision)
{
	const struct disk_facts *disk = &input->disks[index];

	if (disk->grow_error != 0)
		DISK_DECIDE(decision, KEEP, OK, index,
			"%s is mounted on %s, but could not be grown: %.40s", disk->device,
			input->mountpoint, strerror(disk->grow_error));
	else
		DISK_DECIDE(decision, KEEP, OK, index, "%s is mounted on %s", disk->device,
			input->mountpoint);
	return true;
}

void disk_judge_mounted(const struct disk_policy_input *input, size_t index,
	struct disk_decision *decision)
{
	static rule_fn *const rules[] = {
		refuse_other_content,
		refuse_marker,
		decide_read_only,
		decide_grow,
		decide_keep,
	};

	for (size_t i = 0; !rules[i](input, index, decision); i++)
		;
}
