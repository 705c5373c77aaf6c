/* SPDX-License-Identifier: MIT
 *
 * event_json.h - the object of one event, built member by member in fixed memory and added. One at a time.
 */
#pragma once

#include <yyjson.h>

#include "agent/events.h"

struct event_json {
	yyjson_alc alc;
	yyjson_mut_doc *doc;
	yyjson_mut_val *root;
};

/* Texts that are added are not copied: they stay the caller's until event_json_end. */
void event_json_begin(struct event_json *json);
void event_json_end(struct event_json *json, struct events *events, enum event_kind kind);
