/* SPDX-License-Identifier: MIT
 *
 * event_oom.h - an event for each process that was killed for want of memory, with its container's name. dockerd, which
 * knows the name, is given a moment; a name that comes later is told in a second event of the same kill. Of a container that is
 * killed in a loop not each kill is told (event_flood.h).
 */
#pragma once

#include "agent/common/memory_facts.h"
#include "agent/event_flood.h"
#include "agent/events.h"
#include "lib/base.h"
#include "lib/clock.h"
#include "lib/loop.h"

#define EVENT_OOM_PATIENCE_US (30 * USEC_PER_MSEC)

struct event_oom {
	struct events *events;
	const struct memory_seen *seen;
	uint64_t told;                       /* so many of seen->oom_kills */
	uint64_t nameless[MEMORY_OOM_KILLS]; /* told so: their numbers, from 1; 0: none */
	bool patient;                        /* those that have no name yet are not told yet */
	struct loop_timer timer;
	struct event_flood flood;
	struct loop_timer refill; /* to tell what was left out, and late names */
};

void event_oom_init(struct event_oom *oom, struct events *events, const struct memory_seen *seen);
/* There may be a kill more, or a name. */
void event_oom_update(struct event_oom *oom);
void event_oom_stop(struct event_oom *oom);
