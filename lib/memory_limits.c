/* SPDX-License-Identifier: MIT
 *
 * memory_limits.c - see memory_limits.h. Callers: init/memory.c, agent/memory/memory.c.
 *
 * What the reserve is for, as measured in idle guests of 1 and 2 GiB: dockerd, containerd and their shims have 60 MiB
 * of their own and 105 MiB of mapped programs, keel 9 MiB, a shell 2 MiB; 25 MiB are kernel memory that is charged to
 * nobody, some more are the watermarks below which the kernel lets nobody allocate. With 192 MiB a storm of page cache in a
 * guest of 1 GiB left the engine no more than it is protected with, 128 MiB, and had it read 40 MiB of its programs again.
 * A large VM has more of all of them: more containers, more page tables.
 */
#include "lib/memory_limits.h"

#include <stddef.h>
#include <stdio.h>

#include "lib/file.h"

#define MIB (UINT64_C(1) << 20)

#define RESERVE_MIN    (224 * MIB)
#define RESERVE_MAX    (1024 * MIB)
#define ENGINE_LOW_MAX (512 * MIB)
#define KEEL_MIN       (16 * MIB)
#define USER_LOW       (32 * MIB)
#define HIGH_BELOW_MAX (2 * MIB)

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* 5 %, but what the engine needs at least, and of a tiny VM not more than a quarter. */
static uint64_t reserve_by_size(uint64_t total)
{
	return least(least(most(total / 20, RESERVE_MIN), RESERVE_MAX), total / 4);
}

void memory_limits(uint64_t total, uint64_t reserve, unsigned int zram_percent,
	struct memory_limits *limits)
{
	*limits = (struct memory_limits){.reserve = 0};
	if (total == 0)
		return;
	if (reserve == 0)
		reserve = reserve_by_size(total);
	/* Before the room of zram comes on top: the engine's part is of what is there for programs. */
	reserve = least(reserve, total / 2);
	limits->engine_low = least(reserve / 4 * 3, ENGINE_LOW_MAX);
	limits->engine_min = limits->engine_low / 2;
	limits->keel_min = least(KEEL_MIN, reserve / 8);
	limits->user_low = least(USER_LOW, reserve / 8);
	limits->reserve = least(reserve + total / 200 * zram_percent, total / 2);
	limits->containers_max = total - limits->reserve;
	/* Throttled before killed, but not for long. In between the kernel takes the hog's own program from memory again and
	 * again, and its pauses also hold back the faults that read it: of five hogs with 11 MiB to go three were not killed
	 * within minutes, with 1 to 4 MiB all at once. */
	limits->containers_high =
		limits->containers_max - least(limits->containers_max / 256, HIGH_BELOW_MAX);
}

static const struct {
	const char *file;
	size_t offset; /* in struct memory_limits */
	bool limit;    /* 0 is "max"; otherwise a protection, where 0 is none */
} rows[] = {
	{"keel/memory.min", offsetof(struct memory_limits, keel_min), false},
	{"engine/memory.min", offsetof(struct memory_limits, engine_min), false},
	{"engine/memory.low", offsetof(struct memory_limits, engine_low), false},
	{"user/memory.low", offsetof(struct memory_limits, user_low), false},
	{"containers/memory.high", offsetof(struct memory_limits, containers_high), true},
	{"containers/memory.max", offsetof(struct memory_limits, containers_max), true},
};

unsigned int memory_limits_apply(const struct memory_limits *limits, int base_fd,
	memory_limits_failed_fn *failed, void *ctx)
{
	unsigned int count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t bytes = *(const uint64_t *)((const char *)limits + rows[i].offset);
		char text[24] = "max";
		int rc;

		if (bytes > 0 || !rows[i].limit)
			(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
		rc = file_write_at(base_fd, rows[i].file, text);
		if (rc < 0 && rc != -ENOENT) {
			failed(ctx, rows[i].file, rc);
			count++;
		}
	}
	return count;
}
