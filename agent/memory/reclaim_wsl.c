/* SPDX-License-Identifier: MIT
 *
 * reclaim_wsl.c - WSL's own two algorithms (autoMemoryReclaim), for comparison and for those who want them. Caller:
 * reclaim_policy.c.
 *
 * A sample of the processors' time every 10 s; the VM is idle when they were busy for at most 0.5 % of the last two minutes
 * and of the last 10 s. Then dropCache drops all caches once, gradual takes a step from the whole hierarchy with each
 * sample; after each that gave something, and once in any case, memory is compacted. What we use of the processors
 * ourselves does not count. They poll: that is how they are.
 */
#include "agent/memory/reclaim_groups.h"
#include "agent/memory/reclaim_modes.h"
#include "lib/clock.h"

#define SAMPLE_US   (10 * USEC_PER_SEC)
#define IDLE_PART   200 /* 0.5 % */
#define KEPT        (128 * MIB)
#define STEP_PART   32 /* of the VM's memory */
#define STEP_MIN    (256 * MIB)
#define STEP_MAX    (1024 * MIB)
#define DEADLINE_US (30 * USEC_PER_SEC)

static void look(struct reclaim_wsl *wsl, const struct reclaim_facts *facts)
{
	wsl->busy_us = facts->cpu_busy_us;
	wsl->total_us = facts->cpu_total_us;
}

/* The first look has nothing to compare with. */
static bool is_idle(struct reclaim_wsl *wsl, const struct reclaim_facts *facts)
{
	unsigned int newest = wsl->samples % RECLAIM_WSL_SAMPLES;
	uint64_t busy = 0, total = 0;

	if (wsl->begun) {
		wsl->busy[newest] = reclaim_less(facts->cpu_busy_us, wsl->busy_us);
		wsl->total[newest] = reclaim_less(facts->cpu_total_us, wsl->total_us);
		wsl->samples++;
	}
	wsl->begun = true;
	look(wsl, facts);
	if (wsl->samples < RECLAIM_WSL_SAMPLES)
		return false;
	for (unsigned int i = 0; i < RECLAIM_WSL_SAMPLES; i++) {
		busy += wsl->busy[i];
		total += wsl->total[i];
	}
	if (busy > total / IDLE_PART) {
		wsl->dropped = wsl->compacted = false;
		return false;
	}
	return wsl->busy[newest] <= wsl->total[newest] / IDLE_PART;
}

static void ask(struct reclaim_state *state, const struct reclaim_facts *facts,
	enum reclaim_action action, uint64_t bytes, struct reclaim_step *step)
{
	step->action = action;
	step->bytes = bytes;
	step->deadline_us = facts->now_us + DEADLINE_US;
	state->asked.action = action;
	state->asked.until_us = step->deadline_us + DEADLINE_US;
	state->working = true;
	state->wsl.compacted |= action == RECLAIM_COMPACT;
	state->wsl.dropped |= action == RECLAIM_DROP;
}

static void sample(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step)
{
	struct reclaim_wsl *wsl = &state->wsl;
	uint64_t most = reclaim_max(STEP_MIN, reclaim_min(facts->total / STEP_PART, STEP_MAX));
	uint64_t bytes = reclaim_min(reclaim_less(facts->cache, KEPT), most);
	/* It is the root's memory.reclaim that gradual writes to; without it, it drops caches. */
	bool gradual = facts->mode == MEMORY_MODE_GRADUAL && facts->abilities.reclaim;

	wsl->next_us = facts->now_us + SAMPLE_US;
	wsl->reason = RECLAIM_REASON_NOTHING;
	if (!is_idle(wsl, facts))
		wsl->reason = RECLAIM_REASON_BUSY;
	else if (gradual && bytes > 0)
		ask(state, facts, RECLAIM_TAKE_ROOT, bytes, step);
	else if (!gradual && !wsl->dropped)
		ask(state, facts, RECLAIM_DROP, 0, step);
	else if (!wsl->compacted && facts->abilities.compaction)
		ask(state, facts, RECLAIM_COMPACT, 0, step);
}

void reclaim_wsl(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step)
{
	enum reclaim_action asked = state->asked.action;
	bool took = asked == RECLAIM_TAKE_ROOT || asked == RECLAIM_DROP;

	if (asked != RECLAIM_WAIT && !facts->result.fresh &&
		facts->now_us < state->asked.until_us) {
		reclaim_wait(step, RECLAIM_REASON_SETTLING, state->asked.until_us);
		return;
	}
	if (asked != RECLAIM_WAIT)
		look(&state->wsl, facts);
	state->asked.action = RECLAIM_WAIT;
	state->working = false;
	if (took && facts->abilities.compaction)
		ask(state, facts, RECLAIM_COMPACT, 0, step);
	else if (facts->now_us >= state->wsl.next_us)
		sample(state, facts, step);
	if (!state->working)
		reclaim_wait(step, state->wsl.reason, state->wsl.next_us);
}
