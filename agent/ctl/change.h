/* SPDX-License-Identifier: MIT
 *
 * change.h - waits for something to change in the guest, to ask for its state again: the agent pushes (GET /v1/events).
 *
 * What the events say does not matter here: each is a reason to look. An agent without events, or none at all: one looks every second.
 */
#pragma once

#include "agent/ctl/ctl.h"

struct change {
	const struct ctl *ctl;
	int fd;            /* of the stream, -1: none */
	bool answered;     /* its first line has been read */
	uint64_t heard_us; /* when something came last */
	uint64_t again_us; /* not opened before */
};

void change_init(struct change *change, const struct ctl *ctl);
/* Opens the stream if there is none, or only a silent one, and it was not tried within the last CHANGE_POLL_MS. The descriptor becomes
 * readable when something may have changed: call change_take and look. -1: there is none. */
int change_fd(struct change *change);
/* After this time without anything: look again. */
int change_wait_ms(const struct change *change);
/* Reads what has come, and closes a stream that has ended. */
void change_take(struct change *change);
void change_close(struct change *change);

#define CHANGE_POLL_MS 500

/* The members of a health document that matter to people who wait, in one number: the same as long as nothing of note has changed. Pure. */
uint64_t change_mark(const char *json, size_t len);
