/* SPDX-License-Identifier: MIT
 *
 * memory_facts.h - what the agent knows of the guest's memory, as plain data. Filled in by agent/memory/, printed by
 * document_memory.c, judged by health.c.
 *
 * Bytes, unless the name says otherwise. Cache is file pages that are no tmpfs and kernel slab that can be
 * reclaimed. Times ending in _us are CLOCK_BOOTTIME microseconds, 0: never.
 */
#pragma once

#include "lib/base.h"
#include "lib/memory_mode.h"

#define MEMORY_NAME_MAX    128 /* "engine", "containers", or a container's group below it; with NUL */
#define MEMORY_REASON_MAX  128 /* one sentence, with NUL */
#define MEMORY_GROUPS_MAX  16  /* in documents: the slices, then the containers with most cache */
#define MEMORY_HISTORY_MAX 120
#define MEMORY_OOM_KILLS   8  /* the last so many are kept */
#define MEMORY_ORDERS      11 /* MAX_PAGE_ORDER + 1 on x86-64 (include/linux/mmzone.h) */

/* What this kernel lets us do. What is missing is told in the document, and the policy goes on without it. */
struct memory_abilities {
	bool cgroup;       /* cgroup v2 with the memory controller below our base */
	bool reclaim;      /* memory.reclaim (Linux 5.19) */
	bool swappiness;   /* memory.reclaim knows swappiness= (Linux 6.11) */
	bool psi;          /* memory.pressure */
	bool lru_gen;      /* MGLRU is switched on */
	bool lru_gen_ages; /* /sys/kernel/debug/lru_gen can be read */
	bool compaction;   /* /proc/sys/vm/compact_memory */
	bool reporting;    /* the kernel has page reporting; whether a host takes it is not told */
};

struct memory_group {
	char name[MEMORY_NAME_MAX]; /* of the directory below the base */
	uint64_t current, anon, shmem, cache, cold,
		floor;      /* cold: an estimate; floor: what reclaim leaves, as learned */
	uint64_t reclaimed; /* by us, since the agent started */
};

struct memory_sample {
	uint64_t at_us;
	uint64_t used, cache; /* of the VM: total - free; cache of all groups */
};

struct memory_oom_kill {
	uint64_t at_us;
	int pid;
	bool global;                 /* the whole VM was out of memory, not a group */
	char process[16];            /* comm */
	char group[MEMORY_NAME_MAX]; /* below the base, or as the kernel says it */
	char container[80];    /* its name as Docker knows it, without the slash; "" not known */
	char container_id[72]; /* "" if the group is none of Docker's */
};

struct memory_seen {
	uint64_t looked_us; /* when the last look was taken */
	bool known;         /* at least one look was taken */
	bool working;       /* an episode is under way */
	enum memory_mode mode;
	struct memory_abilities abilities;
	uint64_t total, free, available, cache, slab, anon, shmem; /* slab: not reclaimable */
	uint64_t cached;                                           /* as /proc/meminfo has it */
	uint64_t swap_total, swap_free;
	uint64_t free_blocks[MEMORY_ORDERS]; /* number of free blocks of each order, all zones */
	uint64_t reportable,
		stranded; /* of `free`: in blocks of at least that order, and in smaller ones */
	uint64_t
		per_cpu; /* free too, but waiting in per-cpu lists: not in `free`, never reported */
	int reporting_order; /* < 0: the kernel has none */
	unsigned int groups;
	struct memory_group group[MEMORY_GROUPS_MAX];
	/* The limits of base/containers as they are, 0: none. */
	uint64_t containers_max, containers_high, reserve;
	uint64_t
		reclaimed; /* given back by us since the agent started: what the groups lost in our steps */
	uint64_t steps, cpu_us;          /* steps done and what they cost in CPU time */
	uint64_t compactions, compacted; /* how often, and by how much `reportable` grew */
	uint64_t target;                 /* hold `total - free` under this, 0: none */
	uint64_t last_us;
	char last[MEMORY_REASON_MAX]; /* the last step and what it gave: "64 MiB from containers" */
	char waiting[MEMORY_REASON_MAX]; /* why nothing is done now; "" while working */
	/* Pressure: the share of time in the last 10 s in which some task waited for memory, in percent; < 0 not known. */
	int pressure_percent;
	unsigned int history; /* samples, oldest first */
	struct memory_sample sample[MEMORY_HISTORY_MAX];
	uint64_t oom_kills;    /* since boot, as far as the kernel's log reaches back */
	unsigned int oom_kept; /* in oom_kill[], newest first */
	struct memory_oom_kill oom_kill[MEMORY_OOM_KILLS];
};
