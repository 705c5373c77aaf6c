/* SPDX-License-Identifier: MIT
 *
 * disk_policy_test.h - disks to decide about, for the tests of the policy: one of examples, one of the whole space.
 */
#pragma once

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
#define OTHER "aaaaaaaa-2222-3333-4444-555555555555"

#define FS_SIZE (UINT64_C(1) << 30)

static inline struct disk_policy_input make_input(const struct disk_facts *disks, size_t count)
{
	return (struct disk_policy_input){.label = LABEL,
		.uuid = "",
		.mountpoint = "/data",
		.mounted_source = "",
		.disks = disks,
		.count = count};
}

static inline struct disk_facts make_disk(const char *device)
{
	struct disk_facts disk = {.size_bytes = FS_SIZE, .logical_block_size = 512};

	(void)snprintf(disk.device, sizeof(disk.device), "%s", device);
	return disk;
}

static inline struct disk_facts make_data(const char *device, const char *type, const char *label)
{
	struct disk_facts disk = make_disk(device);

	disk.content = DISK_CONTENT_DATA;
	(void)snprintf(disk.type, sizeof(disk.type), "%s", type);
	(void)snprintf(disk.label, sizeof(disk.label), "%s", label);
	(void)snprintf(disk.uuid, sizeof(disk.uuid), "%s", UUID);
	return disk;
}

static inline struct superblock make_superblock(const char *label, const char *uuid)
{
	struct superblock superblock = {
		.valid = true, .clean = true, .block_size = 4096, .size_bytes = FS_SIZE};

	(void)snprintf(superblock.label, sizeof(superblock.label), "%s", label);
	(void)snprintf(superblock.uuid, sizeof(superblock.uuid), "%s", uuid);
	return superblock;
}

/* A sound disk of ours. */
static inline struct disk_facts make_ours(const char *device)
{
	struct disk_facts disk = make_data(device, "ext4", LABEL);

	disk.superblock = make_superblock(LABEL, UUID);
	disk.marker = DISK_MARKER_VALID;
	return disk;
}

static inline struct disk_decision decide(const struct disk_policy_input *input)
{
	struct disk_decision decision;

	memset(&decision, 0xa5, sizeof(decision));
	disk_policy_decide(input, &decision);
	assert_non_null(memchr(decision.reason, '\0', sizeof(decision.reason)));
	assert_in_range(strlen(decision.reason), 10, sizeof(decision.reason) - 2);
	assert_in_range(decision.situation, 0, DISK_SITUATION_UNMOUNTED);
	return decision;
}

static inline void assert_decision(const struct disk_policy_input *input, enum disk_action action,
	enum disk_situation situation, const char *words)
{
	struct disk_decision decision = decide(input);

	if (decision.action != action || decision.situation != situation ||
		!strstr(decision.reason, words))
		fail_msg("%s (%s), expected %s (%s), reason \"%s\", expected \"%s\"",
			disk_action_name(decision.action), disk_situation_name(decision.situation),
			disk_action_name(action), disk_situation_name(situation), decision.reason,
			words);
}

/* Its first superblock is lost; a backup is left. */
static inline struct disk_facts make_lost(const char *device)
{
	struct disk_facts disk = make_disk(device);

	disk.backup = make_superblock(LABEL, UUID);
	return disk;
}
