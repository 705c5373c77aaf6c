/* SPDX-License-Identifier: MIT
 *
 * memory_limits.h - how much of the VM's memory the groups may have, by its size. PID 1 sets them at boot, the agent
 * again when memory was added or removed (cgroup-v2.rst: memory.max, memory.high, memory.low, memory.min).
 */
#pragma once

#include "lib/base.h"

/* Bytes; 0: no limit, no protection. */
struct memory_limits {
	uint64_t reserve;         /* what containers leave to everything else */
	uint64_t containers_max;  /* memory.max */
	uint64_t containers_high; /* memory.high, a little below: throttled before killed */
	uint64_t engine_min, engine_low;
	uint64_t keel_min;
	uint64_t user_low; /* the shell that somebody needs when all else is full */
};

/* Pure. `total`: MemTotal. `reserve`: bytes as configured, 0: by the size; never more than half of the VM.
 * `zram_percent`: as configured; what is compressed is charged to nobody, so its room is added to the reserve. */
void memory_limits(uint64_t total, uint64_t reserve, unsigned int zram_percent,
	struct memory_limits *limits);

/* Called for each file that could not be written: its path below the base, and why. */
typedef void memory_limits_failed_fn(void *ctx, const char *file, int error);

/* Writes them below the directory of the base group, in an order that protects before it limits. A file that does not exist
 * is passed by. A limit below what is in use makes the kernel reclaim, and kill in containers if that is not enough, before
 * the write returns. Returns how many could not be written. */
unsigned int memory_limits_apply(const struct memory_limits *limits, int base_fd,
	memory_limits_failed_fn *failed, void *ctx);
