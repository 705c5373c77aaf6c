/* SPDX-License-Identifier: MIT
 *
 * reclaim_adaptive.c - the mode `adaptive`, and requests in every mode. Caller: reclaim_policy.c. How it decides, and why:
 * docs/memory.md.
 *
 * An episode begins with an event. Each call looks at the guards (reclaim_guard.c) and then asks for the next step
 * (reclaim_step.c); when there is none, it ends. It does end: each step takes from what the groups had when it began
 * (known.left) or marks its group as exhausted, pressure ends it after a while, and STEPS_MAX bounds it whatever the
 * kernel tells.
 */
#include <string.h>

#include "agent/memory/reclaim_groups.h"
#include "agent/memory/reclaim_guard.h"
#include "agent/memory/reclaim_modes.h"
#include "agent/memory/reclaim_step.h"
#include "lib/clock.h"

#define STEPS_MAX  4096
#define PAUSES_MAX 8                    /* in a row: over */
#define RESUME_US  (120 * USEC_PER_SEC) /* what pressure ended is tried again, */
#define MISSED_US  (300 * USEC_PER_SEC) /* and a target that was not reached */
#define IDLE_WORTH (16 * MIB)           /* an idle container's cache that an episode is worth, */
#define CALM_WORTH (32 * MIB)           /* and a calm one's, beyond the kernel's balance */

#define MUCH_STRANDED_PART 8 /* of the VM's memory: is not waited with */

static void begin(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	struct reclaim_episode *episode = &state->episode;

	if (!state->working)
		reclaim_guard_begin(state, facts);
	/* A new grace, but not without end while one container after the other ends. */
	if (!state->working || facts->now_us >= episode->begun_us + RECLAIM_GRACE_MAX_US)
		episode->begun_us = facts->now_us;
	episode->living = false;
	state->working = true;
	reclaim_groups_renew(state, facts);
}

/* When to look once more: what a container has that was at work until now, nobody else would tell. 0: not at all. */
static uint64_t calms_us(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	uint64_t first_us = UINT64_MAX;

	for (unsigned int i = 0; i < facts->groups; i++) {
		const struct reclaim_group *group = &facts->group[i];
		const struct reclaim_known *known = reclaim_know(state, group->id);

		if (group->class != RECLAIM_LIVE || known == NULL ||
			reclaim_group_is_calm(known, facts->now_us))
			continue;
		if (reclaim_takeable(group, RECLAIM_DEPTH_BALANCE,
			    reclaim_floor(state, &facts->limits, group->id)) >= CALM_WORTH)
			first_us = reclaim_min(first_us, reclaim_group_calms_us(known));
	}
	return first_us == UINT64_MAX || facts->mode != MEMORY_MODE_ADAPTIVE ? 0 : first_us;
}

static void end(struct reclaim_state *state, const struct reclaim_facts *facts,
	enum reclaim_reason reason, struct reclaim_step *step)
{
	const struct reclaim_episode *episode = &state->episode;
	bool answered = reason == RECLAIM_REASON_DONE || reason == RECLAIM_REASON_TIME;
	/* The request is answered; what an event began comes after it. */
	bool more = answered && (episode->automatic || episode->target);

	if (episode->target && !answered) {
		state->missed_target = facts->target;
		state->missed_us = facts->now_us;
	}
	state->working = false;
	state->ended_us = facts->now_us;
	state->ended_cache = facts->cache;
	state->resting = reason == RECLAIM_REASON_PRESSURE || reason == RECLAIM_REASON_REFAULTS
				 ? reason
				 : RECLAIM_REASON_NOTHING;
	state->wanted = more;
	state->calm_us = calms_us(state, facts);
	memset(&state->episode, 0, sizeof(state->episode));
	reclaim_wait(step, reason, more ? facts->now_us : state->calm_us);
}

static bool target_is_exceeded(const struct reclaim_state *state, const struct reclaim_facts *facts)
{
	if (facts->target == 0 || reclaim_used(facts) <= facts->target)
		return false;
	return facts->target != state->missed_target ||
	       reclaim_less(facts->now_us, state->missed_us) >= MISSED_US;
}

/* A container gave up something long after the event that it may have had its cause in: an exec's end, a job within. */
static bool is_worth_it(const struct reclaim_known *known, const struct reclaim_group *group,
	uint64_t floor, uint64_t now_us)
{
	if (reclaim_group_is_idle(known, now_us))
		return reclaim_takeable(group, RECLAIM_DEPTH_ALL, floor) >= IDLE_WORTH;
	return reclaim_group_is_calm(known, now_us) &&
	       reclaim_takeable(group, RECLAIM_DEPTH_BALANCE, floor) >= CALM_WORTH;
}

static bool somebody_rests(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	for (unsigned int i = 0; i < facts->groups; i++) {
		const struct reclaim_group *group = &facts->group[i];
		const struct reclaim_known *known = reclaim_know(state, group->id);

		if (group->class == RECLAIM_LIVE && known != NULL && !known->exhausted &&
			is_worth_it(known, group, reclaim_floor(state, &facts->limits, group->id),
				facts->now_us))
			return true;
	}
	return false;
}

static bool tick_is_reason(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	if (reclaim_has_grown(state, facts))
		return true;
	if (state->resting == RECLAIM_REASON_PRESSURE)
		return reclaim_less(facts->now_us, state->ended_us) >= RESUME_US;
	return somebody_rests(state, facts) || reclaim_step_is_stranded(state, facts);
}

/* Somebody is awake anyway, or it is time to see who is calm. */
static bool is_tick(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	bool due = state->calm_us != 0 && facts->now_us >= state->calm_us;

	if (due)
		state->calm_us = 0;
	return due || facts->event == RECLAIM_EVENT_TICK;
}

static void take_event(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	bool adaptive = facts->mode == MEMORY_MODE_ADAPTIVE;
	bool automatic = adaptive && (facts->event == RECLAIM_EVENT_ENDED || state->wanted);

	/* What went by itself may come back too. */
	if (!state->working)
		state->ended_cache = reclaim_min(state->ended_cache, facts->cache);
	if (adaptive && is_tick(state, facts) && !state->working)
		automatic |= tick_is_reason(state, facts);
	state->wanted = false;
	if (automatic || (facts->event == RECLAIM_EVENT_REQUEST && facts->request > 0)) {
		begin(state, facts);
		state->episode.automatic |= automatic;
	}
	if (facts->event == RECLAIM_EVENT_REQUEST && facts->request > 0) {
		state->episode.request = true;
		state->episode.requested_taken = 0;
	}
	if (adaptive && target_is_exceeded(state, facts)) {
		if (!state->working && facts->event != RECLAIM_EVENT_NONE)
			begin(state, facts);
		state->episode.target |= state->working;
	}
}

/* What was asked for is reached, is not wanted any more, or its time is over. */
static bool is_over(struct reclaim_state *state, const struct reclaim_facts *facts,
	enum reclaim_reason *reason)
{
	struct reclaim_episode *episode = &state->episode;

	*reason = RECLAIM_REASON_DONE;
	episode->request &= facts->request > 0;
	episode->target &= reclaim_used(facts) > facts->target && facts->target > 0;
	if (episode->request && facts->now_us >= facts->request_until_us) {
		*reason = facts->now_us < episode->pause_until_us ? RECLAIM_REASON_PRESSURE
								  : RECLAIM_REASON_TIME;
		return true;
	}
	if (episode->request)
		return episode->requested_taken >= facts->request;
	return !episode->automatic && !episode->target;
}

static void wait_within(const struct reclaim_state *state, const struct reclaim_facts *facts,
	enum reclaim_reason reason, uint64_t again_us, struct reclaim_step *step)
{
	if (state->episode.request)
		again_us = reclaim_min(again_us, facts->request_until_us);
	reclaim_wait(step, reason, again_us);
}

/* The result of a step that is not known yet, or never will be. */
static bool is_outstanding(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	if (state->asked.action == RECLAIM_WAIT)
		return false;
	if (facts->result.fresh) {
		reclaim_step_done(state, facts);
		return false;
	}
	if (facts->now_us < state->asked.until_us)
		return true;
	reclaim_step_lost(state);
	return false;
}

/* Compaction comes before the living, whose steps take their time: what is stranded would wait for them. And after them, or
 * when they have given very much: that lies between what they keep. */
static bool does(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step)
{
	if (state->episode.steps >= STEPS_MAX)
		return false;
	return reclaim_step_flushes(state, facts, step) || reclaim_step_takes(state, facts, step) ||
	       reclaim_step_waits(state, facts, step) ||
	       ((!state->episode.living || facts->stranded > facts->total / MUCH_STRANDED_PART) &&
		       reclaim_step_compacts(state, facts, step)) ||
	       reclaim_step_takes_living(state, facts, step) ||
	       reclaim_step_compacts(state, facts, step);
}

/* Pressure. When there is still some at the end of a pause it is hardly of our making, a pause being long against a step;
 * then what is surely cold goes on, one step a pause. */
static void pause_once(struct reclaim_state *state, const struct reclaim_facts *facts, bool again,
	struct reclaim_step *step)
{
	const struct reclaim_episode *episode = &state->episode;
	/* What the last step did is judged when its time is over, not at the end of the pause. */
	bool watches = reclaim_guard_watches(state, facts);
	uint64_t again_us = episode->pause_until_us;

	if (again && !watches && reclaim_step_takes_cold(state, facts, step))
		return;
	if (watches)
		again_us = reclaim_min(again_us, episode->watch_until_us);
	wait_within(state, facts, RECLAIM_REASON_PRESSURE, again_us, step);
}

static void go_on(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step)
{
	struct reclaim_episode *episode = &state->episode;
	enum reclaim_reason reason;
	unsigned int before = episode->pauses;
	bool paused = reclaim_guard_pauses(state, facts);

	if (paused && episode->pauses >= PAUSES_MAX)
		end(state, facts, RECLAIM_REASON_PRESSURE, step);
	else if (is_over(state, facts, &reason))
		end(state, facts, reason, step);
	else if (paused)
		pause_once(state, facts, before > 0 && episode->pauses != before, step);
	else if (reclaim_guard_watches(state, facts))
		wait_within(state, facts, RECLAIM_REASON_SETTLING, episode->watch_until_us, step);
	else if (!does(state, facts, step))
		end(state, facts,
			episode->refaulted ? RECLAIM_REASON_REFAULTS : RECLAIM_REASON_NOTHING,
			step);
}

void reclaim_adaptive(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step)
{
	bool outstanding;

	reclaim_guard_count(state);
	outstanding = is_outstanding(state, facts);
	take_event(state, facts);
	if (!state->working) {
		reclaim_wait(step, state->resting, state->calm_us);
	} else if (outstanding) {
		if (facts->event == RECLAIM_EVENT_STALL)
			(void)reclaim_guard_pauses(state, facts);
		reclaim_wait(step, RECLAIM_REASON_SETTLING, state->asked.until_us);
	} else {
		go_on(state, facts, step);
	}
}
