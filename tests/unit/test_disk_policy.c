/* SPDX-License-Identifier: MIT
 *
 * test_disk_policy.c - the decision about the data disk: a table of the situations that have a
 * name, and the whole space of up to three devices against what must hold whatever happens.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "init/disk/disk_policy.h"

#define LABEL "keel-data"
#define UUID  "11111111-2222-3333-4444-555555555555"

static struct disk_policy_input make_input(const struct disk_facts *disks, size_t count)
{
	return (struct disk_policy_input){.label = LABEL,
		.uuid = "",
		.mountpoint = "/data",
		.mounted_source = "",
		.disks = disks,
		.count = count};
}

static struct disk_facts make_disk(const char *device, const char *type, const char *label)
{
	struct disk_facts disk = {.size_bytes = DISK_SIZE_MIN,
		.content = type[0] ? DISK_CONTENT_DATA : DISK_CONTENT_NOTHING};

	(void)snprintf(disk.device, sizeof(disk.device), "%s", device);
	(void)snprintf(disk.type, sizeof(disk.type), "%s", type);
	(void)snprintf(disk.label, sizeof(disk.label), "%s", label);
	if (type[0])
		(void)snprintf(disk.uuid, sizeof(disk.uuid), "%s", UUID);
	return disk;
}

static struct disk_decision decide(const struct disk_policy_input *input)
{
	struct disk_decision decision;

	disk_policy_decide(input, &decision);
	assert_true(decision.reason[0] != '\0');
	assert_non_null(memchr(decision.reason, '\0', sizeof(decision.reason)));
	return decision;
}

static void assert_decision(const struct disk_policy_input *input, enum disk_action action,
	const char *words)
{
	struct disk_decision decision = decide(input);

	if (decision.action != action || !strstr(decision.reason, words))
		fail_msg("action %d (expected %d), reason \"%s\" (expected \"%s\")",
			(int)decision.action, (int)action, decision.reason, words);
}

static void test_no_disk_is_waited_for(void **state)
{
	struct disk_policy_input input = make_input(NULL, 0);

	(void)state;
	assert_decision(&input, DISK_ACTION_WAIT, "waiting for a disk labelled keel-data");
	input.deadline_passed = true;
	assert_decision(&input, DISK_ACTION_REFUSE,
		"no unused disk at all; attach it, or make one");
}

static void test_our_disk_is_mounted(void **state)
{
	struct disk_facts disks[] = {
		make_disk("/dev/sda", "ext4", "other"), make_disk("/dev/sdb", "ext4", LABEL)};
	struct disk_policy_input input = make_input(disks, 2);

	(void)state;
	assert_decision(&input, DISK_ACTION_MOUNT, "/dev/sdb");
	assert_int_equal(decide(&input).index, 1);
	input.uuid = "11111111-2222-3333-4444-55555555555F"; /* pinned, another one */
	input.deadline_passed = true;
	assert_decision(&input, DISK_ACTION_REFUSE, "/dev/sdb has the label but not the UUID");
	input.uuid = UUID;
	disks[1].superblock.error = true;
	assert_decision(&input, DISK_ACTION_CHECK_AND_MOUNT, "/dev/sdb carries the error flag");
}

static void test_two_of_ours_are_refused(void **state)
{
	struct disk_facts disks[] = {
		make_disk("/dev/sda", "ext4", LABEL), make_disk("/dev/sdb", "ext4", LABEL)};
	struct disk_policy_input input = make_input(disks, 2);

	(void)state;
	assert_decision(&input, DISK_ACTION_REFUSE,
		"/dev/sda and /dev/sdb are both labelled keel-data");
	disks[1].exclusion = DISK_EXCLUSION_READ_ONLY; /* no candidate, but still a twin */
	assert_decision(&input, DISK_ACTION_REFUSE, "/dev/sda and /dev/sdb");
	input.uuid = UUID;
	assert_decision(&input, DISK_ACTION_REFUSE, "have the same UUID");
	(void)snprintf(disks[1].uuid, sizeof(disks[1].uuid), "%s", "other");
	assert_decision(&input, DISK_ACTION_MOUNT, "/dev/sda");
}

static void test_our_label_on_something_else(void **state)
{
	struct disk_facts disk = make_disk("/dev/sdc", "xfs", LABEL);
	struct disk_policy_input input = make_input(&disk, 1);

	(void)state;
	assert_decision(&input, DISK_ACTION_REFUSE, "/dev/sdc is labelled keel-data but holds xfs");
	disk.at_mountpoint =
		true; /* our label and our place, but no file system that was made by us */
	assert_decision(&input, DISK_ACTION_REFUSE, "/dev/sdc, which is not the disk labelled");
	assert_string_equal(disk_exclusion_name((enum disk_exclusion)99), "?");
	disk = make_disk("/dev/sdc", "ext4", LABEL);
	disk.exclusion = DISK_EXCLUSION_MOUNTED;
	(void)snprintf(disk.exclusion_detail, sizeof(disk.exclusion_detail), "/mnt");
	assert_decision(&input, DISK_ACTION_REFUSE, "but is mounted: /mnt");
}

static void test_mount_point_in_use(void **state)
{
	struct disk_facts disk = make_disk("/dev/sda", "ext4", LABEL);
	struct disk_policy_input input = make_input(&disk, 1);

	(void)state;
	disk.at_mountpoint = true;
	disk.exclusion = DISK_EXCLUSION_MOUNTED;
	input.mounted_source = "/dev/sda";
	assert_decision(&input, DISK_ACTION_KEEP, "/dev/sda is mounted on /data");
	(void)snprintf(disk.label, sizeof(disk.label), "foreign");
	assert_decision(&input, DISK_ACTION_REFUSE, "/data holds /dev/sda, which is not");
	disk.at_mountpoint = false;
	input.mounted_source = "tmpfs";
	assert_decision(&input, DISK_ACTION_REFUSE, "/data holds tmpfs");
}

static void test_blank_disk_is_formatted_in_steps(void **state)
{
	struct disk_facts disk = make_disk("/dev/sda", "", "");
	struct disk_policy_input input = make_input(&disk, 1);

	(void)state;
	input.deadline_passed = true;
	assert_decision(&input, DISK_ACTION_REFUSE, "disk.format=blank would format it");
	input.deadline_passed = false;
	input.format_blank = true;
	assert_decision(&input, DISK_ACTION_WAIT, "before /dev/sda is formatted");
	input.deadline_passed = true; /* a second of quiet is worth more than punctuality */
	assert_decision(&input, DISK_ACTION_WAIT, "before /dev/sda is formatted");
	input.settled = true;
	assert_decision(&input, DISK_ACTION_CHECK_BLANK, "/dev/sda");
	disk.blank = DISK_BLANK_ZERO;
	assert_decision(&input, DISK_ACTION_FORMAT, "/dev/sda is blank");
	input.deadline_passed = true;
	disk.blank = DISK_BLANK_NOT_ZERO;
	assert_decision(&input, DISK_ACTION_REFUSE, "/dev/sda is unknown but not blank");
	disk.blank = DISK_BLANK_READ_ERROR;
	assert_decision(&input, DISK_ACTION_REFUSE, "/dev/sda has read errors");
}

/* --- the whole space -----------------------------------------------------------------------------
 */

enum { KIND_COUNT = 14 };

/* One of the things that a device can be. */
static struct disk_facts make_kind(unsigned int kind, const char *device)
{
	struct disk_facts disk = make_disk(device, "", "");

	switch (kind) {
	case 0:
		return make_disk(device, "ext4", LABEL);
	case 1:
		disk = make_disk(device, "ext4", LABEL);
		disk.superblock.error = true;
		return disk;
	case 2:
		disk = make_disk(device, "ext4", LABEL);
		(void)snprintf(disk.uuid, sizeof(disk.uuid), "another");
		return disk;
	case 3:
		return make_disk(device, "xfs", LABEL);
	case 4:
		return make_disk(device, "ext4", "other");
	case 5:
		disk.blank = DISK_BLANK_UNCHECKED;
		return disk;
	case 6:
		disk.blank = DISK_BLANK_ZERO;
		return disk;
	case 7:
		disk.blank = DISK_BLANK_NOT_ZERO;
		return disk;
	case 8:
		disk.blank = DISK_BLANK_READ_ERROR;
		return disk;
	case 9:
		disk.content = DISK_CONTENT_UNREADABLE;
		disk.blank = DISK_BLANK_ZERO;
		return disk;
	case 10:
		disk.content = DISK_CONTENT_AMBIVALENT;
		disk.blank = DISK_BLANK_ZERO;
		return disk;
	case 11:
		disk.content = DISK_CONTENT_PARTITIONS;
		disk.blank = DISK_BLANK_ZERO;
		(void)snprintf(disk.type, sizeof(disk.type), "gpt");
		return disk;
	case 12:
		disk.partition = true;
		disk.blank = DISK_BLANK_ZERO;
		return disk;
	default:
		disk = make_disk(device, "ext4", LABEL);
		disk.at_mountpoint = true;
		return disk;
	}
}

static const enum disk_exclusion exclusions[] = {DISK_EXCLUSION_NONE, DISK_EXCLUSION_NOT_NAMED,
	DISK_EXCLUSION_READ_ONLY, DISK_EXCLUSION_MOUNTED, DISK_EXCLUSION_BUSY,
	DISK_EXCLUSION_SMALL};

struct census {
	size_t identities, unused, mounted;
	const struct disk_facts *identity, *only;
};

static struct census take_census(const struct disk_policy_input *input)
{
	struct census census = {0};

	for (size_t i = 0; i < input->count; i++) {
		const struct disk_facts *disk = &input->disks[i];

		if (disk->exclusion == DISK_EXCLUSION_NONE) {
			census.unused++;
			census.only = disk;
		}
		census.mounted += disk->at_mountpoint;
		if (disk->exclusion != DISK_EXCLUSION_NOT_NAMED &&
			strcmp(disk->label, LABEL) == 0 &&
			(input->uuid[0] == '\0' || strcmp(disk->uuid, input->uuid) == 0)) {
			census.identities++;
			census.identity = disk;
		}
	}
	return census;
}

/* May this disk be formatted in this situation? Written down once more, independently of the
 * policy. */
static bool may_format(const struct disk_policy_input *input, const struct census *census)
{
	return input->format_blank && input->uuid[0] == '\0' && census->identities == 0 &&
	       census->mounted == 0 && census->unused == 1 && !census->only->partition &&
	       census->only->content == DISK_CONTENT_NOTHING;
}

static void check_invariants(const struct disk_policy_input *input)
{
	struct disk_decision decision = decide(input);
	struct census census = take_census(input);
	const struct disk_facts none = {0}, *disk = &none;

	assert_true(decision.index == DISK_INDEX_NONE || decision.index < input->count);
	if (decision.index != DISK_INDEX_NONE)
		disk = &input->disks[decision.index];
	switch (decision.action) {
	case DISK_ACTION_FORMAT:
		assert_true(input->settled && may_format(input, &census));
		assert_ptr_equal(disk, census.only);
		assert_int_equal(disk->blank, DISK_BLANK_ZERO);
		break;
	case DISK_ACTION_CHECK_BLANK:
		assert_true(input->settled && may_format(input, &census));
		assert_ptr_equal(disk, census.only);
		assert_int_equal(disk->blank, DISK_BLANK_UNCHECKED);
		break;
	case DISK_ACTION_MOUNT:
	case DISK_ACTION_CHECK_AND_MOUNT:
		assert_int_equal(census.mounted, 0);
		assert_int_equal(census.identities, 1);
		assert_ptr_equal(disk, census.identity);
		assert_int_equal(disk->exclusion, DISK_EXCLUSION_NONE);
		assert_string_equal(disk->type, "ext4");
		assert_int_equal(disk->superblock.error,
			decision.action == DISK_ACTION_CHECK_AND_MOUNT);
		break;
	case DISK_ACTION_GROW:
	case DISK_ACTION_REPLAY_AND_MOUNT:
	case DISK_ACTION_RESCUE:
		fail();
		break;
	case DISK_ACTION_KEEP:
		assert_true(disk->at_mountpoint);
		break;
	case DISK_ACTION_WAIT:
		assert_true(!input->deadline_passed ||
			    (!input->settled && may_format(input, &census)));
		assert_int_equal(census.identities, 0);
		break;
	case DISK_ACTION_REFUSE:
		/* Before the deadline only what waiting cannot cure: something is there that is
		 * ours. */
		assert_true(input->deadline_passed || census.identities > 0 || census.mounted > 0);
		break;
	}
	if (census.identities > 1 && census.mounted == 0)
		assert_int_equal(decision.action, DISK_ACTION_REFUSE);
	if (input->settled && may_format(input, &census) && census.only->blank == DISK_BLANK_ZERO)
		assert_int_equal(decision.action, DISK_ACTION_FORMAT);
}

static void check_all_flags(struct disk_facts *disks, size_t count)
{
	for (unsigned int flags = 0; flags < 16; flags++) {
		struct disk_policy_input input = make_input(disks, count);

		input.format_blank = flags & 1;
		input.settled = flags & 2;
		input.deadline_passed = flags & 4;
		input.uuid = flags & 8 ? UUID : "";
		check_invariants(&input);
	}
}

static void test_invariants_hold_for_every_input(void **state)
{
	static const char *const devices[] = {"/dev/sda", "/dev/sdb", "/dev/sdc"};
	const unsigned int variants = KIND_COUNT * ARRAY_SIZE(exclusions);
	struct disk_facts disks[3];

	(void)state;
	check_all_flags(disks, 0);
	for (unsigned int a = 0; a < variants; a++) {
		disks[0] = make_kind(a / ARRAY_SIZE(exclusions), devices[0]);
		disks[0].exclusion = exclusions[a % ARRAY_SIZE(exclusions)];
		check_all_flags(disks, 1);
		for (unsigned int b = 0; b < variants; b++) {
			disks[1] = make_kind(b / ARRAY_SIZE(exclusions), devices[1]);
			disks[1].exclusion = exclusions[b % ARRAY_SIZE(exclusions)];
			check_all_flags(disks, 2);
			for (unsigned int kind = 0; kind < KIND_COUNT; kind++) {
				disks[2] = make_kind(kind, devices[2]);
				check_all_flags(disks, 3);
			}
		}
	}
}

/* The longest names that the types allow still give whole sentences. */
static void test_reasons_fit(void **state)
{
	struct disk_facts disks[2];
	struct disk_policy_input input = make_input(disks, 2);

	(void)state;
	for (unsigned int kind = 0; kind < KIND_COUNT; kind++) {
		disks[0] = make_kind(kind, "/dev/mapper/vg0-a-long-name-123");
		disks[1] = make_kind(4, "/dev/mapper/vg0-another-name-12");
		disks[1].exclusion = DISK_EXCLUSION_MOUNTED;
		input.deadline_passed = true;
		input.label = "sixteen-bytes-lb";
		assert_true(strlen(decide(&input).reason) < CONTROL_REASON_MAX - 1);
	}
}

static void test_e2fsck_status(void **state)
{
	(void)state;
	for (int status = 0; status < 256; status++)
		assert_int_equal(disk_policy_check_passed(status), status < 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_disk_is_waited_for),
		cmocka_unit_test(test_our_disk_is_mounted),
		cmocka_unit_test(test_two_of_ours_are_refused),
		cmocka_unit_test(test_our_label_on_something_else),
		cmocka_unit_test(test_mount_point_in_use),
		cmocka_unit_test(test_blank_disk_is_formatted_in_steps),
		cmocka_unit_test(test_invariants_hold_for_every_input),
		cmocka_unit_test(test_reasons_fit),
		cmocka_unit_test(test_e2fsck_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
