/* SPDX-License-Identifier: MIT
 *
 * reclaim_guard.h - what holds reclaim back: somebody waits for memory, or what was taken is wanted again. Pure; a part of
 * reclaim_adaptive.c.
 */
#pragma once

#include "agent/memory/reclaim_policy.h"
#include "lib/base.h"

/* How many refaults there are when we do nothing and what we did is over. */
void reclaim_guard_learn(struct reclaim_state *state, const struct reclaim_facts *facts);
/* Pressure is looked at from now on: what was before is none of our doing. */
void reclaim_guard_begin(struct reclaim_state *state, const struct reclaim_facts *facts);
/* Whether nothing is to be done because of pressure, until episode.pause_until_us. */
bool reclaim_guard_pauses(struct reclaim_state *state, const struct reclaim_facts *facts);

/* The step whose result is here took `bytes`: for `watch_us` it is looked at what comes back.
 * `doubtful`: from the dead what they used more than once. */
void reclaim_guard_watch(struct reclaim_state *state, const struct reclaim_facts *facts,
	uint64_t bytes, uint64_t watch_us, bool doubtful);
/* Of what came back since the last look, what the watched step may have taken. */
void reclaim_guard_count(struct reclaim_state *state);
/* Whether that still goes on, until episode.watch_until_us. If too much came back, the group's floor is learned and it is
 * exhausted; if hardly anything, its next step may be twice as large, else it is half as large. */
bool reclaim_guard_watches(struct reclaim_state *state, const struct reclaim_facts *facts);
