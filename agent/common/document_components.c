/* SPDX-License-Identifier: MIT
 *
 * document_components.c - see document_components.h. The verdict on each component, and since when it is so.
 */
#include "agent/common/document_components.h"

#include "agent/common/component.h"
#include "agent/common/document_memory.h"

void document_fill_components(yyjson_mut_doc *doc, yyjson_mut_val *list, const struct facts *facts)
{
	for (size_t i = 0; i < COMPONENTS; i++) {
		const struct component_since *since = &facts->since[i];
		yyjson_mut_val *item = yyjson_mut_arr_add_obj(doc, list);
		struct component component;

		component_judge(facts, (enum component_id)i, &component);
		(void)yyjson_mut_obj_add_str(doc, item, "name",
			component_name((enum component_id)i));
		(void)yyjson_mut_obj_add_str(doc, item, "state",
			component_state_name(component.state));
		/* Copied: they are gone when the document is written. */
		(void)yyjson_mut_obj_add_strcpy(doc, item, "reason", component.reason);
		(void)yyjson_mut_obj_add_strcpy(doc, item, "hint", component.hint);
		document_add_ms(doc, item, "since_ms", since->boot_us);
		(void)yyjson_mut_obj_add_uint(doc, item, "since_realtime_ms", since->realtime_ms);
	}
}
