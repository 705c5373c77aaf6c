/* SPDX-License-Identifier: MIT
 *
 * document_memory.c - see document_memory.h. What the kernel says now, and what the agent's reclaim knows; docs/api.md
 * has the meaning of each field.
 */
#include "agent/common/document_memory.h"

#include <stdio.h>

#include "lib/clock.h"
#include "lib/memory_mode.h"

/* The pool cannot hold what is not UTF-8, and names of groups and processes are other people's. */
static void add_text(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, const char *text)
{
	char clean[MEMORY_REASON_MAX];

	(void)snprintf(clean, sizeof(clean), "%s", text);
	text_sanitize(clean);
	(void)yyjson_mut_obj_add_strcpy(doc, object, key, clean);
}

void document_add_ms(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, uint64_t us)
{
	(void)yyjson_mut_obj_add_real(doc, object, key, (double)us / 1000.0);
}

/* What is none is null. */
static void add_limit(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, uint64_t bytes)
{
	if (bytes > 0)
		(void)yyjson_mut_obj_add_uint(doc, object, key, bytes);
	else
		(void)yyjson_mut_obj_add_null(doc, object, key);
}

static void add_known(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, int number)
{
	if (number >= 0)
		(void)yyjson_mut_obj_add_int(doc, object, key, number);
	else
		(void)yyjson_mut_obj_add_null(doc, object, key);
}

static void add_system(yyjson_mut_doc *doc, yyjson_mut_val *item, const struct memory_info *system,
	const struct memory_seen *seen)
{
	(void)yyjson_mut_obj_add_uint(doc, item, "total_bytes", system->total);
	(void)yyjson_mut_obj_add_uint(doc, item, "available_bytes", system->available);
	(void)yyjson_mut_obj_add_uint(doc, item, "free_bytes", system->free);
	(void)yyjson_mut_obj_add_uint(doc, item, "cached_bytes", system->cached);
	(void)yyjson_mut_obj_add_uint(doc, item, "swap_total_bytes", system->swap_total);
	(void)yyjson_mut_obj_add_uint(doc, item, "swap_free_bytes", system->swap_free);
	document_add_ms(doc, item, "looked_ms", seen->looked_us);
	(void)yyjson_mut_obj_add_uint(doc, item, "cache_bytes", seen->cache);
	(void)yyjson_mut_obj_add_uint(doc, item, "slab_bytes", seen->slab);
	(void)yyjson_mut_obj_add_uint(doc, item, "anon_bytes", seen->anon);
	(void)yyjson_mut_obj_add_uint(doc, item, "shmem_bytes", seen->shmem);
}

static void add_abilities(yyjson_mut_doc *doc, yyjson_mut_val *item,
	const struct memory_abilities *abilities)
{
	yyjson_mut_val *object = yyjson_mut_obj_add_obj(doc, item, "abilities");

	(void)yyjson_mut_obj_add_bool(doc, object, "cgroup", abilities->cgroup);
	(void)yyjson_mut_obj_add_bool(doc, object, "reclaim", abilities->reclaim);
	(void)yyjson_mut_obj_add_bool(doc, object, "swappiness", abilities->swappiness);
	(void)yyjson_mut_obj_add_bool(doc, object, "psi", abilities->psi);
	(void)yyjson_mut_obj_add_bool(doc, object, "lru_gen", abilities->lru_gen);
	(void)yyjson_mut_obj_add_bool(doc, object, "lru_gen_ages", abilities->lru_gen_ages);
	(void)yyjson_mut_obj_add_bool(doc, object, "compaction", abilities->compaction);
	(void)yyjson_mut_obj_add_bool(doc, object, "reporting", abilities->reporting);
}

static void add_groups(yyjson_mut_doc *doc, yyjson_mut_val *item, const struct memory_seen *seen)
{
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, item, "groups");

	for (unsigned int i = 0; i < seen->groups && i < MEMORY_GROUPS_MAX; i++) {
		const struct memory_group *group = &seen->group[i];
		yyjson_mut_val *object = yyjson_mut_arr_add_obj(doc, list);

		add_text(doc, object, "name", group->name);
		(void)yyjson_mut_obj_add_uint(doc, object, "current_bytes", group->current);
		(void)yyjson_mut_obj_add_uint(doc, object, "anon_bytes", group->anon);
		(void)yyjson_mut_obj_add_uint(doc, object, "shmem_bytes", group->shmem);
		(void)yyjson_mut_obj_add_uint(doc, object, "cache_bytes", group->cache);
		(void)yyjson_mut_obj_add_uint(doc, object, "cold_bytes", group->cold);
		(void)yyjson_mut_obj_add_uint(doc, object, "floor_bytes", group->floor);
		(void)yyjson_mut_obj_add_uint(doc, object, "reclaimed_bytes", group->reclaimed);
	}
}

static void add_limits(yyjson_mut_doc *doc, yyjson_mut_val *item, const struct memory_seen *seen)
{
	yyjson_mut_val *object = yyjson_mut_obj_add_obj(doc, item, "limits");

	add_limit(doc, object, "containers_max_bytes", seen->containers_max);
	add_limit(doc, object, "containers_high_bytes", seen->containers_high);
	(void)yyjson_mut_obj_add_uint(doc, object, "reserve_bytes", seen->reserve);
}

static void add_blocks(yyjson_mut_doc *doc, yyjson_mut_val *item, const struct memory_seen *seen)
{
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, item, "free_blocks");

	for (size_t i = 0; i < MEMORY_ORDERS; i++)
		(void)yyjson_mut_arr_add_uint(doc, list, seen->free_blocks[i]);
	add_known(doc, item, "reporting_order", seen->known ? seen->reporting_order : -1);
	(void)yyjson_mut_obj_add_uint(doc, item, "reportable_bytes", seen->reportable);
	(void)yyjson_mut_obj_add_uint(doc, item, "stranded_bytes", seen->stranded);
	(void)yyjson_mut_obj_add_uint(doc, item, "per_cpu_bytes", seen->per_cpu);
}

static void add_reclaim(yyjson_mut_doc *doc, yyjson_mut_val *item, const struct memory_seen *seen)
{
	yyjson_mut_val *last;

	add_known(doc, item, "pressure_percent", seen->known ? seen->pressure_percent : -1);
	(void)yyjson_mut_obj_add_uint(doc, item, "reclaimed_bytes", seen->reclaimed);
	(void)yyjson_mut_obj_add_uint(doc, item, "steps", seen->steps);
	document_add_ms(doc, item, "cpu_ms", seen->cpu_us);
	(void)yyjson_mut_obj_add_uint(doc, item, "compactions", seen->compactions);
	(void)yyjson_mut_obj_add_uint(doc, item, "compacted_bytes", seen->compacted);
	add_limit(doc, item, "target_bytes", seen->target);
	(void)yyjson_mut_obj_add_bool(doc, item, "working", seen->working);
	last = yyjson_mut_obj_add_obj(doc, item, "last");
	document_add_ms(doc, last, "at_ms", seen->last_us);
	add_text(doc, last, "text", seen->last);
	add_text(doc, item, "waiting", seen->waiting);
}

static void add_oom_kills(yyjson_mut_doc *doc, yyjson_mut_val *item, const struct memory_seen *seen)
{
	yyjson_mut_val *object = yyjson_mut_obj_add_obj(doc, item, "oom_kills"), *list;

	(void)yyjson_mut_obj_add_uint(doc, object, "count", seen->oom_kills);
	list = yyjson_mut_obj_add_arr(doc, object, "last");
	for (unsigned int i = 0; i < seen->oom_kept && i < MEMORY_OOM_KILLS; i++) {
		const struct memory_oom_kill *kill = &seen->oom_kill[i];
		yyjson_mut_val *entry = yyjson_mut_arr_add_obj(doc, list);

		document_add_ms(doc, entry, "at_ms", kill->at_us);
		(void)yyjson_mut_obj_add_int(doc, entry, "pid", kill->pid);
		add_text(doc, entry, "process", kill->process);
		(void)yyjson_mut_obj_add_bool(doc, entry, "global", kill->global);
		add_text(doc, entry, "group", kill->group);
		add_text(doc, entry, "container", kill->container);
		add_text(doc, entry, "container_id", kill->container_id);
	}
}

static void add_history(yyjson_mut_doc *doc, yyjson_mut_val *item, const struct memory_seen *seen)
{
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, item, "history");

	for (unsigned int i = 0; i < seen->history && i < MEMORY_HISTORY_MAX; i++) {
		const struct memory_sample *sample = &seen->sample[i];
		yyjson_mut_val *point = yyjson_mut_arr_add_arr(doc, list);

		(void)yyjson_mut_arr_add_uint(doc, point, sample->at_us / USEC_PER_MSEC);
		(void)yyjson_mut_arr_add_uint(doc, point, sample->used);
		(void)yyjson_mut_arr_add_uint(doc, point, sample->cache);
	}
}

static void add_pressure(yyjson_mut_doc *doc, yyjson_mut_val *item,
	const struct system_facts *system)
{
	yyjson_mut_val *object = yyjson_mut_obj_add_obj(doc, item, "pressure"), *entry;

	for (enum system_resource i = 0; i < SYSTEM_RESOURCES; i++) {
		const struct system_pressure *pressure = &system->pressure[i];

		if (!pressure->known) {
			(void)yyjson_mut_obj_add_null(doc, object, system_resource_name(i));
			continue;
		}
		entry = yyjson_mut_obj_add_obj(doc, object, system_resource_name(i));
		(void)yyjson_mut_obj_add_real(doc, entry, "some_percent",
			pressure->of.some_avg10_permille / 10.0);
		(void)yyjson_mut_obj_add_real(doc, entry, "full_percent",
			pressure->of.full_avg10_permille / 10.0);
	}
}

void document_fill_memory(yyjson_mut_doc *doc, yyjson_mut_val *item, const struct facts *facts,
	const struct system_facts *system, bool asked)
{
	const struct memory_seen *seen = &facts->memory_seen;

	add_system(doc, item, &system->memory, seen);
	(void)yyjson_mut_obj_add_str(doc, item, "mode",
		seen->known ? memory_mode_name(seen->mode) : "unknown");
	add_abilities(doc, item, &seen->abilities);
	add_groups(doc, item, seen);
	add_limits(doc, item, seen);
	add_blocks(doc, item, seen);
	add_reclaim(doc, item, seen);
	add_oom_kills(doc, item, seen);
	if (asked) {
		add_pressure(doc, item, system);
		add_history(doc, item, seen);
	}
}
