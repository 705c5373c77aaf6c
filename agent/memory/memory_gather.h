/* SPDX-License-Identifier: MIT
 *
 * memory_gather.h - reads procfs, sysfs and the control groups into the policy's facts and into what documents show.
 *
 * Blocking reads of small files; what a look costs is in docs/memory.md. All paths are below two directories, so that
 * tests can give others. Not reentrant.
 */
#pragma once

#include "agent/common/memory_facts.h"
#include "agent/memory/reclaim_policy.h"
#include "lib/base.h"

struct memory_paths {
	int root_fd; /* of "/": proc/..., sys/... are opened below it */
	int base_fd; /* the control group below which PID 1 keeps everything, -1: no cgroup v2 */
	bool base_is_root; /* it is the root of the hierarchy, and the VM is ours alone: the rest may be taken too */
	char base[256]; /* as the kernel says it: "" or "/wsl-user/..." */
};

/* From $KEEL_CGROUP, $KEEL_MODE. Never fails: without cgroup v2 base_fd is -1. */
void memory_paths_open(struct memory_paths *paths);
void memory_paths_close(struct memory_paths *paths);

/* What the kernel can do. `swappiness` is true until a step was refused (memory.c). */
void memory_find_abilities(const struct memory_paths *paths, struct memory_abilities *abilities);

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
