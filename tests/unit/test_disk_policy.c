/* SPDX-License-Identifier: MIT
 *
 * test_disk_policy.c - the decision about the data disk: the situations that have a name.
 * test_disk_policy_space.c has the whole space of inputs.
 */
#include "tests/unit/disk_policy_test.h"

static void test_no_disk_is_waited_for(void **state)
{
	struct disk_policy_input input = make_input(NULL, 0);

	(void)state;
	assert_decision(&input, DISK_ACTION_WAIT, DISK_SITUATION_NO_DISK,
		"waiting for a disk labelled keel-data");
	input.deadline_passed = true;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_NO_DISK,
		"no disk labelled keel-data: no unused disk at all; attach it: wsl --mount");
	input.uuid = UUID;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_NO_DISK,
		"no disk with UUID 1111");
}

static void test_our_disk_is_mounted(void **state)
{
	struct disk_facts disks[] = {make_data("/dev/sda", "ext4", "other"), make_ours("/dev/sdb")};
	struct disk_policy_input input = make_input(disks, 2);

	(void)state;
	assert_decision(&input, DISK_ACTION_MOUNT, DISK_SITUATION_OK, "/dev/sdb is the data disk");
	assert_int_equal(decide(&input).index, 1);
	disks[1].superblock.needs_recovery = true;
	assert_decision(&input, DISK_ACTION_REPLAY_AND_MOUNT, DISK_SITUATION_OK, "journal");
	disks[1].superblock.error = true;
	assert_decision(&input, DISK_ACTION_CHECK_AND_MOUNT, DISK_SITUATION_OK,
		"/dev/sdb carries the error flag of ext4");
	(void)snprintf(disks[1].superblock.last_error, sizeof(disks[1].superblock.last_error),
		"ext4_lookup");
	assert_decision(&input, DISK_ACTION_CHECK_AND_MOUNT, DISK_SITUATION_OK,
		"last set by ext4_lookup");
	disks[1].check =
		DISK_CHECK_PASSED; /* and the flag is still there: mounting is tried, nothing loops */
	assert_decision(&input, DISK_ACTION_REPLAY_AND_MOUNT, DISK_SITUATION_OK, "journal");
	disks[1] = make_ours("/dev/sdb");
	disks[1].superblock.clean = false;
	assert_decision(&input, DISK_ACTION_CHECK_AND_MOUNT, DISK_SITUATION_OK, "has no journal");
}

static void test_a_pinned_uuid_chooses(void **state)
{
	struct disk_facts disks[] = {make_ours("/dev/sda"), make_ours("/dev/sdb")};
	struct disk_policy_input input = make_input(disks, 2);

	(void)state;
	input.uuid = "AAAAAAAA-2222-3333-4444-555555555555";
	(void)snprintf(disks[1].uuid, sizeof(disks[1].uuid), "%s", OTHER);
	(void)snprintf(disks[1].label, sizeof(disks[1].label), "whatever");
	disks[1].marker = DISK_MARKER_NONE; /* adopted when it is mounted */
	assert_decision(&input, DISK_ACTION_MOUNT, DISK_SITUATION_OK, "/dev/sdb");
	input.count = 1;
	input.deadline_passed = true;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_OTHER_UUID,
		"no disk with UUID AAAAAAAA-2222-3333-4444-555555555555: /dev/sda is labelled "
		"keel-data; correct disk.data");
	disks[0].exclusion = DISK_EXCLUSION_NOT_NAMED;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_NO_DISK, "no unused disk");
	disks[0] = make_data("/dev/sda", "ext4", "other");
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_FOREIGN, "ext4 labelled other");
}

static void test_two_of_ours_are_refused(void **state)
{
	struct disk_facts disks[] = {make_ours("/dev/sda"), make_ours("/dev/sdb")};
	struct disk_policy_input input = make_input(disks, 2);

	(void)state;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_TWO_DISKS,
		"/dev/sda and /dev/sdb are both disks labelled keel-data");
	disks[1].exclusion = DISK_EXCLUSION_READ_ONLY; /* no candidate, but still a twin */
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_TWO_DISKS,
		"/dev/sda and /dev/sdb");
	disks[1].marker = DISK_MARKER_NONE;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_TWO_DISKS,
		"/dev/sda and /dev/sdb");
	input.uuid = UUID;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_TWO_DISKS, "detach one");
	(void)snprintf(disks[1].uuid, sizeof(disks[1].uuid), "%s", OTHER);
	assert_decision(&input, DISK_ACTION_MOUNT, DISK_SITUATION_OK, "/dev/sda");
}

/* One change to a sound disk of ours, and what comes of it. */
struct example {
	void (*change)(struct disk_facts *disk);
	enum disk_action action;
	enum disk_situation situation;
	const char *words;
};

static void change_mounted(struct disk_facts *disk)
{
	disk->exclusion = DISK_EXCLUSION_MOUNTED;
	(void)snprintf(disk->exclusion_detail, sizeof(disk->exclusion_detail), "/mnt");
}

static void change_busy(struct disk_facts *disk)
{
	disk->exclusion = DISK_EXCLUSION_BUSY;
	(void)snprintf(disk->exclusion_detail, sizeof(disk->exclusion_detail), "swap");
}

static void change_read_only(struct disk_facts *disk)
{
	disk->exclusion = DISK_EXCLUSION_READ_ONLY;
}

static void change_small(struct disk_facts *disk)
{
	disk->exclusion = DISK_EXCLUSION_SMALL;
}

static void change_removable(struct disk_facts *disk)
{
	disk->exclusion = DISK_EXCLUSION_REMOVABLE;
}

static void change_virtual(struct disk_facts *disk)
{
	disk->exclusion = DISK_EXCLUSION_VIRTUAL;
}

static void change_luks(struct disk_facts *disk)
{
	(void)snprintf(disk->type, sizeof(disk->type), "crypto_LUKS");
}

static void change_xfs(struct disk_facts *disk)
{
	(void)snprintf(disk->type, sizeof(disk->type), "xfs");
}

static void change_invalid(struct disk_facts *disk)
{
	disk->superblock = (struct superblock){0};
}

static void change_lost(struct disk_facts *disk)
{
	*disk = make_lost("/dev/sda");
}

static void change_incompat(struct disk_facts *disk)
{
	disk->superblock.unknown_incompat = 0x40000000;
}

static void change_ro_compat(struct disk_facts *disk)
{
	disk->superblock.unknown_ro = 0x1000;
}

static void change_no_marker(struct disk_facts *disk)
{
	disk->marker = DISK_MARKER_NONE;
}

static void change_bad_marker(struct disk_facts *disk)
{
	disk->marker = DISK_MARKER_BAD;
}

static void change_unchecked_marker(struct disk_facts *disk)
{
	disk->marker = DISK_MARKER_UNCHECKED;
}

static void change_newer_marker(struct disk_facts *disk)
{
	disk->marker = DISK_MARKER_NEWER;
	disk->marker_content.schema = 7;
}

static void change_truncated(struct disk_facts *disk)
{
	disk->size_bytes--;
}

static void change_huge(struct disk_facts *disk)
{
	disk->size_bytes = DISK_SIZE_MAX + 1;
}

static void change_large_blocks(struct disk_facts *disk)
{
	disk->superblock.block_size = 65536;
}

static void change_large_sectors(struct disk_facts *disk)
{
	disk->superblock.block_size = 1024;
	disk->logical_block_size = 4096;
}

static void change_needs_decision(struct disk_facts *disk)
{
	disk->check = DISK_CHECK_NEEDS_DECISION;
	disk->check_status = 4;
}

static void change_cannot_run(struct disk_facts *disk)
{
	disk->check = DISK_CHECK_CANNOT_RUN;
	disk->check_status = 8;
}

static void change_mount_error(struct disk_facts *disk)
{
	disk->mount_error = EUCLEAN;
}

static void change_mount_busy(struct disk_facts *disk)
{
	disk->mount_error = EBUSY;
}

static void change_mount_failed(struct disk_facts *disk)
{
	disk->mount_error = EINVAL;
	disk->check = DISK_CHECK_PASSED;
}

static const struct example examples[] = {
	{change_mounted, DISK_ACTION_REFUSE, DISK_SITUATION_IN_USE, "is mounted: /mnt; unmount it"},
	{change_busy, DISK_ACTION_REFUSE, DISK_SITUATION_IN_USE, "in use: swap; release it"},
	{change_read_only, DISK_ACTION_REFUSE, DISK_SITUATION_READ_ONLY_DEVICE,
		"make its VHDX writable"},
	{change_small, DISK_ACTION_REFUSE, DISK_SITUATION_TOO_SMALL, "enlarge its VHDX"},
	{change_removable, DISK_ACTION_REFUSE, DISK_SITUATION_UNSUITABLE, "is removable"},
	{change_virtual, DISK_ACTION_REFUSE, DISK_SITUATION_UNSUITABLE, "is virtual"},
	{change_luks, DISK_ACTION_REFUSE, DISK_SITUATION_ENCRYPTED, "encrypted (LUKS)"},
	{change_xfs, DISK_ACTION_REFUSE, DISK_SITUATION_OTHER_FS, "holds xfs, not ext4"},
	{change_invalid, DISK_ACTION_REFUSE, DISK_SITUATION_BAD_SUPERBLOCK,
		"keelctl disk repair /dev/sda"},
	{change_lost, DISK_ACTION_REFUSE, DISK_SITUATION_BAD_SUPERBLOCK,
		"keelctl disk repair /dev/sda"},
	{change_incompat, DISK_ACTION_REFUSE, DISK_SITUATION_UNKNOWN_FEATURES, "incompat 40000000"},
	{change_ro_compat, DISK_ACTION_REFUSE, DISK_SITUATION_UNKNOWN_FEATURES, "ro_compat 1000"},
	{change_no_marker, DISK_ACTION_REFUSE, DISK_SITUATION_NO_MARKER,
		"keelctl disk adopt --uuid " UUID " /dev/sda"},
	{change_bad_marker, DISK_ACTION_REFUSE, DISK_SITUATION_MARKER_BAD, "keelctl disk adopt"},
	{change_unchecked_marker, DISK_ACTION_REFUSE, DISK_SITUATION_MARKER_BAD, "keelctl disk"},
	{change_newer_marker, DISK_ACTION_REFUSE, DISK_SITUATION_MARKER_NEWER, "schema 7"},
	{change_truncated, DISK_ACTION_REFUSE, DISK_SITUATION_TRUNCATED, "1023 MiB"},
	{change_huge, DISK_ACTION_REFUSE, DISK_SITUATION_TOO_LARGE, "64 TiB"},
	{change_large_blocks, DISK_ACTION_REFUSE, DISK_SITUATION_BLOCK_SIZE, "of 65536 bytes"},
	{change_large_sectors, DISK_ACTION_REFUSE, DISK_SITUATION_BLOCK_SIZE, "of 1024 bytes"},
	{change_needs_decision, DISK_ACTION_REFUSE, DISK_SITUATION_NEEDS_REPAIR,
		"is damaged (e2fsck -p ended with 4)"},
	{change_cannot_run, DISK_ACTION_REFUSE, DISK_SITUATION_NEEDS_REPAIR,
		"cannot be checked (e2fsck -p ended with 8)"},
	{change_mount_error, DISK_ACTION_CHECK_AND_MOUNT, DISK_SITUATION_OK,
		"could not be mounted"},
	{change_mount_busy, DISK_ACTION_REFUSE, DISK_SITUATION_IN_USE, "says that it is in use"},
	{change_mount_failed, DISK_ACTION_REFUSE, DISK_SITUATION_MOUNT_FAILED, "passed its check"},
};

static void test_each_fault_has_its_answer(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(examples); i++) {
		struct disk_facts disk = make_ours("/dev/sda");
		struct disk_policy_input input = make_input(&disk, 1);

		examples[i].change(&disk);
		assert_decision(&input, examples[i].action, examples[i].situation,
			examples[i].words);
		/* Waiting cures none of it. */
		input.deadline_passed = true;
		assert_decision(&input, examples[i].action, examples[i].situation,
			examples[i].words);
	}
}

static void test_rescue_if_configured(void **state)
{
	struct disk_facts disk = make_ours("/dev/sda");
	struct disk_policy_input input = make_input(&disk, 1);

	(void)state;
	input.rescue_read_only = true;
	change_needs_decision(&disk);
	assert_decision(&input, DISK_ACTION_RESCUE, DISK_SITUATION_NEEDS_REPAIR,
		"keelctl disk repair");
	disk.mount_error = EUCLEAN; /* not even read-only */
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_NEEDS_REPAIR,
		"keelctl disk repair");
}

static void test_mount_point_in_use(void **state)
{
	struct disk_facts disk = make_ours("/dev/sda");
	struct disk_policy_input input = make_input(&disk, 1);

	(void)state;
	disk.at_mountpoint = true;
	disk.exclusion = DISK_EXCLUSION_MOUNTED;
	input.mounted_source = "/dev/sda";
	assert_decision(&input, DISK_ACTION_KEEP, DISK_SITUATION_OK,
		"/dev/sda is mounted on /data");
	disk.mounted_read_only = true;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_NEEDS_REPAIR,
		"read-only on /data");
	input.rescue_read_only = true;
	assert_decision(&input, DISK_ACTION_RESCUE, DISK_SITUATION_NEEDS_REPAIR, "for rescue");
	disk.marker = DISK_MARKER_NEWER;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_MARKER_NEWER, "later keel");
	change_xfs(&disk);
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_OTHER_FS, "holds xfs");
	(void)snprintf(disk.label, sizeof(disk.label), "foreign");
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_MOUNT_POINT_BUSY,
		"/data holds /dev/sda, which is not the disk labelled keel-data");
	disk.content = DISK_CONTENT_UNREADABLE;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_READ_ERROR,
		"cannot be read any more");
	disk.at_mountpoint = false;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_VANISHED,
		"/dev/sda, mounted on /data, is no longer there; attach it again");
	input.mounted_source = "tmpfs";
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_MOUNT_POINT_BUSY,
		"/data holds tmpfs");
}

static void test_growth(void **state)
{
	struct disk_facts disk = make_ours("/dev/sda");
	struct disk_policy_input input = make_input(&disk, 1);

	(void)state;
	disk.at_mountpoint = true;
	disk.size_bytes = FS_SIZE + DISK_GROW_MIN - 1;
	assert_decision(&input, DISK_ACTION_KEEP, DISK_SITUATION_OK, "is mounted on");
	disk.size_bytes = 2 * FS_SIZE;
	assert_decision(&input, DISK_ACTION_GROW, DISK_SITUATION_OK, "from 1024 to 2048 MiB");
	disk.superblock.error = true;
	assert_decision(&input, DISK_ACTION_KEEP, DISK_SITUATION_OK, "is mounted on");
	disk.superblock.error = false;
	disk.grow_error = ENOSPC;
	assert_decision(&input, DISK_ACTION_KEEP, DISK_SITUATION_OK,
		"could not be grown: No space");
	disk.grow_error = 0;
	disk.size_bytes = DISK_SIZE_MAX + 1;
	assert_decision(&input, DISK_ACTION_KEEP, DISK_SITUATION_OK, "is mounted on");
	disk.size_bytes = FS_SIZE - 1; /* while mounted there is nothing better to do */
	assert_decision(&input, DISK_ACTION_KEEP, DISK_SITUATION_OK, "is mounted on");
	disk.at_mountpoint = false; /* first mounted, then grown */
	disk.size_bytes = 2 * FS_SIZE;
	assert_decision(&input, DISK_ACTION_MOUNT, DISK_SITUATION_OK, "is the data disk");
}

static void test_blank_disk_is_formatted_in_steps(void **state)
{
	struct disk_facts disk = make_disk("/dev/sda");
	struct disk_policy_input input = make_input(&disk, 1);

	(void)state;
	input.deadline_passed = true;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_BLANK, "set disk.format=blank");
	input.deadline_passed = false;
	input.format_blank = true;
	assert_decision(&input, DISK_ACTION_WAIT, DISK_SITUATION_BLANK,
		"before /dev/sda is formatted");
	input.deadline_passed = true; /* a second of quiet is worth more than punctuality */
	assert_decision(&input, DISK_ACTION_WAIT, DISK_SITUATION_BLANK,
		"before /dev/sda is formatted");
	input.settled = true;
	assert_decision(&input, DISK_ACTION_CHECK_BLANK, DISK_SITUATION_OK, "/dev/sda");
	disk.blank = DISK_BLANK_ZERO;
	assert_decision(&input, DISK_ACTION_FORMAT, DISK_SITUATION_OK, "/dev/sda is blank");
	disk.blank = DISK_BLANK_NOT_ZERO;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_NOT_BLANK,
		"unknown but not blank");
	disk.blank = DISK_BLANK_READ_ERROR;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_READ_ERROR, "has read errors");
	disk.partition = true;
	disk.blank = DISK_BLANK_UNCHECKED;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_BLANK, "keelctl disk init");
}

static void test_an_interrupted_format_goes_on(void **state)
{
	struct disk_facts disk = make_disk("/dev/sda");
	struct disk_policy_input input = make_input(&disk, 1);

	(void)state;
	input.format_blank = input.settled = input.deadline_passed = true;
	disk.format_intent = true;
	assert_decision(&input, DISK_ACTION_FORMAT, DISK_SITUATION_OK, "was interrupted");
	disk.blank = DISK_BLANK_NOT_ZERO;
	disk.backup = make_superblock(LABEL, UUID);
	assert_decision(&input, DISK_ACTION_FORMAT, DISK_SITUATION_OK, "was interrupted");
	input.format_blank = false;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_BLANK, "looks empty");
	input.format_blank = true;
	disk.blank = DISK_BLANK_READ_ERROR;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_READ_ERROR, "read errors");
}

static void test_what_is_in_the_way_of_formatting(void **state)
{
	static const enum disk_exclusion harmless[] = {DISK_EXCLUSION_REMOVABLE,
		DISK_EXCLUSION_VIRTUAL, DISK_EXCLUSION_EMPTY, DISK_EXCLUSION_NOT_NAMED};
	struct disk_facts disks[] = {make_disk("/dev/sda"), make_disk("/dev/sdb")};
	struct disk_policy_input input = make_input(disks, 1);

	(void)state;
	input.format_blank = input.settled = input.deadline_passed = true;
	disks[0].blank = DISK_BLANK_ZERO;
	disks[0].backup = make_superblock("other", OTHER); /* of which the samples saw nothing */
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_FOREIGN, "another ext4");
	disks[0].backup.valid = false;
	disks[0].size_bytes = DISK_SIZE_MAX + 1;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_TOO_LARGE, "64 TiB");
	disks[0].size_bytes = FS_SIZE;
	disks[0].logical_block_size = 8192;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_BLOCK_SIZE, "sectors of 8192");
	disks[0].logical_block_size = 4096;
	assert_decision(&input, DISK_ACTION_FORMAT, DISK_SITUATION_OK, "is blank");
	input.uuid = UUID;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_BLANK, "no disk with UUID");
	input.uuid = "";
	input.count = 2;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_NOT_FOUND, "2 unused devices");
	/* The other one cannot be read: it could be ours. */
	disks[1].exclusion = DISK_EXCLUSION_READ_ONLY;
	disks[1].content = DISK_CONTENT_UNREADABLE;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_READ_ERROR, "could be it");
	disks[0].exclusion = DISK_EXCLUSION_SMALL;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_READ_ERROR, "could be it");
	disks[0].exclusion = DISK_EXCLUSION_NONE;
	/* A drive without a medium is unreadable too. */
	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++) {
		disks[1].exclusion = harmless[i];
		assert_decision(&input, DISK_ACTION_FORMAT, DISK_SITUATION_OK, "is blank");
	}
}

static void test_what_else_is_there(void **state)
{
	struct disk_facts disk = make_data("/dev/sda", "swap", "");
	struct disk_policy_input input = make_input(&disk, 1);

	(void)state;
	input.deadline_passed = true;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_FOREIGN,
		"/dev/sda holds swap; if");
	(void)snprintf(disk.label, sizeof(disk.label), "a\033[2Jb\xc3\xa4");
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_FOREIGN, "labelled a?[2Jb??;");
	(void)snprintf(disk.label, sizeof(disk.label), "longer than ext4\x7f");
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_FOREIGN,
		"labelled longer than ext4;");
	(void)snprintf(disk.label, sizeof(disk.label), "\x7f");
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_FOREIGN, "labelled ?;");
	change_luks(&disk);
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_ENCRYPTED, "encrypted");
	disk.content = DISK_CONTENT_AMBIVALENT;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_AMBIVALENT,
		"more than one signature");
	disk.content = DISK_CONTENT_UNREADABLE;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_READ_ERROR,
		"/dev/sda cannot be read");
	input.deadline_passed = false;
	assert_decision(&input, DISK_ACTION_WAIT, DISK_SITUATION_READ_ERROR,
		"/dev/sda cannot be read");
}

static void test_a_partitioned_disk_is_its_partitions(void **state)
{
	struct disk_facts disks[] = {
		make_disk("/dev/sda"), make_disk("/dev/sda1"), make_disk("/dev/sdb")};
	struct disk_policy_input input = make_input(disks, 2);

	(void)state;
	input.format_blank = input.settled = input.deadline_passed = true;
	disks[0].content = DISK_CONTENT_PARTITIONS;
	(void)snprintf(disks[0].type, sizeof(disks[0].type), "gpt");
	disks[1].partition = true;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_BLANK, "/dev/sda1 looks empty");
	disks[0].content =
		DISK_CONTENT_NOTHING; /* the table was wiped, the kernel still knows the partition */
	disks[0].blank = disks[1].blank = DISK_BLANK_ZERO;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_BLANK, "/dev/sda1 looks empty");
	input.count = 3;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_NOT_FOUND, "2 unused devices");
	/* Names that only begin alike. */
	(void)snprintf(disks[1].device, sizeof(disks[1].device), "/dev/sdaa1");
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_NOT_FOUND, "3 unused devices");
	(void)snprintf(disks[1].device, sizeof(disks[1].device), "/dev/sda");
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_NOT_FOUND, "3 unused devices");
	(void)snprintf(disks[0].device, sizeof(disks[0].device), "/dev/nvme0n1");
	(void)snprintf(disks[1].device, sizeof(disks[1].device), "/dev/nvme0n1p12");
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_NOT_FOUND, "2 unused devices");
	disks[0].partition = true; /* a partition has none */
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_NOT_FOUND, "3 unused devices");
}

static void test_a_marker_behind_the_journal(void **state)
{
	struct disk_facts disk = make_ours("/dev/sda");
	struct disk_policy_input input = make_input(&disk, 1);

	(void)state;
	disk.marker = DISK_MARKER_BAD;
	disk.superblock.needs_recovery = true;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_MARKER_BAD,
		"cannot be read without its journal");
	input.uuid = UUID;
	assert_decision(&input, DISK_ACTION_REPLAY_AND_MOUNT, DISK_SITUATION_OK,
		"journal is replayed");
	disk.at_mountpoint = true; /* it was, and there still is no marker */
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_MARKER_BAD,
		"damaged or not its own");
	disk.at_mountpoint = false;
	disk.superblock.needs_recovery = false;
	assert_decision(&input, DISK_ACTION_REFUSE, DISK_SITUATION_MARKER_BAD,
		"damaged or not its own");
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(disk_exclusion_name(DISK_EXCLUSION_BUSY), "in use");
	assert_string_equal(disk_exclusion_name((enum disk_exclusion)99), "?");
	assert_string_equal(disk_action_name(DISK_ACTION_REPLAY_AND_MOUNT), "replay+mount");
	assert_string_equal(disk_action_name((enum disk_action)99), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_disk_is_waited_for),
		cmocka_unit_test(test_our_disk_is_mounted),
		cmocka_unit_test(test_a_pinned_uuid_chooses),
		cmocka_unit_test(test_two_of_ours_are_refused),
		cmocka_unit_test(test_each_fault_has_its_answer),
		cmocka_unit_test(test_rescue_if_configured),
		cmocka_unit_test(test_mount_point_in_use),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_blank_disk_is_formatted_in_steps),
		cmocka_unit_test(test_an_interrupted_format_goes_on),
		cmocka_unit_test(test_what_is_in_the_way_of_formatting),
		cmocka_unit_test(test_what_else_is_there),
		cmocka_unit_test(test_a_partitioned_disk_is_its_partitions),
		cmocka_unit_test(test_a_marker_behind_the_journal),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
