/* SPDX-License-Identifier: MIT
 *
 * disk_request.c - see disk_request.h. Callers: disk_api.c (from outside), disk.c, disk_job.c.
 */
#include "agent/disk_request.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <yyjson.h>

/* What a verb takes and needs. */
static const struct {
	const char *name;
	bool takes_names, needs_names;
} verbs[] = {
	[DISK_VERB_LIST] = {"list", false, false},
	[DISK_VERB_TRIM] = {"trim", false, false},
	[DISK_VERB_GROW] = {"grow", false, false},
	[DISK_VERB_REPAIR] = {"repair", true, false},
	[DISK_VERB_RELEASE] = {"release", false, false},
	[DISK_VERB_INIT] = {"init", true, true},
	[DISK_VERB_ADOPT] = {"adopt", true, true},
};

static_assert(ARRAY_SIZE(verbs) == DISK_VERB_ADOPT + 1, "a row for each verb");

const char *disk_verb_name(enum disk_verb verb)
{
	return verbs[verb].name;
}

int disk_verb_find(const char *word, size_t len, enum disk_verb *verb)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strlen(verbs[i].name) != len || memcmp(verbs[i].name, word, len) != 0)
			continue;
		*verb = (enum disk_verb)i;
		return 0;
	}
	return -ENOENT;
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool all_of(const char *text, size_t len, const char *others)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] == '\0' || (!is_alnum(text[i]) && !strchr(others, text[i])))
			return false;
	return true;
}

/* Not an option, not two words. */
static bool is_uuid(const char *text, size_t len)
{
	return len > 0 && len < DISK_UUID_MAX && is_alnum(text[0]) && all_of(text, len, "-");
}

static bool is_device(const char *text, size_t len)
{
	static const char dev[] = "/dev/";
	size_t prefix = sizeof(dev) - 1;

	return len > prefix && len < DISK_DEVICE_MAX && memcmp(text, dev, prefix) == 0 &&
	       all_of(text + prefix, len - prefix, "._/-") && !memmem(text, len, "..", 2);
}

/* One member. 0 or -EINVAL and why. */
static int take_member(yyjson_val *key, yyjson_val *value, struct disk_request *request,
	const char **why)
{
	const char *text = yyjson_get_str(value);
	size_t len = yyjson_get_len(value);
	bool uuid = yyjson_equals_str(key, "uuid"), device = yyjson_equals_str(key, "device");

	*why = "the body may have the texts uuid and device, and nothing else";
	if (!text || (!uuid && !device))
		return -EINVAL;
	*why = uuid ? "uuid must be letters, digits and dashes"
		    : "device must be the path of a block device below /dev";
	if (uuid ? !is_uuid(text, len) : !is_device(text, len))
		return -EINVAL;
	if (uuid)
		memcpy(request->uuid, text, len + 1);
	else
		memcpy(request->device, text, len + 1);
	return 0;
}

static int take_object(yyjson_val *root, struct disk_request *request, const char **why)
{
	yyjson_obj_iter iter;
	yyjson_val *key;
	int rc = 0;

	*why = "the body must be a JSON object";
	if (!yyjson_obj_iter_init(root, &iter))
		return -EINVAL;
	if (!verbs[request->verb].takes_names && yyjson_obj_size(root) > 0) {
		*why = "this takes no members in its body";
		return -EINVAL;
	}
	while (rc == 0 && (key = yyjson_obj_iter_next(&iter)))
		rc = take_member(key, yyjson_obj_iter_get_val(key), request, why);
	return rc;
}

int disk_request_parse(enum disk_verb verb, const char *body, size_t len,
	struct disk_request *request, const char **why)
{
	static _Alignas(16) char pool[16 * 1024];
	yyjson_alc alc;
	yyjson_doc *doc;
	int rc = 0;

	*request = (struct disk_request){.verb = verb};
	*why = "the body must be a JSON object";
	if (!yyjson_alc_pool_init(&alc, pool, sizeof(pool)))
		return -EINVAL;
	if (len > 0) {
		doc = yyjson_read_opts((char *)(uintptr_t)body, len, YYJSON_READ_NOFLAG, &alc,
			NULL);
		rc = take_object(yyjson_doc_get_root(doc), request, why);
	}
	if (rc == 0 && verbs[verb].needs_names && (!request->uuid[0] || !request->device[0])) {
		*why = "the body must name the disk twice: uuid as GET /v1/disk/list shows it, and device";
		rc = -EINVAL;
	}
	return rc;
}

bool disk_request_check(uint32_t verb, bool gentle, const char *uuid, size_t uuid_size,
	const char *device, size_t device_size, struct disk_request *request)
{
	const size_t uuid_len = strnlen(uuid, uuid_size);
	const size_t device_len = strnlen(device, device_size);

	if (verb >= ARRAY_SIZE(verbs) || (uuid_len > 0 && !is_uuid(uuid, uuid_len)) ||
		(device_len > 0 && !is_device(device, device_len)))
		return false;
	if ((!verbs[verb].takes_names && uuid_len + device_len > 0) ||
		(verbs[verb].needs_names && (uuid_len == 0 || device_len == 0)))
		return false;
	*request = (struct disk_request){
		.verb = (enum disk_verb)verb, .gentle = gentle && verb == DISK_VERB_TRIM};
	memcpy(request->uuid, uuid, uuid_len);
	memcpy(request->device, device, device_len);
	return true;
}

void disk_request_arguments(const struct disk_request *request, const char *program,
	const char *arguments[DISK_ARGUMENTS_MAX])
{
	size_t n = 0;

	arguments[n++] = program;
	arguments[n++] = disk_verb_name(request->verb);
	arguments[n++] = "--json";
	if (request->gentle)
		arguments[n++] = "--gentle";
	if (request->uuid[0]) {
		arguments[n++] = "--uuid";
		arguments[n++] = request->uuid;
	}
	if (request->device[0])
		arguments[n++] = request->device;
	arguments[n] = NULL;
}
