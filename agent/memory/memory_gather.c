/* SPDX-License-Identifier: MIT
 *
 * memory_gather.c - see memory_gather.h. Caller: memory.c, before it asks the policy.
 */
#include "agent/memory/memory_gather.h"

#include <fcntl.h>
#include <string.h>

#include "agent/common/memory_read.h"
#include "agent/memory/memory_groups.h"
#include "lib/clock.h"
#include "lib/file.h"

#define PAGE_BYTES UINT64_C(4096)

#define RUNNING_CONTAINERS "run/containerd/io.containerd.runtime.v2.task/moby"

/* zoneinfo of 64 processors has 60 KiB, lru_gen of 1,000 groups about as much as this. What is longer is cut: less is
 * known then to be old. */
static char long_text[256 * 1024];

/* Of the smallest free block that the kernel reports to its host; -1: it reports none. It is as large as an unsigned
 * number gets while no driver is there to report to (mm/page_reporting.c). */
static int reporting_order(const struct memory_paths *paths)
{
	char text[32];
	uint64_t order;

	if (file_read_at(paths->root_fd, MEMORY_REPORTING_ORDER, text, sizeof(text)) < 0 ||
		memory_read_number(text, &order) < 0 || order >= MEMORY_ORDERS)
		return -1;
	return (int)order;
}

static void look_at_sizes(const struct memory_info *info, struct reclaim_facts *facts,
	struct memory_seen *seen)
{
	uint64_t file = info->cached + info->buffers;

	file -= info->shmem < file ? info->shmem : file;
	seen->total = info->total;
	seen->free = info->free;
	seen->available = info->available;
	seen->cached = info->cached;
	seen->cache = file + info->slab_reclaimable;
	seen->slab = info->slab_unreclaimable;
	seen->anon = info->anon;
	seen->shmem = info->shmem;
	seen->swap_total = info->swap_total;
	seen->swap_free = info->swap_free;
	facts->total = info->total;
	facts->free = info->free;
	facts->cache = file;
}

static void look_at_blocks(const struct memory_paths *paths, struct reclaim_facts *facts,
	struct memory_seen *seen)
{
	uint64_t per_cpu;

	memset(seen->free_blocks, 0, sizeof(seen->free_blocks));
	if (file_read_at(paths->root_fd, "proc/buddyinfo", long_text, sizeof(long_text)) > 0)
		(void)!memory_read_buddyinfo(long_text, seen->free_blocks);
	(void)!file_read_at(paths->root_fd, "proc/zoneinfo", long_text, sizeof(long_text));
	(void)!memory_read_zoneinfo(long_text, &per_cpu);
	seen->per_cpu = per_cpu * PAGE_BYTES;

	seen->reporting_order = reporting_order(paths);
	seen->reportable = seen->stranded = 0;
	if (seen->reporting_order >= 0) {
		for (int i = seen->reporting_order; i < MEMORY_ORDERS; i++)
			seen->reportable += (seen->free_blocks[i] << i) * PAGE_BYTES;
		if (seen->reportable < seen->free)
			seen->stranded = seen->free - seen->reportable;
	}
	facts->reportable = seen->reportable;
	facts->stranded = seen->stranded;
}

static void look_at_processors(const struct memory_paths *paths, struct reclaim_facts *facts)
{
	char text[512]; /* its first line */
	uint64_t total, busy, tick_us = USEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK);

	(void)!file_read_at(paths->root_fd, "proc/stat", text, sizeof(text));
	(void)!memory_read_cpu(text, &total, &busy);
	facts->cpu_total_us = total * tick_us;
	facts->cpu_busy_us = busy * tick_us;
}

/* Without cgroup v2: those that the engine runs, by the directories that containerd keeps of them. */
static unsigned int count_containers(const struct memory_paths *paths)
{
	_cleanup_close_ int fd =
		openat(paths->root_fd, RUNNING_CONTAINERS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct file_dir dir = {.fd = fd};
	unsigned int count = 0;
	unsigned char type;

	while (fd >= 0 && file_dir_next(&dir, &type) != NULL)
		count++;
	return count;
}

void memory_gather(const struct memory_paths *paths, const struct memory_abilities *abilities,
	struct reclaim_facts *facts, struct memory_names *names, struct memory_seen *seen)
{
	struct memory_info info;
	char text[4096];

	seen->known = true;
	seen->abilities = facts->abilities = *abilities;
	facts->now_us = clock_now_us();
	(void)!file_read_at(paths->root_fd, "proc/meminfo", text, sizeof(text));
	(void)!memory_read_info(text, &info);
	look_at_sizes(&info, facts, seen);
	look_at_blocks(paths, facts, seen);
	look_at_processors(paths, facts);
	if (abilities->lru_gen_ages)
		(void)!file_read_at(paths->root_fd, MEMORY_LRU_GEN_AGES, long_text,
			sizeof(long_text));
	memory_groups_gather(paths, abilities, info.slab_reclaimable, long_text, facts, names,
		seen);
	if (!abilities->cgroup)
		facts->containers = count_containers(paths);
}
