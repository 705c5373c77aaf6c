/* SPDX-License-Identifier: MIT
 *
 * change.c - see change.h. Callers: status.c, wait.c, top.c.
 */
#include "agent/ctl/change.h"

#include <string.h>
#include <sys/socket.h>
#include <yyjson.h>

#include "lib/clock.h"

#define TAKE_MOST 64 /* pieces at once */

void change_init(struct change *change, const struct ctl *ctl)
{
	*change = (struct change){.ctl = ctl, .fd = -1};
}

int change_fd(struct change *change)
{
	const struct address address = ctl_api_address(change->ctl);
	uint64_t now_us = clock_now_us();

	if (change->fd >= 0 && now_us - change->heard_us >= ctl_silence_ms() * USEC_PER_MSEC)
		change_close(change);
	if (change->fd >= 0 || now_us < change->again_us)
		return change->fd;
	change->again_us = now_us + CHANGE_POLL_MS * USEC_PER_MSEC;
	change->heard_us = now_us;
	change->answered = false;
	change->fd = http_client_open(&address, "GET", "/v1/events", NULL, CHANGE_POLL_MS);
	if (change->fd < 0)
		change->fd = -1;
	return change->fd;
}

int change_wait_ms(const struct change *change)
{
	const uint64_t now_us = clock_now_us(),
		       end_us = change->heard_us + ctl_silence_ms() * USEC_PER_MSEC;

	if (change->fd < 0)
		return CHANGE_POLL_MS;
	return now_us < end_us ? (int)((end_us - now_us) / USEC_PER_MSEC) + 1 : 0;
}

/* The status line is in the first piece: it is short, and written at once. */
static bool is_stream(struct change *change, const char *text, size_t len)
{
	static const char ok[] = "HTTP/1.1 200 ";
	const size_t code = sizeof("HTTP/1.1") - 1;

	if (!change->answered)
		change->answered = len >= sizeof(ok) - 1 &&
				   memcmp(text + code, ok + code, sizeof(ok) - 1 - code) == 0;
	return change->answered;
}

void change_take(struct change *change)
{
	char text[4096];

	change->heard_us = clock_now_us();
	/* Who talks without end does not keep us here. */
	for (int i = 0; i < TAKE_MOST; i++) {
		ssize_t n = recv(change->fd, text, sizeof(text), MSG_DONTWAIT);

		if (n > 0 && is_stream(change, text, (size_t)n))
			continue;
		if (n >= 0 || (errno != EAGAIN && errno != EINTR))
			change_close(change);
		return;
	}
}

void change_close(struct change *change)
{
	close_p(&change->fd);
}

/* ---- what is a change ----------------------------------------------------------------------------- */

/* FNV-1a; a separator after each text. */
static uint64_t mix(uint64_t mark, const char *text)
{
	const uint64_t prime = 0x100000001b3;

	for (; text && *text; text++)
		mark = (mark ^ (unsigned char)*text) * prime;
	return (mark ^ 0xff) * prime;
}

static uint64_t mix_members(uint64_t mark, yyjson_val *object, const char *const *keys)
{
	for (; *keys; keys++) {
		yyjson_val *member = yyjson_obj_get(object, *keys);

		mark = mix(mark, yyjson_get_str(member));
		mark = mix(mark, yyjson_get_bool(member) ? "yes" : "");
	}
	return mark;
}

static uint64_t mix_list(uint64_t mark, yyjson_val *list, const char *const *keys)
{
	yyjson_arr_iter iter = yyjson_arr_iter_with(list);
	yyjson_val *item;

	while ((item = yyjson_arr_iter_next(&iter)))
		mark = mix_members(mark, item, keys);
	return mark;
}

uint64_t change_mark(const char *json, size_t len)
{
	static const char *const top[] = {"boot_id", "status", "ready", "reason", NULL};
	static const char *const state[] = {"name", "state", "reason", NULL};
	static const char *const disk[] = {
		"state", "situation", "reason", "forecast", "read_only", NULL};
	yyjson_doc *doc = yyjson_read(json, len, YYJSON_READ_NOFLAG);
	yyjson_val *root = yyjson_doc_get_root(doc);
	uint64_t mark = mix_members(0xcbf29ce484222325, root, top);

	mark = mix_members(mark, yyjson_obj_get(root, "disk"), disk);
	mark = mix_members(mark, yyjson_obj_get(root, "engine"), state);
	mark = mix_list(mark, yyjson_obj_get(root, "stages"), state);
	mark = mix_list(mark, yyjson_obj_get(root, "services"), state);
	mark = mix_list(mark, yyjson_obj_get(root, "components"), state);
	yyjson_doc_free(doc);
	return mark;
}
