/* SPDX-License-Identifier: MIT
 *
 * event_ring.h - the last events, numbered, in fixed memory. Pure.
 *
 * An event's id is LIFE-NUMBER: LIFE names the agent's process (its start, and chance), NUMBER counts from 1 without a
 * gap. So an id that was seen says exactly what came after it, and one of another process is known as such.
 */
#pragma once

#include "lib/base.h"

#define EVENT_RING_SLOTS 256
#define EVENT_JSON_MAX   1024 /* of one event, with its times and a NUL */
#define EVENT_ID_MAX     40   /* 16 hexadecimal digits, "-", a number; with NUL */

enum event_kind {
	EVENT_STATUS,
	EVENT_SERVICE,
	EVENT_STAGE,
	EVENT_ENGINE,
	EVENT_DISK,
	EVENT_MEMORY,
	EVENT_OOM,
	EVENT_CLOCK,
	EVENT_KERNEL,
	EVENT_KINDS
};

/* The two clocks of one moment: CLOCK_BOOTTIME, and CLOCK_REALTIME since 1970. */
struct event_time {
	uint64_t boot_us, real_us;
};

struct event {
	enum event_kind kind;
	uint16_t len; /* 0: it was dropped, because it did not fit */
	char json[EVENT_JSON_MAX];
};

struct event_ring {
	uint64_t life;
	uint64_t next;    /* the number of the next one, from 1 */
	uint64_t dropped; /* so many did not fit */
	struct event slot[EVENT_RING_SLOTS];
};

void event_ring_init(struct event_ring *ring, uint64_t life);
/* Keeps a copy of the object `json` with "at_ms" and "realtime_ms" as its first members. One that is too long, or not an
 * object on one line, has its number and no text: who reads it is told of a loss. */
void event_ring_add(struct event_ring *ring, enum event_kind kind, const struct event_time *time,
	const char *json, size_t len);
/* The number of the oldest that is kept; `next` if there is none. */
uint64_t event_ring_first(const struct event_ring *ring);
/* Of a number from the first to before `next`. */
const struct event *event_ring_get(const struct event_ring *ring, uint64_t number);

/* The newest events that fit, oldest first, each an object on a line of its own: "id" and "event", as a stream of events has
 * them, before its members. No NUL. Returns the length. */
size_t event_ring_write(const struct event_ring *ring, char *buffer, size_t size);

/* The two members that each event begins with, and the brace before them; no NUL matters to the caller. Returns the length, which is
 * less than `size` of at least EVENT_TIME_MAX. */
#define EVENT_TIME_MAX 96
size_t event_time_write(char *buffer, size_t size, const struct event_time *time);

/* "" for a value outside the enum. */
const char *event_kind_name(enum event_kind kind);
/* 0, or -ENOENT for a word that is none. */
int event_kind_find(const char *word, size_t len, enum event_kind *kind) MUST_CHECK;

void event_id_write(char text[EVENT_ID_MAX], uint64_t life, uint64_t number);
/* 0, or -EINVAL for what event_id_write never writes. */
int event_id_parse(const char *text, size_t len, uint64_t *life, uint64_t *number) MUST_CHECK;
