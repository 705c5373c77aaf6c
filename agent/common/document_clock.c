/* SPDX-License-Identifier: MIT
 *
 * document_clock.c - see document_clock.h. What was never measured or never happened is null.
 */
#include "agent/common/document_clock.h"

#include "agent/common/clock_policy.h"
#include "agent/common/document_memory.h"

static void add_signed_ms(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, int64_t us)
{
	(void)yyjson_mut_obj_add_real(doc, object, key, (double)us / 1000.0);
}

static void add_offset(yyjson_mut_doc *doc, yyjson_mut_val *item, const struct clock_seen *seen)
{
	if (seen->offset_source == CLOCK_SOURCE_NONE) {
		(void)yyjson_mut_obj_add_null(doc, item, "offset");
		return;
	}
	item = yyjson_mut_obj_add_obj(doc, item, "offset");
	add_signed_ms(doc, item, "ms", seen->offset_us);
	document_add_ms(doc, item, "uncertainty_ms", seen->uncertainty_us);
	(void)yyjson_mut_obj_add_str(doc, item, "source", clock_source_name(seen->offset_source));
	document_add_ms(doc, item, "at_ms", seen->offset_at_us);
}

static void add_last(yyjson_mut_doc *doc, yyjson_mut_val *item, const struct clock_decision *last)
{
	if (last->action == CLOCK_ACTION_NONE) {
		(void)yyjson_mut_obj_add_null(doc, item, "last");
		return;
	}
	item = yyjson_mut_obj_add_obj(doc, item, "last");
	(void)yyjson_mut_obj_add_str(doc, item, "action", clock_action_name(last->action));
	(void)yyjson_mut_obj_add_str(doc, item, "reason", clock_reason_name(last->reason));
	(void)yyjson_mut_obj_add_str(doc, item, "detail", clock_reason_text(last->reason));
	(void)yyjson_mut_obj_add_str(doc, item, "source", clock_source_name(last->source));
	add_signed_ms(doc, item, "offset_ms", last->offset_us);
	document_add_ms(doc, item, "at_ms", last->at_us);
}

static void add_sleeps(yyjson_mut_doc *doc, yyjson_mut_val *item, const struct clock_sleeps *sleeps)
{
	item = yyjson_mut_obj_add_obj(doc, item, "sleeps");
	(void)yyjson_mut_obj_add_uint(doc, item, "count", sleeps->count);
	document_add_ms(doc, item, "total_ms", sleeps->total_us);
	document_add_ms(doc, item, "last_ms", sleeps->last_us);
	document_add_ms(doc, item, "last_at_ms", sleeps->last_at_us);
	(void)yyjson_mut_obj_add_str(doc, item, "last_kind",
		sleeps->count == 0    ? ""
		: sleeps->last_paused ? "paused"
				      : "suspended");
}

static void add_jumps(yyjson_mut_doc *doc, yyjson_mut_val *item, const struct clock_jumps *jumps)
{
	item = yyjson_mut_obj_add_obj(doc, item, "jumps");
	(void)yyjson_mut_obj_add_uint(doc, item, "count", jumps->count);
	add_signed_ms(doc, item, "last_ms", jumps->last_us);
	document_add_ms(doc, item, "last_at_ms", jumps->last_at_us);
}

static void add_kernel(yyjson_mut_doc *doc, yyjson_mut_val *item, const struct clock_kernel *kernel)
{
	if (!kernel->known) {
		(void)yyjson_mut_obj_add_null(doc, item, "ntp");
		return;
	}
	item = yyjson_mut_obj_add_obj(doc, item, "ntp");
	(void)yyjson_mut_obj_add_bool(doc, item, "synchronised", kernel->synchronised);
	document_add_ms(doc, item, "max_error_ms", kernel->max_error_us);
	document_add_ms(doc, item, "estimated_error_ms", kernel->est_error_us);
	(void)yyjson_mut_obj_add_real(doc, item, "frequency_ppm",
		(double)kernel->frequency / 65536.0);
}

void document_fill_clock(yyjson_mut_doc *doc, yyjson_mut_val *item, const struct clock_seen *seen)
{
	if (!seen->known)
		return;
	(void)yyjson_mut_obj_add_str(doc, item, "manage", clock_manage_name(seen->manage));
	(void)yyjson_mut_obj_add_bool(doc, item, "may_set", seen->may_set);
	(void)yyjson_mut_obj_add_str(doc, item, "disciplined_by",
		clock_discipline_name(seen->discipline));
	(void)yyjson_mut_obj_add_str(doc, item, "source", clock_source_name(seen->source));
	(void)yyjson_mut_obj_add_str(doc, item, "source_name", seen->source_name);
	add_offset(doc, item, seen);
	(void)yyjson_mut_obj_add_uint(doc, item, "steps", seen->steps);
	add_last(doc, item, &seen->last);
	add_sleeps(doc, item, &seen->sleeps);
	add_jumps(doc, item, &seen->jumps);
	add_kernel(doc, item, &seen->kernel);
}
