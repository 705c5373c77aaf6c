/* SPDX-License-Identifier: MIT
 *
 * reclaim_wsl.c - WSL's own two algorithms (autoMemoryReclaim), for comparison and for those who want them. Caller:
 * reclaim_policy.c.
 *
 * A sample of the processors' time every 10 s; the VM is idle when they were busy for at most 0.5 % of the last two
 * minutes. Then dropCache drops all caches once, and gradual takes a step from the whole hierarchy with each sample and
 * compacts after it. They poll: that is how they are.
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

/* Of the last two minutes; not before they are over. */
static bool is_idle(struct reclaim_wsl *wsl, const struct reclaim_facts *facts)
{
	unsigned int newest = wsl->samples % RECLAIM_WSL_SAMPLES;
	unsigned int oldest = (wsl->samples + 1) % RECLAIM_WSL_SAMPLES;

	wsl->busy_us[newest] = facts->cpu_busy_us;
	wsl->total_us[newest] = facts->cpu_total_us;
	wsl->samples++;
	if (wsl->samples < RECLAIM_WSL_SAMPLES)
		return false;
	return reclaim_less(wsl->busy_us[newest], wsl->busy_us[oldest]) <=
	       reclaim_less(wsl->total_us[newest], wsl->total_us[oldest]) / IDLE_PART;
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
}

static void sample(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step)
{
	struct reclaim_wsl *wsl = &state->wsl;
	uint64_t most = reclaim_max(STEP_MIN, reclaim_min(facts->total / STEP_PART, STEP_MAX));
	uint64_t bytes = reclaim_min(reclaim_less(facts->cache, KEPT), most);
	/* It is the root's memory.reclaim that gradual writes to. */
	bool gradual = facts->mode == MEMORY_MODE_GRADUAL && facts->abilities.reclaim;

	wsl->next_us = facts->now_us + SAMPLE_US;
	wsl->reason = RECLAIM_REASON_NOTHING;
	if (!is_idle(wsl, facts)) {
		wsl->dropped = false;
		wsl->reason = RECLAIM_REASON_BUSY;
	} else if (gradual && bytes > 0) {
		ask(state, facts, RECLAIM_TAKE_ROOT, bytes, step);
	} else if (!gradual && !wsl->dropped) {
		wsl->dropped = true;
		ask(state, facts, RECLAIM_DROP, 0, step);
	}
}

void reclaim_wsl(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step)
{
	bool taken = state->asked.action == RECLAIM_TAKE_ROOT && facts->result.fresh;

	if (!facts->result.fresh && state->asked.action != RECLAIM_WAIT &&
		facts->now_us < state->asked.until_us) {
		reclaim_wait(step, RECLAIM_REASON_SETTLING, state->asked.until_us);
		return;
	}
	state->asked.action = RECLAIM_WAIT;
	state->working = false;
	if (taken && facts->abilities.compaction)
		ask(state, facts, RECLAIM_COMPACT, 0, step);
	else if (facts->now_us >= state->wsl.next_us)
		sample(state, facts, step);
	if (!state->working)
		reclaim_wait(step, state->wsl.reason, state->wsl.next_us);
}
