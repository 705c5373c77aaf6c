/* SPDX-License-Identifier: MIT
 *
 * metrics_memory.c - see metrics_memory.h. Caller: metrics.c.
 */
#include "agent/metrics_memory.h"

#include <stdio.h>
#include <string.h>

#include "lib/memory_mode.h"

static void put_groups(struct metrics_text *text, const struct memory_seen *seen)
{
	static const struct {
		const char *name, *type, *help;
		size_t offset;
	} fields[] = {
		{"keel_memory_group_current_bytes", "gauge", "All memory charged to the group.",
			offsetof(struct memory_group, current)},
		{"keel_memory_group_anon_bytes", "gauge", "Memory of processes, not of files.",
			offsetof(struct memory_group, anon)},
		{"keel_memory_group_shmem_bytes", "gauge", "Files in tmpfs and shared memory.",
			offsetof(struct memory_group, shmem)},
		{"keel_memory_group_cache_bytes", "gauge",
			"Cache of files on disk, and kernel objects that can be reclaimed.",
			offsetof(struct memory_group, cache)},
		{"keel_memory_group_cold_bytes", "gauge",
			"What of the cache is not in use, estimated.",
			offsetof(struct memory_group, cold)},
		{"keel_memory_group_floor_bytes", "gauge", "The cache that reclaim leaves.",
			offsetof(struct memory_group, floor)},
		{"keel_memory_group_reclaimed_bytes_total", "counter",
			"What steps at this group alone gave back.",
			offsetof(struct memory_group, reclaimed)},
	};
	unsigned int groups = seen->groups < MEMORY_GROUPS_MAX ? seen->groups : MEMORY_GROUPS_MAX;

	for (size_t i = 0; groups > 0 && i < ARRAY_SIZE(fields); i++) {
		metrics_put_head(text, fields[i].name, fields[i].type, fields[i].help);
		for (unsigned int j = 0; j < groups; j++) {
			uint64_t value;

			memcpy(&value, (const char *)&seen->group[j] + fields[i].offset,
				sizeof(value));
			metrics_put_sample(text, fields[i].name, "group", seen->group[j].name,
				value);
		}
	}
}

static void put_modes(struct metrics_text *text, const struct memory_seen *seen)
{
	static const char name[] = "keel_memory_mode";

	metrics_put_head(text, name, "gauge", "1 for the mode of reclaim that is set.");
	for (int mode = 0; mode < MEMORY_MODES; mode++)
		metrics_put_sample(text, name, "mode", memory_mode_name((enum memory_mode)mode),
			mode == (int)seen->mode);
}

static void put_abilities(struct metrics_text *text, const struct memory_abilities *abilities)
{
	static const char name[] = "keel_memory_ability";
	const struct {
		const char *word;
		bool yes;
	} table[] = {
		{"cgroup", abilities->cgroup},
		{"reclaim", abilities->reclaim},
		{"swappiness", abilities->swappiness},
		{"psi", abilities->psi},
		{"lru_gen", abilities->lru_gen},
		{"lru_gen_ages", abilities->lru_gen_ages},
		{"compaction", abilities->compaction},
		{"reporting", abilities->reporting},
	};

	metrics_put_head(text, name, "gauge", "1 for what this kernel lets reclaim use.");
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		metrics_put_sample(text, name, "ability", table[i].word, table[i].yes);
}

static void put_blocks(struct metrics_text *text, const struct memory_seen *seen)
{
	static const char name[] = "keel_memory_free_blocks";
	char order[8];

	metrics_put_head(text, name, "gauge", "Free blocks of 2^order pages.");
	for (int i = 0; i < MEMORY_ORDERS; i++) {
		(void)snprintf(order, sizeof(order), "%d", i);
		metrics_put_sample(text, name, "order", order, seen->free_blocks[i]);
	}
	if (seen->reporting_order >= 0)
		metrics_put_number(text, "keel_memory_reporting_order", "gauge",
			"Free blocks of this order and above are reported to the host.",
			(uint64_t)seen->reporting_order);
	metrics_put_number(text, "keel_memory_reportable_bytes", "gauge",
		"Free memory in blocks that are reported to the host.", seen->reportable);
	metrics_put_number(text, "keel_memory_stranded_bytes", "gauge",
		"Free memory in blocks that are too small for that.", seen->stranded);
	metrics_put_number(text, "keel_memory_per_cpu_bytes", "gauge",
		"Pages that wait in lists of each processor and are never reported.",
		seen->per_cpu);
}

static void put_limits(struct metrics_text *text, const struct memory_seen *seen)
{
	static const char name[] = "keel_memory_containers_limit_bytes";

	if (seen->containers_max > 0 || seen->containers_high > 0)
		metrics_put_head(text, name, "gauge", "Limits of all containers together.");
	if (seen->containers_max > 0)
		metrics_put_sample(text, name, "limit", "max", seen->containers_max);
	if (seen->containers_high > 0)
		metrics_put_sample(text, name, "limit", "high", seen->containers_high);
	metrics_put_number(text, "keel_memory_reserve_bytes", "gauge",
		"What containers leave to everything else.", seen->reserve);
	metrics_put_number(text, "keel_memory_target_bytes", "gauge",
		"The VM's use is to be held under it, 0: no target.", seen->target);
}

static void put_reclaim(struct metrics_text *text, const struct memory_seen *seen)
{
	metrics_put_number(text, "keel_memory_cache_bytes", "gauge", "Cache of all groups.",
		seen->cache);
	metrics_put_number(text, "keel_memory_reclaimed_bytes_total", "counter",
		"What groups lost in steps of reclaim since the agent started.", seen->reclaimed);
	metrics_put_number(text, "keel_memory_reclaim_steps_total", "counter",
		"Steps of reclaim since the agent started.", seen->steps);
	metrics_put_seconds(text, "keel_memory_reclaim_cpu_seconds_total", "counter",
		"CPU time of these steps.", seen->cpu_us);
	metrics_put_number(text, "keel_memory_compactions_total", "counter",
		"Compactions since the agent started.", seen->compactions);
	metrics_put_number(text, "keel_memory_compacted_bytes_total", "counter",
		"Free memory that became reportable by them.", seen->compacted);
	metrics_put_number(text, "keel_memory_reclaim_working", "gauge",
		"1 while an episode of reclaim is under way.", seen->working);
	metrics_put_number(text, "keel_memory_oom_kills_total", "counter",
		"Processes killed for want of memory, as far as the kernel's log reaches back.",
		seen->oom_kills);
}

void metrics_put_memory(struct metrics_text *text, const struct memory_seen *seen)
{
	if (!seen->known)
		return;
	put_modes(text, seen);
	put_abilities(text, &seen->abilities);
	put_groups(text, seen);
	put_limits(text, seen);
	put_blocks(text, seen);
	put_reclaim(text, seen);
}
