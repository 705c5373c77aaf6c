/* SPDX-License-Identifier: MIT
 *
 * memory_limits.h - how much of the VM's memory the groups may have, by its size. Pure. PID 1 sets them at boot, the
 * agent again when memory was added or removed (cgroup-v2.rst: memory.max, memory.high, memory.low, memory.min).
 */
#pragma once

#include "lib/base.h"

/* Bytes; 0 in the result means: no limit is to be set. */
struct memory_limits {
	uint64_t reserve;         /* what containers leave to everything else */
	uint64_t containers_max;  /* memory.max */
	uint64_t containers_high; /* memory.high, a little below: throttled before killed */
	uint64_t engine_min, engine_low;
	uint64_t keel_min;
	uint64_t user_low; /* the shell that somebody needs when all else is full */
};

/* `total`: MemTotal. `reserve`: as configured, 0: by the size. */
void memory_limits(uint64_t total, uint64_t reserve, struct memory_limits *limits);
