/* SPDX-License-Identifier: MIT
 *
 * memory_gather.h - reads procfs, sysfs and the control groups into the policy's facts and into what documents show.
 *
 * Blocking reads of small files; what a look costs is in docs/memory.md. Not reentrant.
 */
#pragma once

#include "agent/common/memory_facts.h"
#include "agent/memory/memory_paths.h"
#include "agent/memory/reclaim_policy.h"
#include "lib/base.h"

/* The directory of facts->group[i] below the base: "containers" for the dead, "." for the rest, "containers/ID" and
 * "containers/PARENT/ID" for the living. */
struct memory_names {
	char name[RECLAIM_GROUPS_MAX][MEMORY_NAME_MAX];
};

/* Fills in everything that is read: the time, sizes, groups, counters, free blocks. Leaves event, mode, limits, target,
 * request and result alone; of a group in `seen` that was there at the last look, what others have put there.
 *
 * facts->group: DEAD, then OWN, REST, and LIVE by their cache, largest first. None without cgroup v2's memory controller.
 * A group without a process is not living. What lives but is not listed, because there are too many, is not
 * counted as dead either; if a living group cannot be read, nothing is dead for once. */
void memory_gather(const struct memory_paths *paths, const struct memory_abilities *abilities,
	struct reclaim_facts *facts, struct memory_names *names, struct memory_seen *seen);
