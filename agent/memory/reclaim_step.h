/* SPDX-License-Identifier: MIT
 *
 * reclaim_step.h - the next step of an episode: from whom, how much. Pure; a part of reclaim_adaptive.c.
 */
#pragma once

#include "agent/memory/reclaim_policy.h"
#include "lib/base.h"
#include "lib/clock.h"

/* Of what the dead used more than once, after an event: at most so long. */
#define RECLAIM_GRACE_MAX_US (20 * USEC_PER_SEC)

/* total - free */
uint64_t reclaim_used(const struct reclaim_facts *facts);

/* Each: whether it has a step, or (flushes, waits) something to wait for. */
bool reclaim_step_flushes(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step);
/* From the dead what they used once. */
bool reclaim_step_takes_cold(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step);
/* From all but containers. */
bool reclaim_step_takes(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step);
/* Something of the dead is left that is not taken yet. */
bool reclaim_step_waits(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step);
bool reclaim_step_takes_living(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step);
bool reclaim_step_compacts(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step);

/* So much is free in blocks too small to be reported that compaction may pay. */
bool reclaim_step_is_stranded(struct reclaim_state *state, const struct reclaim_facts *facts);

/* The result of the step that was asked for. */
void reclaim_step_done(struct reclaim_state *state, const struct reclaim_facts *facts);
/* It never came. */
void reclaim_step_lost(struct reclaim_state *state);
