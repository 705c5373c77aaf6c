/* SPDX-License-Identifier: MIT
 *
 * test_disk_policy_space.c - the decision about the data disk, over the whole space of inputs, against what must hold
 * whatever happens. The promises are written down independently of the policy: from what is promised to people, not from its rules.
 */
#include "tests/unit/disk_policy_test.h"

/* What a device can be, each a dimension; a variant is one value of each. */
enum identity {
	IDENTITY_OURS,    /* label and UUID */
	IDENTITY_LABEL,   /* our label, another UUID */
	IDENTITY_UUID,    /* the pinned UUID, another label */
	IDENTITY_FOREIGN, /* neither */
	IDENTITY_COUNT,
};

enum kind {
	KIND_EXT4,
	KIND_XFS,
	KIND_LUKS,
	KIND_BACKUP, /* only a backup superblock says who it is */
	KIND_NOTHING,
	KIND_PARTITIONS,
	KIND_AMBIVALENT,
	KIND_UNREADABLE,
	KIND_COUNT,
};

enum fs_state {
	FS_CLEAN,
	FS_DIRTY,
	FS_ERROR,
	FS_UNCLEAN,
	FS_INCOMPAT,
	FS_RO_COMPAT,
	FS_INVALID,
	FS_STATE_COUNT,
};

enum history {
	HISTORY_NONE,
	HISTORY_MOUNT_FAILED,
	HISTORY_MOUNT_BUSY,
	HISTORY_PASSED,
	HISTORY_PASSED_MOUNT_FAILED,
	HISTORY_NEEDS_DECISION,
	HISTORY_NEEDS_DECISION_MOUNT_FAILED,
	HISTORY_CANNOT_RUN,
	HISTORY_COUNT,
};

enum size {
	SIZE_FITS,
	SIZE_LARGER, /* to be grown */
	SIZE_TRUNCATED,
	SIZE_HUGE,
	SIZE_LARGE_BLOCKS,
	SIZE_LARGE_SECTORS,
	SIZE_COUNT,
};

static void set_identity(struct disk_facts *disk, enum kind kind, enum identity identity)
{
	const char *label =
		identity == IDENTITY_OURS || identity == IDENTITY_LABEL ? LABEL : "else";
	const char *uuid = identity == IDENTITY_OURS || identity == IDENTITY_UUID ? UUID : OTHER;

	if (kind == KIND_BACKUP)
		disk->backup = make_superblock(label, uuid);
	if (kind > KIND_LUKS)
		return;
	(void)snprintf(disk->label, sizeof(disk->label), "%s", label);
	(void)snprintf(disk->uuid, sizeof(disk->uuid), "%s", uuid);
}

static void set_kind(struct disk_facts *disk, enum kind kind)
{
	static const enum disk_content contents[KIND_COUNT] = {DISK_CONTENT_DATA, DISK_CONTENT_DATA,
		DISK_CONTENT_DATA, DISK_CONTENT_NOTHING, DISK_CONTENT_NOTHING,
		DISK_CONTENT_PARTITIONS, DISK_CONTENT_AMBIVALENT, DISK_CONTENT_UNREADABLE};
	static const char *const types[KIND_COUNT] = {
		"ext4", "xfs", "crypto_LUKS", "", "", "gpt", "", ""};

	disk->content = contents[kind];
	(void)snprintf(disk->type, sizeof(disk->type), "%s", types[kind]);
	if (kind == KIND_EXT4)
		disk->superblock = make_superblock("", "");
}

static void set_fs_state(struct disk_facts *disk, enum fs_state fs_state)
{
	struct superblock *superblock = &disk->superblock;

	superblock->needs_recovery = fs_state == FS_DIRTY;
	superblock->error = fs_state == FS_ERROR;
	superblock->clean = fs_state != FS_UNCLEAN;
	superblock->unknown_incompat = fs_state == FS_INCOMPAT;
	superblock->unknown_ro = fs_state == FS_RO_COMPAT;
	if (fs_state == FS_INVALID)
		*superblock = (struct superblock){0};
}

static void set_history(struct disk_facts *disk, enum history history)
{
	static const enum disk_check checks[HISTORY_COUNT] = {DISK_CHECK_NONE, DISK_CHECK_NONE,
		DISK_CHECK_NONE, DISK_CHECK_PASSED, DISK_CHECK_PASSED, DISK_CHECK_NEEDS_DECISION,
		DISK_CHECK_NEEDS_DECISION, DISK_CHECK_CANNOT_RUN};
	static const int errors[HISTORY_COUNT] = {0, EUCLEAN, EBUSY, 0, EINVAL, 0, EUCLEAN, 0};

	disk->check = checks[history];
	disk->mount_error = errors[history];
}

static void set_size(struct disk_facts *disk, enum size size)
{
	switch (size) {
	case SIZE_LARGER:
		disk->size_bytes = 2 * FS_SIZE;
		break;
	case SIZE_TRUNCATED:
		disk->size_bytes = FS_SIZE - 4096;
		break;
	case SIZE_HUGE:
		disk->size_bytes = DISK_SIZE_MAX + 4096;
		break;
	case SIZE_LARGE_BLOCKS:
		disk->superblock.block_size = 65536;
		break;
	case SIZE_LARGE_SECTORS:
		disk->logical_block_size = 16384;
		break;
	case SIZE_FITS:
	case SIZE_COUNT:
		break;
	}
}

/* --- the promises -------------------------------------------------------------------------------- */

static bool is_named(const struct disk_facts *disk)
{
	return disk->exclusion != DISK_EXCLUSION_NOT_NAMED;
}

/* Whoever has the wanted name, on whatever. An interrupted format has no name yet. */
static bool has_name(const struct disk_policy_input *input, const struct disk_facts *disk)
{
	const char *label = disk->label, *uuid = disk->uuid;

	if (disk->content == DISK_CONTENT_NOTHING && disk->backup.valid && !disk->format_intent) {
		label = disk->backup.label;
		uuid = disk->backup.uuid;
	}
	if (!is_named(disk))
		return false;
	return input->uuid[0] ? strcmp(uuid, input->uuid) == 0 : strcmp(label, LABEL) == 0;
}

/* "A keel data disk is ext4 with our label and a marker inside"; a pinned one may lack the marker, or have it in its journal. */
static bool is_data_disk(const struct disk_policy_input *input, const struct disk_facts *disk)
{
	return has_name(input, disk) && disk->content == DISK_CONTENT_DATA &&
	       strcmp(disk->type, "ext4") == 0 &&
	       (disk->marker == DISK_MARKER_VALID ||
		       (input->uuid[0] && (disk->marker == DISK_MARKER_NONE ||
						  (disk->marker == DISK_MARKER_BAD &&
							  disk->superblock.needs_recovery))));
}

static bool fits(const struct disk_facts *disk)
{
	const struct superblock *superblock = &disk->superblock;

	return superblock->valid && superblock->unknown_incompat == 0 &&
	       superblock->unknown_ro == 0 && superblock->size_bytes <= disk->size_bytes &&
	       disk->size_bytes <= DISK_SIZE_MAX && superblock->block_size <= 4096 &&
	       superblock->block_size >= disk->logical_block_size;
}

static size_t count_named(const struct disk_policy_input *input)
{
	size_t count = 0;

	for (size_t i = 0; i < input->count; i++)
		count += has_name(input, &input->disks[i]);
	return count;
}

/* A disk and its partitions are not two; none of both is ever formatted. */
static size_t count_candidates(const struct disk_policy_input *input)
{
	size_t count = 0;

	for (size_t i = 0; i < input->count; i++)
		count += input->disks[i].exclusion == DISK_EXCLUSION_NONE;
	return count;
}

static bool any_mounted(const struct disk_policy_input *input)
{
	for (size_t i = 0; i < input->count; i++)
		if (input->disks[i].at_mountpoint)
			return true;
	return input->mounted_source[0] != '\0';
}

static bool any_unreadable(const struct disk_policy_input *input)
{
	for (size_t i = 0; i < input->count; i++)
		if (input->disks[i].content == DISK_CONTENT_UNREADABLE &&
			is_named(&input->disks[i]) &&
			input->disks[i].exclusion != DISK_EXCLUSION_REMOVABLE)
			return true;
	return false;
}

/* "It formats only if all hold" - all but blankness, which comes last because it is much to read. */
static bool may_format(const struct disk_policy_input *input, const struct disk_facts *disk)
{
	return input->format_blank && input->uuid[0] == '\0' && count_candidates(input) == 1 &&
	       count_named(input) == 0 && !any_mounted(input) && !any_unreadable(input) &&
	       disk->exclusion == DISK_EXCLUSION_NONE && disk->content == DISK_CONTENT_NOTHING &&
	       !disk->partition && disk->size_bytes <= DISK_SIZE_MAX &&
	       disk->logical_block_size <= 4096 && (!disk->backup.valid || disk->format_intent) &&
	       disk->blank != DISK_BLANK_READ_ERROR;
}

static void check_format(const struct disk_policy_input *input, const struct disk_facts *disk,
	const struct disk_decision *decision)
{
	assert_true(may_format(input, disk) && input->settled);
	if (decision->action == DISK_ACTION_CHECK_BLANK)
		assert_int_equal(disk->blank, DISK_BLANK_UNCHECKED);
	else
		assert_true(disk->blank == DISK_BLANK_ZERO || disk->format_intent);
}

/* Whatever is mounted or checked is the one data disk, unused, sound as far as is known, and fits. */
static void check_use(const struct disk_policy_input *input, const struct disk_facts *disk,
	const struct disk_decision *decision)
{
	assert_false(any_mounted(input));
	assert_int_equal(count_named(input), 1);
	assert_true(is_data_disk(input, disk) && fits(disk));
	assert_int_equal(disk->exclusion, DISK_EXCLUSION_NONE);
	assert_int_not_equal(disk->mount_error, EBUSY);
	if (decision->action == DISK_ACTION_RESCUE) {
		assert_true(input->rescue_read_only && disk->mount_error == 0);
		assert_true(disk->check == DISK_CHECK_NEEDS_DECISION ||
			    disk->check == DISK_CHECK_CANNOT_RUN);
		return;
	}
	assert_true(disk->check == DISK_CHECK_NONE || disk->check == DISK_CHECK_PASSED);
	if (decision->action == DISK_ACTION_CHECK_AND_MOUNT) {
		assert_int_equal(disk->check, DISK_CHECK_NONE); /* once, not for ever */
		assert_true(disk->superblock.error || !disk->superblock.clean ||
			    disk->mount_error != 0);
		return;
	}
	/* What failed is not tried again, and what carries the flag is checked first. */
	assert_int_equal(disk->mount_error, 0);
	assert_true(!disk->superblock.error || disk->check == DISK_CHECK_PASSED);
	assert_int_equal(decision->action == DISK_ACTION_REPLAY_AND_MOUNT,
		disk->superblock.needs_recovery);
}

static void check_mounted(const struct disk_policy_input *input, const struct disk_facts *disk,
	const struct disk_decision *decision)
{
	assert_true(disk->at_mountpoint && is_data_disk(input, disk));
	assert_true(disk->marker == DISK_MARKER_VALID || disk->marker == DISK_MARKER_NONE);
	assert_int_equal(disk->mounted_read_only, decision->action == DISK_ACTION_RESCUE);
	if (decision->action == DISK_ACTION_GROW)
		assert_true(disk->size_bytes >= disk->superblock.size_bytes + DISK_GROW_MIN &&
			    disk->size_bytes <= DISK_SIZE_MAX && !disk->superblock.error &&
			    disk->grow_error == 0);
}

static void check_situation(const struct disk_policy_input *input,
	const struct disk_decision *decision)
{
	bool calm = decision->action != DISK_ACTION_WAIT &&
		    decision->action != DISK_ACTION_REFUSE &&
		    decision->action != DISK_ACTION_RESCUE;

	assert_int_equal(decision->situation == DISK_SITUATION_OK, calm);
	assert_true(decision->index == DISK_INDEX_NONE || decision->index < input->count);
	/* Whatever is refused has a way out. */
	if (decision->action == DISK_ACTION_REFUSE)
		assert_non_null(strchr(decision->reason, ';'));
	/* What is found is named. */
	if (decision->index != DISK_INDEX_NONE)
		assert_non_null(strstr(decision->reason, input->disks[decision->index].device));
}

static enum disk_action check_promises(const struct disk_policy_input *input)
{
	const struct disk_decision decision = decide(input);
	const struct disk_facts none = {0};
	const struct disk_facts *disk =
		decision.index == DISK_INDEX_NONE ? &none : &input->disks[decision.index];

	check_situation(input, &decision);
	switch (decision.action) {
	case DISK_ACTION_FORMAT:
	case DISK_ACTION_CHECK_BLANK:
		check_format(input, disk, &decision);
		break;
	case DISK_ACTION_RESCUE:
		if (disk->at_mountpoint)
			check_mounted(input, disk, &decision);
		else
			check_use(input, disk, &decision);
		break;
	case DISK_ACTION_MOUNT:
	case DISK_ACTION_REPLAY_AND_MOUNT:
	case DISK_ACTION_CHECK_AND_MOUNT:
		check_use(input, disk, &decision);
		break;
	case DISK_ACTION_KEEP:
	case DISK_ACTION_GROW:
		check_mounted(input, disk, &decision);
		break;
	case DISK_ACTION_WAIT:
		/* Never with our name before us, and for ever only for a second of quiet. */
		assert_true(count_named(input) == 0 && !any_mounted(input));
		assert_true(!input->deadline_passed || (!input->settled && input->format_blank));
		break;
	case DISK_ACTION_REFUSE:
		assert_true(input->deadline_passed || count_named(input) > 0 || any_mounted(input));
		break;
	}
	/* Two of ours: never chosen between. */
	if (count_named(input) > 1 && !any_mounted(input))
		assert_int_equal(decision.situation, DISK_SITUATION_TWO_DISKS);
	return decision.action;
}

/* And what must be done is done: the promises alone would be kept by refusing everything. */
static void check_duties(const struct disk_policy_input *input, const struct disk_facts *disk,
	enum disk_action action)
{
	if (any_mounted(input) || count_named(input) > 1)
		return;
	if (is_data_disk(input, disk) && fits(disk) && disk->exclusion == DISK_EXCLUSION_NONE &&
		disk->mount_error == 0 && disk->check <= DISK_CHECK_PASSED)
		assert_true(action == DISK_ACTION_MOUNT || action == DISK_ACTION_REPLAY_AND_MOUNT ||
			    action == DISK_ACTION_CHECK_AND_MOUNT);
	if (may_format(input, disk) && input->settled &&
		(disk->blank == DISK_BLANK_ZERO || disk->format_intent))
		assert_int_equal(action, DISK_ACTION_FORMAT);
}

static void check_all_settings(struct disk_facts *disks, size_t count)
{
	for (unsigned int flags = 0; flags < 32; flags++) {
		struct disk_policy_input input = make_input(disks, count);
		enum disk_action action;

		input.format_blank = flags & 1;
		input.settled = flags & 2;
		input.deadline_passed = flags & 4;
		input.rescue_read_only = flags & 8;
		input.uuid = flags & 16 ? UUID : "";
		action = check_promises(&input);
		for (size_t i = 0; i < count; i++)
			check_duties(&input, &disks[i], action);
	}
}

static const enum disk_exclusion exclusions[] = {DISK_EXCLUSION_NONE, DISK_EXCLUSION_NOT_NAMED,
	DISK_EXCLUSION_READ_ONLY, DISK_EXCLUSION_MOUNTED, DISK_EXCLUSION_BUSY, DISK_EXCLUSION_SMALL,
	DISK_EXCLUSION_REMOVABLE};

typedef void visit_fn(struct disk_facts *disk);

/* Everything that can be on one disk that is an ext4. */
static void visit_ext4(enum identity identity, visit_fn *visit)
{
	for (unsigned int i = 0; i < FS_STATE_COUNT * HISTORY_COUNT * SIZE_COUNT; i++)
		for (enum disk_marker marker = 0; marker <= DISK_MARKER_BAD; marker++) {
			struct disk_facts disk = make_disk("/dev/sda");

			set_kind(&disk, KIND_EXT4);
			set_identity(&disk, KIND_EXT4, identity);
			set_fs_state(&disk, i % FS_STATE_COUNT);
			set_history(&disk, i / FS_STATE_COUNT % HISTORY_COUNT);
			set_size(&disk, i / FS_STATE_COUNT / HISTORY_COUNT);
			disk.marker = marker;
			visit(&disk);
		}
}

/* And that is none. */
static void visit_others(enum identity identity, visit_fn *visit)
{
	for (enum kind kind = KIND_XFS; kind < KIND_COUNT; kind++)
		for (unsigned int i = 0; i < SIZE_COUNT * 4 * 2 * 2; i++) {
			struct disk_facts disk = make_disk("/dev/sda");

			set_kind(&disk, kind);
			set_identity(&disk, kind, identity);
			set_size(&disk, i % SIZE_COUNT);
			disk.blank = i / SIZE_COUNT % 4;
			disk.partition = i / SIZE_COUNT / 4 % 2;
			disk.format_intent = i / SIZE_COUNT / 8;
			visit(&disk);
		}
}

static void check_alone(struct disk_facts *disk)
{
	for (size_t i = 0; i < ARRAY_SIZE(exclusions); i++) {
		disk->exclusion = exclusions[i];
		check_all_settings(disk, 1);
	}
	disk->exclusion = DISK_EXCLUSION_MOUNTED;
	disk->at_mountpoint = true;
	for (unsigned int i = 0; i < 4; i++) {
		disk->mounted_read_only = i & 1;
		disk->grow_error = i & 2 ? EIO : 0;
		check_all_settings(disk, 1);
	}
}

static void test_one_disk_whatever_it_is(void **state)
{
	(void)state;
	check_all_settings(NULL, 0);
	for (enum identity identity = 0; identity < IDENTITY_COUNT; identity++) {
		visit_ext4(identity, check_alone);
		visit_others(identity, check_alone);
	}
}

/* The kinds of company that a disk can have. */
static struct disk_facts make_company(unsigned int n, const char *device)
{
	struct disk_facts disk = make_ours(device);

	switch (n) {
	case 0:
		break;
	case 1:
		(void)snprintf(disk.uuid, sizeof(disk.uuid), "%s", OTHER);
		break;
	case 2:
		(void)snprintf(disk.label, sizeof(disk.label), "else");
		break;
	case 3:
		disk.superblock.error = true;
		break;
	case 4:
		disk.marker = DISK_MARKER_NONE;
		break;
	case 5:
		(void)snprintf(disk.type, sizeof(disk.type), "xfs");
		break;
	case 6:
		disk = make_lost(device);
		break;
	case 7:
		disk = make_disk(device);
		disk.blank = DISK_BLANK_ZERO;
		break;
	case 8:
		disk = make_disk(device);
		break;
	case 9:
		disk = make_disk(device);
		disk.format_intent = true;
		break;
	case 10:
		disk = make_data(device, "ntfs", "else");
		(void)snprintf(disk.uuid, sizeof(disk.uuid), "%s", OTHER);
		break;
	case 11:
		disk = make_disk(device);
		disk.content = DISK_CONTENT_UNREADABLE;
		break;
	case 12:
		disk = make_disk(device);
		disk.content = DISK_CONTENT_PARTITIONS;
		break;
	default:
		disk.at_mountpoint = true;
		disk.exclusion = DISK_EXCLUSION_MOUNTED;
		break;
	}
	return disk;
}

enum { COMPANY_COUNT = 14 };

static void check_in_company(struct disk_facts *disk)
{
	static unsigned int turn;
	struct disk_facts disks[2] = {*disk, *disk};

	for (unsigned int n = 0; n < COMPANY_COUNT; n++) {
		disks[1] = make_company(n, "/dev/sdb");
		/* All settings for one exclusion of each in turn: their product has no secrets. */
		disks[turn % 2].exclusion = exclusions[turn / 2 % ARRAY_SIZE(exclusions)];
		turn++;
		check_all_settings(disks, 2);
	}
}

static void test_two_disks_whatever_they_are(void **state)
{
	(void)state;
	for (enum identity identity = 0; identity < IDENTITY_COUNT; identity++) {
		visit_ext4(identity, check_in_company);
		visit_others(identity, check_in_company);
	}
}

static void test_many_disks(void **state)
{
	static const char *const devices[] = {"/dev/sda", "/dev/sdb", "/dev/sdc", "/dev/sdd"};
	const unsigned int variants = COMPANY_COUNT * COMPANY_COUNT * COMPANY_COUNT;
	struct disk_facts disks[4];

	(void)state;
	for (unsigned int i = 0; i < variants; i++)
		for (size_t e = 0; e < ARRAY_SIZE(exclusions); e++) {
			disks[0] = make_company(i % COMPANY_COUNT, devices[0]);
			disks[1] = make_company(i / COMPANY_COUNT % COMPANY_COUNT, devices[1]);
			disks[2] = make_company(i / COMPANY_COUNT / COMPANY_COUNT, devices[2]);
			disks[3] = make_company((i + 5) % COMPANY_COUNT, devices[3]);
			disks[2].exclusion = exclusions[e];
			check_all_settings(disks, 3);
			check_all_settings(disks, 4);
		}
}

/* The longest names that the types allow still give whole sentences: decide() looks at the length. */
static void check_long_names(struct disk_facts *disk)
{
	struct disk_facts disks[2] = {*disk, make_ours("/dev/mapper/vg0-another-name-12")};
	struct disk_policy_input input = make_input(disks, 1);

	(void)snprintf(disks[0].device, sizeof(disks[0].device), "/dev/nvme0c10n1p128");
	(void)snprintf(disks[1].device, sizeof(disks[1].device), "/dev/nvme0c11n1p127");
	if (disk->content == DISK_CONTENT_DATA)
		(void)snprintf(disks[0].label, sizeof(disks[0].label), "sixteen-bytes-lb");
	memset(disks[0].superblock.last_error, 'f', sizeof(disks[0].superblock.last_error) - 1);
	memset(disks[0].exclusion_detail, 'd', sizeof(disks[0].exclusion_detail) - 1);
	disks[0].superblock.unknown_incompat *= 0x80000000;
	disks[0].check_status = 139;
	input.mountpoint = "/a/mount/point/of/more/than/usual/length";
	for (unsigned int i = 0; i < 32; i++) {
		disks[0].at_mountpoint = i & 1;
		disks[0].exclusion = i & 2 ? DISK_EXCLUSION_MOUNTED : DISK_EXCLUSION_NONE;
		disks[0].mounted_read_only = i & 4;
		disks[0].grow_error = i & 4 ? ENAMETOOLONG : 0;
		input.label = disks[0].label[0] ? disks[0].label : LABEL;
		input.uuid = i & 8 ? UUID : "";
		input.deadline_passed = input.rescue_read_only = i & 16;
		input.count = 1 + (i & 1);
		(void)decide(&input);
	}
}

static void test_reasons_fit(void **state)
{
	(void)state;
	for (enum identity identity = 0; identity < IDENTITY_COUNT; identity++) {
		visit_ext4(identity, check_long_names);
		visit_others(identity, check_long_names);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_disk_whatever_it_is),
		cmocka_unit_test(test_two_disks_whatever_they_are),
		cmocka_unit_test(test_many_disks),
		cmocka_unit_test(test_reasons_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
