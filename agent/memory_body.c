/* SPDX-License-Identifier: MIT
 *
 * memory_body.c - see memory_body.h. Caller: memory_api.c.
 */
#include "agent/memory_body.h"

#include <yyjson.h>

#include "lib/memory_mode.h"

/* The members that a body has; NULL: not there. Any other, or one twice, makes it no body of ours. */
struct member {
	const char *key;
	yyjson_val *value;
};

static int take_members(yyjson_val *root, struct member *members, size_t count)
{
	yyjson_obj_iter iter;
	yyjson_val *key;

	if (!yyjson_obj_iter_init(root, &iter))
		return -EINVAL;
	while ((key = yyjson_obj_iter_next(&iter))) {
		size_t i = 0;

		while (i < count && !yyjson_equals_str(key, members[i].key))
			i++;
		if (i == count || members[i].value)
			return -EINVAL;
		members[i].value = yyjson_obj_iter_get_val(key);
	}
	return 0;
}

/* The values live until the next call. */
static int read_body(const char *body, size_t len, struct member *members, size_t count)
{
	static _Alignas(16) char pool[16 * 1024];
	yyjson_alc alc;
	yyjson_doc *doc;

	if (!yyjson_alc_pool_init(&alc, pool, sizeof(pool)))
		return -EINVAL;
	/* Only the in-situ mode, which is not asked for, would write to the text. */
	doc = yyjson_read_opts((char *)(uintptr_t)body, len, YYJSON_READ_NOFLAG, &alc, NULL);
	return take_members(yyjson_doc_get_root(doc), members, count);
}

static bool take_number(yyjson_val *value, uint64_t max, uint64_t *number)
{
	*number = yyjson_get_uint(value);
	return yyjson_is_uint(value) && *number > 0 && *number <= max;
}

int memory_body_reclaim(const char *body, size_t len, uint64_t *bytes, unsigned int *timeout_ms,
	const char **why)
{
	struct member members[] = {{"bytes", NULL}, {"timeout_ms", NULL}};
	uint64_t number = MEMORY_BODY_TIMEOUT_MS;

	*bytes = UINT64_MAX;
	*why = "the body must be {\"bytes\":N} or {\"bytes\":\"all\"}, with N a whole number above 0, and may have \"timeout_ms\"";
	if (read_body(body, len, members, ARRAY_SIZE(members)) < 0)
		return -EINVAL;
	if (!yyjson_equals_str(members[0].value, "all") &&
		!take_number(members[0].value, UINT64_MAX - 1, bytes))
		return -EINVAL;
	*why = "timeout_ms must be a whole number from 1 to 600000";
	if (members[1].value && !take_number(members[1].value, MEMORY_BODY_TIMEOUT_MS_MAX, &number))
		return -EINVAL;
	*timeout_ms = (unsigned int)number;
	return 0;
}

int memory_body_target(const char *body, size_t len, uint64_t *bytes, const char **why)
{
	struct member members[] = {{"bytes", NULL}};

	*bytes = 0;
	*why = "the body must be {\"bytes\":N} with N a whole number above 0, or {\"bytes\":null} for no target";
	if (read_body(body, len, members, ARRAY_SIZE(members)) < 0)
		return -EINVAL;
	if (yyjson_is_null(members[0].value))
		return 0;
	return take_number(members[0].value, UINT64_MAX, bytes) ? 0 : -EINVAL;
}

int memory_body_mode(const char *body, size_t len, enum memory_mode *mode, const char **why)
{
	struct member members[] = {{"mode", NULL}};
	const char *word;

	*why = "the body must be {\"mode\":M} with M adaptive, gradual, dropcache or off";
	if (read_body(body, len, members, ARRAY_SIZE(members)) < 0)
		return -EINVAL;
	word = yyjson_get_str(members[0].value);
	if (!word || memory_mode_find(word, yyjson_get_len(members[0].value), mode) < 0)
		return -EINVAL;
	return 0;
}
