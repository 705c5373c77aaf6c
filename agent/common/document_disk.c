/* SPDX-License-Identifier: MIT
 *
 * document_disk.c - see document_disk.h. What PID 1 says of the disk, and what the agent sees of it; docs/api.md has
 * the meaning of each field.
 */
#include "agent/common/document_disk.h"

#include "agent/common/health.h"

static void add_space(yyjson_mut_doc *doc, yyjson_mut_val *item, const struct disk_seen *seen)
{
	const struct space_sample *space = &seen->space;

	(void)yyjson_mut_obj_add_uint(doc, item, "fs_bytes", space->total);
	(void)yyjson_mut_obj_add_uint(doc, item, "used_bytes", space->used);
	(void)yyjson_mut_obj_add_uint(doc, item, "free_bytes", space->free);
	(void)yyjson_mut_obj_add_uint(doc, item, "inodes_total", space->inodes);
	(void)yyjson_mut_obj_add_uint(doc, item, "inodes_free", space->inodes_free);
	(void)yyjson_mut_obj_add_str(doc, item, "forecast",
		seen->space_known ? space_word_name(seen->forecast.word) : "");
	if (seen->space_known && seen->forecast.full_known)
		(void)yyjson_mut_obj_add_uint(doc, item, "full_in_s", seen->forecast.full_in_s);
	else
		(void)yyjson_mut_obj_add_null(doc, item, "full_in_s");
}

static void add_errors(yyjson_mut_doc *doc, yyjson_mut_val *item, const struct disk_errors *errors)
{
	yyjson_mut_val *object = yyjson_mut_obj_add_obj(doc, item, "errors");

	(void)yyjson_mut_obj_add_uint(doc, object, "count", errors->count);
	(void)yyjson_mut_obj_add_uint(doc, object, "first_at", errors->first_at);
	(void)yyjson_mut_obj_add_str(doc, object, "first_function", errors->first_function);
	(void)yyjson_mut_obj_add_uint(doc, object, "last_at", errors->last_at);
	(void)yyjson_mut_obj_add_str(doc, object, "last_function", errors->last_function);
	(void)yyjson_mut_obj_add_uint(doc, object, "io_count", errors->io_count);
	(void)yyjson_mut_obj_add_uint(doc, object, "io_at", errors->io_at);
}

static void add_trim(yyjson_mut_doc *doc, yyjson_mut_val *item, const struct disk_trims *trims)
{
	yyjson_mut_val *object = yyjson_mut_obj_add_obj(doc, item, "trim");

	(void)yyjson_mut_obj_add_uint(doc, object, "last_at", trims->last_at);
	(void)yyjson_mut_obj_add_uint(doc, object, "last_bytes", trims->last_bytes);
	(void)yyjson_mut_obj_add_uint(doc, object, "total_bytes", trims->total_bytes);
	(void)yyjson_mut_obj_add_bool(doc, object, "running", trims->running);
	(void)yyjson_mut_obj_add_str(doc, object, "waiting", trims->waiting ? trims->waiting : "");
}

static void add_job(yyjson_mut_doc *doc, yyjson_mut_val *item, const struct disk_job_facts *job)
{
	yyjson_mut_val *object;

	if (!job->verb[0]) {
		(void)yyjson_mut_obj_add_null(doc, item, "job");
		return;
	}
	object = yyjson_mut_obj_add_obj(doc, item, "job");
	(void)yyjson_mut_obj_add_str(doc, object, "verb", job->verb);
	(void)yyjson_mut_obj_add_str(doc, object, "step", job->step);
	if (job->percent >= 0)
		(void)yyjson_mut_obj_add_real(doc, object, "percent", job->percent);
	else
		(void)yyjson_mut_obj_add_null(doc, object, "percent");
}

static void add_identity(yyjson_mut_doc *doc, yyjson_mut_val *item, const struct facts *facts)
{
	const struct control_disk *disk = &facts->disk;
	const struct disk_seen *seen = &facts->disk_seen;

	(void)yyjson_mut_obj_add_str(doc, item, "device", disk->device);
	(void)yyjson_mut_obj_add_str(doc, item, "uuid", disk->uuid);
	(void)yyjson_mut_obj_add_str(doc, item, "label", disk->label);
	(void)yyjson_mut_obj_add_uint(doc, item, "size_bytes",
		seen->watched && seen->size_bytes > 0 ? seen->size_bytes : disk->size_bytes);
	(void)yyjson_mut_obj_add_str(doc, item, "mountpoint", disk->mountpoint);
	(void)yyjson_mut_obj_add_bool(doc, item, "formatted", disk->formatted != 0);
	(void)yyjson_mut_obj_add_uint(doc, item, "made_at", disk->made_s);
	(void)yyjson_mut_obj_add_str(doc, item, "made_by", disk->made_by);
	(void)yyjson_mut_obj_add_bool(doc, item, "grown", disk->grown != 0 || seen->grown);
	(void)yyjson_mut_obj_add_bool(doc, item, "checked", disk->checked != 0);
}

void document_fill_disk(yyjson_mut_doc *doc, yyjson_mut_val *item, const struct facts *facts)
{
	const struct disk_seen *seen = &facts->disk_seen;

	(void)yyjson_mut_obj_add_str(doc, item, "state", disk_state_name(facts->disk.state));
	(void)yyjson_mut_obj_add_str(doc, item, "situation",
		disk_situation_name(health_disk_situation(facts)));
	(void)yyjson_mut_obj_add_str(doc, item, "reason", facts->disk.reason);
	add_identity(doc, item, facts);
	(void)yyjson_mut_obj_add_bool(doc, item, "read_only",
		facts->disk.state == DISK_STATE_RESCUE || seen->read_only);
	add_space(doc, item, seen);
	add_errors(doc, item, &seen->errors);
	add_trim(doc, item, &seen->trims);
	add_job(doc, item, &seen->job);
}
