/* SPDX-License-Identifier: MIT
 *
 * metrics_memory.c - see metrics_memory.h. Caller: metrics.c. tests/unit/test_metrics.c reads it back with a strict
 * parser. Each name has its HELP, its TYPE and all its samples together.
 */
#include "agent/metrics_memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/common/facts.h"
#include "lib/memory_mode.h"

#define MICRO 1e-6

struct text {
	char *buffer;
	size_t size, len;
	bool full;
};

PRINTF(2, 3)
static void put(struct text *text, const char *format, ...)
{
	va_list args;
	int n;

	if (text->full)
		return;
	va_start(args, format);
	n = vsnprintf(text->buffer + text->len, text->size - text->len, format, args);
	va_end(args);
	text->full = (size_t)n >= text->size - text->len; /* also for an error, which is below 0 */
	if (!text->full)
		text->len += (size_t)n;
}

static void put_head(struct text *text, const char *name, const char *type, const char *help)
{
	put(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_number(struct text *text, const char *name, const char *type, const char *help,
	uint64_t value)
{
	put_head(text, name, type, help);
	put(text, "%s %llu\n", name, (unsigned long long)value);
}

static void put_seconds(struct text *text, const char *name, const char *help, uint64_t us)
{
	put_head(text, name, "counter", help);
	put(text, "%s %.6f\n", name, (double)us * MICRO);
}

/* {label="value"}, clean and with the escapes that the format knows. */
static void put_label(struct text *text, const char *label, const char *value)
{
	char clean[MEMORY_NAME_MAX];

	(void)snprintf(clean, sizeof(clean), "%s", value);
	text_sanitize(clean);
	put(text, "{%s=\"", label);
	for (const char *p = clean; *p; p++)
		put(text, *p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
	put(text, "\"}");
}

static void put_sample(struct text *text, const char *name, const char *label, const char *value,
	uint64_t number)
{
	put(text, "%s", name);
	put_label(text, label, value);
	put(text, " %llu\n", (unsigned long long)number);
}

/* ---- the kernel's ----------------------------------------------------------------------------------- */

static void put_info(struct text *text, const struct memory_info *info)
{
	const struct {
		const char *field;
		uint64_t value;
	} fields[] = {
		{"MemTotal", info->total},
		{"MemFree", info->free},
		{"MemAvailable", info->available},
		{"Buffers", info->buffers},
		{"Cached", info->cached},
		{"Shmem", info->shmem},
		{"AnonPages", info->anon},
		{"SReclaimable", info->slab_reclaimable},
		{"SUnreclaim", info->slab_unreclaimable},
		{"SwapTotal", info->swap_total},
		{"SwapFree", info->swap_free},
		{"Dirty", info->dirty},
		{"Writeback", info->writeback},
	};
	char name[64], help[64];

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		(void)snprintf(name, sizeof(name), "node_memory_%s_bytes", fields[i].field);
		(void)snprintf(help, sizeof(help), "%s of /proc/meminfo.", fields[i].field);
		put_number(text, name, "gauge", help, fields[i].value);
	}
}

static void put_kernel(struct text *text, const struct metrics_kernel *kernel)
{
	if (kernel->info_known)
		put_info(text, &kernel->info);
	if (kernel->pressure_known) {
		put_seconds(text, "node_pressure_memory_waiting_seconds_total",
			"Time in which some task waited for memory.", kernel->pressure.some_us);
		put_seconds(text, "node_pressure_memory_stalled_seconds_total",
			"Time in which no task could go on for want of memory.",
			kernel->pressure.full_us);
	}
	if (kernel->oom_kill_known)
		put_number(text, "node_vmstat_oom_kill", "untyped",
			"Processes that were killed for want of memory, oom_kill of /proc/vmstat.",
			kernel->oom_kill);
}

/* ---- keel's ----------------------------------------------------------------------------------------- */

static void put_groups(struct text *text, const struct memory_seen *seen)
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
		put_head(text, fields[i].name, fields[i].type, fields[i].help);
		for (unsigned int j = 0; j < groups; j++) {
			uint64_t value;

			memcpy(&value, (const char *)&seen->group[j] + fields[i].offset,
				sizeof(value));
			put_sample(text, fields[i].name, "group", seen->group[j].name, value);
		}
	}
}

static void put_modes(struct text *text, const struct memory_seen *seen)
{
	static const char name[] = "keel_memory_mode";

	put_head(text, name, "gauge", "1 for the mode of reclaim that is set.");
	for (int mode = 0; mode < MEMORY_MODES; mode++)
		put_sample(text, name, "mode", memory_mode_name((enum memory_mode)mode),
			mode == (int)seen->mode);
}

static void put_abilities(struct text *text, const struct memory_abilities *abilities)
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

	put_head(text, name, "gauge", "1 for what this kernel lets reclaim use.");
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		put_sample(text, name, "ability", table[i].word, table[i].yes);
}

static void put_blocks(struct text *text, const struct memory_seen *seen)
{
	static const char name[] = "keel_memory_free_blocks";
	char order[8];

	put_head(text, name, "gauge", "Free blocks of 2^order pages.");
	for (int i = 0; i < MEMORY_ORDERS; i++) {
		(void)snprintf(order, sizeof(order), "%d", i);
		put_sample(text, name, "order", order, seen->free_blocks[i]);
	}
	if (seen->reporting_order >= 0)
		put_number(text, "keel_memory_reporting_order", "gauge",
			"Free blocks of this order and above are reported to the host.",
			(uint64_t)seen->reporting_order);
	put_number(text, "keel_memory_reportable_bytes", "gauge",
		"Free memory in blocks that are reported to the host.", seen->reportable);
	put_number(text, "keel_memory_stranded_bytes", "gauge",
		"Free memory in blocks that are too small for that.", seen->stranded);
	put_number(text, "keel_memory_per_cpu_bytes", "gauge",
		"Pages that wait in lists of each processor and are never reported.",
		seen->per_cpu);
}

static void put_limits(struct text *text, const struct memory_seen *seen)
{
	static const char name[] = "keel_memory_containers_limit_bytes";

	if (seen->containers_max > 0 || seen->containers_high > 0)
		put_head(text, name, "gauge", "Limits of all containers together.");
	if (seen->containers_max > 0)
		put_sample(text, name, "limit", "max", seen->containers_max);
	if (seen->containers_high > 0)
		put_sample(text, name, "limit", "high", seen->containers_high);
	put_number(text, "keel_memory_reserve_bytes", "gauge",
		"What containers leave to everything else.", seen->reserve);
	put_number(text, "keel_memory_target_bytes", "gauge",
		"The VM's use is to be held under it, 0: no target.", seen->target);
}

static void put_reclaim(struct text *text, const struct memory_seen *seen)
{
	put_number(text, "keel_memory_cache_bytes", "gauge", "Cache of all groups.", seen->cache);
	put_number(text, "keel_memory_reclaimed_bytes_total", "counter",
		"What groups lost in steps of reclaim since the agent started.", seen->reclaimed);
	put_number(text, "keel_memory_reclaim_steps_total", "counter",
		"Steps of reclaim since the agent started.", seen->steps);
	put_seconds(text, "keel_memory_reclaim_cpu_seconds_total", "CPU time of these steps.",
		seen->cpu_us);
	put_number(text, "keel_memory_compactions_total", "counter",
		"Compactions since the agent started.", seen->compactions);
	put_number(text, "keel_memory_compacted_bytes_total", "counter",
		"Free memory that became reportable by them.", seen->compacted);
	put_number(text, "keel_memory_reclaim_working", "gauge",
		"1 while an episode of reclaim is under way.", seen->working);
	put_number(text, "keel_memory_oom_kills_total", "counter",
		"Processes killed for want of memory, as far as the kernel's log reaches back.",
		seen->oom_kills);
}

size_t metrics_write_memory(char *buffer, size_t size, const struct metrics_kernel *kernel,
	const struct memory_seen *seen)
{
	struct text text = {.buffer = buffer, .size = size};

	put_head(&text, "keel_build_info", "gauge", "The version of keel; always 1.");
	put_sample(&text, "keel_build_info", "version", KEEL_VERSION, 1);
	put_kernel(&text, kernel);
	if (seen->known) {
		put_modes(&text, seen);
		put_abilities(&text, &seen->abilities);
		put_groups(&text, seen);
		put_limits(&text, seen);
		put_blocks(&text, seen);
		put_reclaim(&text, seen);
	}
	return text.full ? 0 : text.len;
}
