/* SPDX-License-Identifier: MIT
 *
 * disk_judge.h - the part of the policy that is about one disk: is it ours, and may it be used.
 */
#pragma once

#include "init/disk/disk_policy.h"

#define DISK_BLOCK_SIZE_MAX 4096 /* a page: ext4 mounts no larger blocks */

#define DISK_DECIDE(decision_, action_, situation_, index_, ...)                               \
	do {                                                                                   \
		(decision_)->action = DISK_ACTION_##action_;                                   \
		(decision_)->situation = DISK_SITUATION_##situation_;                          \
		(decision_)->index = (index_);                                                 \
		(void)snprintf((decision_)->reason, sizeof((decision_)->reason), __VA_ARGS__); \
	} while (0)

/* Does the disk claim to be the one that the configuration wants? With a pinned UUID whatever has it does, otherwise whatever
 * has the label; a file system whose first superblock is lost claims by a backup. Whether it is ours also depends on its marker. */
bool disk_judge_claims(const struct disk_policy_input *input, const struct disk_facts *disk);

/* The decision about the only disk that claims to be ours and is not mounted where it belongs. */
void disk_judge_found(const struct disk_policy_input *input, size_t index,
	struct disk_decision *decision);

/* The same if it is mounted there. */
void disk_judge_mounted(const struct disk_policy_input *input, size_t index,
	struct disk_decision *decision);
