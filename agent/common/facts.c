/* SPDX-License-Identifier: MIT
 *
 * facts.c - records into facts. Pure. Callers: agent.c, and keelctl when it asks PID 1 directly.
 */
#include "agent/common/facts.h"

#include <string.h>

/* Length of the UTF-8 sequence at p, 0 if it is none (overlong, surrogate, beyond U+10FFFF, cut), or one of the control
 * characters U+0080 to U+009F, which terminals obey too. The NUL at the end of the text is no continuation byte, so nothing is read past it. */
static size_t utf8_length(const unsigned char *p)
{
	size_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xc2 && p[1] < 0xa0) || (p[0] == 0xe0 && p[1] < 0xa0) ||
		(p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
		(p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

void text_sanitize(char *text)
{
	unsigned char *p = (unsigned char *)text;

	while (*p) {
		size_t len = utf8_length(p);

		if (len == 0 || *p < 0x20 || *p == 0x7f) {
			*p++ = '?';
			continue;
		}
		p += len;
	}
}

bool text_same_words(const char *a, const char *b)
{
	static const char digits[] = "0123456789";

	while (*a || *b) {
		size_t a_len = strcspn(a, " "), b_len = strcspn(b, " ");
		bool numbers = a_len > 0 && strspn(a, digits) == a_len && b_len > 0 &&
			       strspn(b, digits) == b_len;

		if (!numbers && (a_len != b_len || memcmp(a, b, a_len) != 0))
			return false;
		a += a_len + (a[a_len] == ' ');
		b += b_len + (b[b_len] == ' ');
	}
	return true;
}

bool count_is_news(uint64_t count, uint64_t told)
{
	return count < told || (count > 0 && count >= 2 * told);
}

static void apply_stage(struct facts *facts, const struct control_record *record)
{
	struct control_stage *stage = &facts->stages[record->index];

	*stage = record->stage;
	text_sanitize(stage->name);
	text_sanitize(stage->reason);
}

static void apply_service(struct facts *facts, const struct control_record *record)
{
	struct control_service *service = &facts->services[record->index];

	*service = record->service;
	text_sanitize(service->name);
	text_sanitize(service->reason);
	text_sanitize(service->status);
}

static void apply_disk(struct facts *facts, const struct control_record *record)
{
	struct control_disk *disk = &facts->disk;

	*disk = record->disk;
	text_sanitize(disk->made_by);
	text_sanitize(disk->device);
	text_sanitize(disk->uuid);
	text_sanitize(disk->label);
	text_sanitize(disk->mountpoint);
	text_sanitize(disk->reason);
}

void facts_apply_record(struct facts *facts, const struct control_record *record)
{
	switch (record->type) {
	case CONTROL_RECORD_BOOT:
		facts->boot = record->boot;
		facts->boot_known = true;
		text_sanitize(facts->boot.reason);
		break;
	case CONTROL_RECORD_STAGE:
		apply_stage(facts, record);
		break;
	case CONTROL_RECORD_SERVICE:
		apply_service(facts, record);
		break;
	case CONTROL_RECORD_DISK:
		apply_disk(facts, record);
		break;
	default: /* RESULT and END tell no fact */
		break;
	}
}

const struct control_service *facts_find_service(const struct facts *facts, const char *name)
{
	for (size_t i = 0; i < CONTROL_SERVICES_MAX; i++)
		if (strcmp(facts->services[i].name, name) == 0)
			return &facts->services[i];
	return NULL;
}

const struct control_stage *facts_find_stage(const struct facts *facts, const char *name)
{
	for (size_t i = 0; i < CONTROL_STAGES_MAX; i++)
		if (strcmp(facts->stages[i].name, name) == 0)
			return &facts->stages[i];
	return NULL;
}

bool facts_stage_over(const struct facts *facts, const char *name)
{
	const struct control_stage *stage = facts_find_stage(facts, name);

	return stage && stage->state >= STAGE_STATE_DONE;
}

const char *engine_state_name(enum engine_state state)
{
	switch (state) {
	case ENGINE_STATE_UNKNOWN:
		return "unknown";
	case ENGINE_STATE_READY:
		return "ready";
	case ENGINE_STATE_UNREACHABLE:
		return "unreachable";
	}
	return "?";
}

const char *engine_daemon_unit(enum engine_daemon_id id)
{
	return id == ENGINE_CONTAINERD ? "containerd.service" : "docker.service";
}

const char *engine_daemon_name(enum engine_daemon_id id)
{
	return id == ENGINE_CONTAINERD ? "containerd" : "dockerd";
}
