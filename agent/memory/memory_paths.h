/* SPDX-License-Identifier: MIT
 *
 * memory_paths.h - where the kernel tells of memory, and what this kernel can do.
 *
 * All paths are below two directories, so that tests can give others.
 */
#pragma once

#include "agent/common/memory_facts.h"
#include "lib/base.h"

struct memory_paths {
	int root_fd; /* of "/": proc/..., sys/... are opened below it */
	int base_fd; /* the control group below which PID 1 keeps everything, -1: no cgroup v2 */
	bool base_is_root; /* it is the root of the hierarchy, and the VM is ours alone: the rest may be taken too */
	bool recursive; /* mounted with memory_recursiveprot: memory.low is for all below a group */
	char base[256]; /* as the kernel says it: "" or "/wsl-user/..." */
};

/* Below root_fd. */
#define MEMORY_REPORTING_ORDER "sys/module/page_reporting/parameters/page_reporting_order"
#define MEMORY_LRU_GEN_AGES    "sys/kernel/debug/lru_gen"

/* From $KEEL_CGROUP, $KEEL_MODE. Never fails: without cgroup v2 base_fd is -1. */
void memory_paths_open(struct memory_paths *paths);
void memory_paths_close(struct memory_paths *paths);

/* What the kernel can do, found out by looking. `swappiness` is true until a step was refused (memory.c). */
void memory_find_abilities(const struct memory_paths *paths, struct memory_abilities *abilities);
