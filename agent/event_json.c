/* SPDX-License-Identifier: MIT
 *
 * event_json.c - see event_json.h. Callers: event_watch.c, event_oom.c, event_kernel.c.
 */
#include "agent/event_json.h"

void event_json_begin(struct event_json *json)
{
	/* Larger than any event: what does not fit into the ring is known there. */
	static _Alignas(16) char pool[16 * 1024];

	json->doc = NULL;
	if (yyjson_alc_pool_init(&json->alc, pool, sizeof(pool)))
		json->doc = yyjson_mut_doc_new(&json->alc);
	json->root = yyjson_mut_obj(json->doc);
	yyjson_mut_doc_set_root(json->doc, json->root);
}

void event_json_end(struct event_json *json, struct events *events, enum event_kind kind)
{
	size_t len = 0;
	const char *text =
		yyjson_mut_write_opts(json->doc, YYJSON_WRITE_NOFLAG, &json->alc, &len, NULL);

	events_add(events, kind, text ? text : "", len);
}
