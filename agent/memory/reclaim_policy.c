/* SPDX-License-Identifier: MIT
 *
 * reclaim_policy.c - see reclaim_policy.h. Caller: memory.c. Chooses who decides: reclaim_adaptive.c, reclaim_wsl.c, or for
 * a kernel without memory.reclaim the few lines here.
 */
#include "agent/memory/reclaim_policy.h"

#include <assert.h>
#include <string.h>

#include "agent/memory/reclaim_groups.h"
#include "agent/memory/reclaim_guard.h"
#include "agent/memory/reclaim_modes.h"
#include "lib/clock.h"

#define GROWN_MIN  (64 * MIB)
#define GROWN_PART 20 /* 5 % */

#define DROP_WORTH (64 * MIB)
#define DROP_US    (30 * USEC_PER_SEC)

void reclaim_wait(struct reclaim_step *step, enum reclaim_reason reason, uint64_t again_us)
{
	memset(step, 0, sizeof(*step));
	step->reason = reason;
	step->again_us = again_us;
}

bool reclaim_has_grown(const struct reclaim_state *state, const struct reclaim_facts *facts)
{
	uint64_t grown = reclaim_less(facts->cache, state->ended_cache);

	return grown > GROWN_MIN && grown > state->ended_cache / GROWN_PART;
}

static void take_drop_result(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	int error = facts->result.fresh ? facts->result.error : 0;

	if (state->asked.action != RECLAIM_DROP)
		return;
	state->asked.action = RECLAIM_WAIT;
	state->working = false;
	state->ended_cache = facts->cache;
	/* Anything else, as want of memory for the child, may be better next time. */
	state->refused = error == -EACCES || error == -EPERM || error == -EROFS || error == -ENOENT;
}

void reclaim_reduced(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step)
{
	if (state->asked.action != RECLAIM_WAIT && !facts->result.fresh &&
		facts->now_us < state->asked.until_us) {
		reclaim_wait(step, RECLAIM_REASON_SETTLING, state->asked.until_us);
		return;
	}
	take_drop_result(state, facts);
	state->wanted |= facts->event == RECLAIM_EVENT_ENDED ||
			 facts->event == RECLAIM_EVENT_REQUEST ||
			 (facts->event == RECLAIM_EVENT_TICK && reclaim_has_grown(state, facts));
	if (state->refused) {
		reclaim_wait(step, RECLAIM_REASON_IMPOSSIBLE, 0);
	} else if (!state->wanted || facts->cache <= DROP_WORTH) {
		state->wanted = false;
		reclaim_wait(step, RECLAIM_REASON_NOTHING, 0);
	} else if (facts->containers > 0) {
		reclaim_wait(step, RECLAIM_REASON_RUNNING, 0);
	} else {
		state->wanted = false;
		state->working = true;
		step->action = RECLAIM_DROP;
		step->deadline_us = facts->now_us + DROP_US;
		state->asked.action = RECLAIM_DROP;
		state->asked.until_us = step->deadline_us + DROP_US;
	}
}

/* What was under way in another mode is forgotten, what was learned of the groups is not. */
static void change_mode(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	if (state->looked && state->mode == facts->mode)
		return;
	if (!state->looked)
		state->ended_cache = facts->cache;
	state->looked = true;
	state->mode = facts->mode;
	state->working = false;
	state->wanted = false;
	state->asked.action = RECLAIM_WAIT;
	memset(&state->episode, 0, sizeof(state->episode));
	state->resting = RECLAIM_REASON_NOTHING;
	memset(&state->wsl, 0, sizeof(state->wsl));
}

void reclaim_policy(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step)
{
	bool wsl = facts->mode == MEMORY_MODE_GRADUAL || facts->mode == MEMORY_MODE_DROPCACHE;
	bool requested =
		facts->event == RECLAIM_EVENT_REQUEST || (state->working && state->episode.request);

	reclaim_groups_look(state, facts);
	reclaim_guard_learn(state, facts);
	reclaim_wait(step, RECLAIM_REASON_NONE, 0);
	change_mode(state, facts);
	if (facts->mode == MEMORY_MODE_OFF) {
		reclaim_wait(step, RECLAIM_REASON_OFF, 0);
	} else if (wsl && !requested) {
		reclaim_wsl(state, facts, step);
	} else if (facts->abilities.cgroup && facts->abilities.reclaim) {
		reclaim_adaptive(state, facts, step);
	} else {
		reclaim_reduced(state, facts, step);
	}
	if (wsl && step->action == RECLAIM_WAIT && step->again_us == 0)
		step->again_us = reclaim_max(state->wsl.next_us, facts->now_us);
}

const char *reclaim_reason_text(enum reclaim_reason reason)
{
	static const char *const texts[] = {
		[RECLAIM_REASON_NONE] = "",
		[RECLAIM_REASON_OFF] = "memory.mode is off",
		[RECLAIM_REASON_NOTHING] = "nothing cold is left",
		[RECLAIM_REASON_PRESSURE] = "somebody waits for memory",
		[RECLAIM_REASON_REFAULTS] = "what is left is in use",
		[RECLAIM_REASON_SETTLING] = "looking at what the last step did",
		[RECLAIM_REASON_WRITING] = "cache that is not written yet is being written",
		[RECLAIM_REASON_BUSY] = "the VM is not idle",
		[RECLAIM_REASON_RUNNING] =
			"this kernel has no memory.reclaim; waiting until no container runs",
		[RECLAIM_REASON_IMPOSSIBLE] = "this kernel lets no memory be reclaimed",
		[RECLAIM_REASON_DONE] = "what was asked for is reached",
		[RECLAIM_REASON_TIME] = "the time for it is over",
	};

	static_assert(ARRAY_SIZE(texts) == RECLAIM_REASON_TIME + 1, "a text for each reason");
	return (unsigned int)reason < ARRAY_SIZE(texts) ? texts[reason] : "?";
}
