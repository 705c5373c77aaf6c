/* SPDX-License-Identifier: MIT
 *
 * reclaim_modes.h - the ways to reclaim that reclaim_policy.c chooses from. Pure; state, facts and step as there.
 */
#pragma once

#include "agent/memory/reclaim_policy.h"
#include "lib/base.h"

void reclaim_adaptive(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step);
/* No memory.reclaim: drop_caches when no container runs. */
void reclaim_reduced(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step);
/* WSL's `gradual` and `dropCache`. */
void reclaim_wsl(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step);

void reclaim_wait(struct reclaim_step *step, enum reclaim_reason reason, uint64_t again_us);
/* The VM has much more cache than after the last episode. */
bool reclaim_has_grown(const struct reclaim_state *state, const struct reclaim_facts *facts);
