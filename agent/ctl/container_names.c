/* SPDX-License-Identifier: MIT
 *
 * container_names.c - see container_names.h. Callers: top.c, top_view.c.
 */
#include "agent/ctl/container_names.h"

#include <stdio.h>
#include <string.h>
#include <yyjson.h>

int container_names_parse(struct container_names *names, const char *json, size_t len)
{
	yyjson_doc *doc = yyjson_read(json, len, YYJSON_READ_NOFLAG);
	yyjson_val *list = yyjson_doc_get_root(doc), *container;
	yyjson_arr_iter iter = yyjson_arr_iter_with(list);
	bool valid = yyjson_is_arr(list);

	names->count = 0;
	while (names->count < CONTAINER_NAMES_MAX && (container = yyjson_arr_iter_next(&iter))) {
		const char *id = yyjson_get_str(yyjson_obj_get(container, "Id"));
		const char *name =
			yyjson_get_str(yyjson_arr_get_first(yyjson_obj_get(container, "Names")));

		if (!id || !name || strlen(id) >= sizeof(names->entry[0].id))
			continue;
		(void)snprintf(names->entry[names->count].id, sizeof(names->entry[0].id), "%s", id);
		(void)snprintf(names->entry[names->count].name, sizeof(names->entry[0].name), "%s",
			name + (name[0] == '/'));
		names->count++;
	}
	yyjson_doc_free(doc);
	return valid ? 0 : -EPROTO;
}

const char *container_names_find(const struct container_names *names, const char *id)
{
	for (unsigned int i = 0; i < names->count; i++)
		if (strcmp(names->entry[i].id, id) == 0)
			return names->entry[i].name;
	return NULL;
}
