/* SPDX-License-Identifier: MIT
 *
 * reclaim_adaptive.c - the mode `adaptive`, and requests in every mode. Caller: reclaim_policy.c. Why these thresholds:
 * docs/memory.md.
 *
 * An episode goes through `stages` from the top: of each the group with most to give gives one step, which is watched for
 * a while; when no stage has anything left, it ends. It does end: each step takes from what the groups had when it began
 * (known.left) or marks its group as exhausted, and STEPS_MAX bounds it whatever the kernel tells.
 */
#include <string.h>

#include "agent/memory/reclaim_groups.h"
#include "agent/memory/reclaim_modes.h"
#include "lib/clock.h"

#define STEPS_MAX 4096

#define TAKE_US    (3 * USEC_PER_SEC) /* a step longer than this is interrupted */
#define FLUSH_US   (5 * USEC_PER_SEC)
#define COMPACT_US (5 * USEC_PER_SEC)
#define LOST_US    (10 * USEC_PER_SEC) /* a result so late never comes */

#define REFAULTS_MIN 32                   /* pages; fewer say nothing */
#define USUAL_US     (120 * USEC_PER_SEC) /* what was usual so long ago may not be so now */
#define USUAL_PART   8                    /* of a step */
#define GIVES_PART   8 /* who gives less than this part of what was asked has nothing */

#define FLUSH_AGAIN_US (10 * USEC_PER_SEC)
#define DIRTY_MIN      (32 * MIB)
#define DIRTY_PART     4 /* of what can be taken */
#define WRITING_US     (USEC_PER_SEC / 4)

#define PRESSURE_WINDOW_US (USEC_PER_SEC / 4) /* a shorter one makes much of little */
#define PAUSE_US           (2 * USEC_PER_SEC)
#define PAUSE_MAX_US       (60 * USEC_PER_SEC)
#define PAUSES_MAX         8                    /* in a row: over */
#define RESUME_US          (120 * USEC_PER_SEC) /* what pressure ended is tried again, */
#define MISSED_US          (300 * USEC_PER_SEC) /* and a target that was not reached */

#define IDLE_WORTH       (16 * MIB) /* an idle container's cache that an episode is worth */
#define STRANDED_MIN     (64 * MIB)
#define STRANDED_PART    20 /* of the VM's memory: 5 % */
#define COMPACT_AGAIN_US (30 * USEC_PER_SEC)

struct stage {
	enum reclaim_class class;
	enum reclaim_depth depth;
	enum {
		ALWAYS,
		IDLE,
		ASKED
	} when; /* IDLE: the group does nothing; ASKED: a request or the target wants it */
	unsigned int begin_mib, end_mib; /* size of steps */
	unsigned int part;               /* end: or this part of what there is, up to 4 * end */
	uint64_t watch_us;
};

static const struct stage stages[] = {
	{RECLAIM_DEAD, RECLAIM_DEPTH_BALANCE, ALWAYS, 64, 256, 8, USEC_PER_SEC / 20},
	{RECLAIM_DEAD, RECLAIM_DEPTH_ALL, ALWAYS, 16, 64, 16, USEC_PER_SEC / 4},
	{RECLAIM_OWN, RECLAIM_DEPTH_QUARTER, ALWAYS, 16, 64, 16, USEC_PER_SEC / 4},
	{RECLAIM_REST, RECLAIM_DEPTH_QUARTER, ALWAYS, 16, 64, 16, USEC_PER_SEC / 4},
	{RECLAIM_LIVE, RECLAIM_DEPTH_BALANCE, ALWAYS, 8, 32, 16, USEC_PER_SEC},
	{RECLAIM_LIVE, RECLAIM_DEPTH_ALL, IDLE, 8, 32, 16, USEC_PER_SEC},
	{RECLAIM_LIVE, RECLAIM_DEPTH_ALL, ASKED, 8, 32, 16, USEC_PER_SEC},
};

#define STAGE_DEAD (&stages[1]) /* the end of what is surely cold */
#define STAGE_LIVE (&stages[4]) /* from here on containers are asked: slowly */
#define STAGE_END  (&stages[ARRAY_SIZE(stages)])

/* MGLRU keeps what is read again and again among the oldest and does not count when it comes back (read(2) only): small
 * steps, and watched as those of the living. */
#define LRU_GEN_MAX_MIB  16
#define LRU_GEN_WATCH_US USEC_PER_SEC
#define GROWTH_PART      8 /* of what was taken: grows the cache by more, it came back */

static uint64_t used(const struct reclaim_facts *facts)
{
	return reclaim_less(facts->total, facts->free);
}

static uint64_t cache_of_groups(const struct reclaim_facts *facts)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < facts->groups; i++)
		sum += reclaim_cache(&facts->group[i]);
	return sum;
}

/* --- beginning and end ------------------------------------------------------------------------------------------ */

static void begin(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	struct reclaim_episode *episode = &state->episode;

	if (!state->working) {
		/* What was before is none of our doing. */
		episode->stall_us = facts->stall_us;
		episode->stall_at_us = facts->now_us;
	}
	state->working = true;
	reclaim_groups_renew(state, facts);
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
	memset(&state->episode, 0, sizeof(state->episode));
	reclaim_wait(step, reason, more ? facts->now_us : 0);
}

static bool target_is_exceeded(const struct reclaim_state *state, const struct reclaim_facts *facts)
{
	if (facts->target == 0 || used(facts) <= facts->target)
		return false;
	return facts->target != state->missed_target ||
	       reclaim_less(facts->now_us, state->missed_us) >= MISSED_US;
}

static bool somebody_is_idle(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	for (unsigned int i = 0; i < facts->groups; i++) {
		const struct reclaim_group *group = &facts->group[i];
		const struct reclaim_known *known = reclaim_know(state, group->id);
		uint64_t floor = reclaim_floor(state, &facts->limits, group->id);

		if (group->class == RECLAIM_LIVE && known != NULL && !known->exhausted &&
			reclaim_group_is_idle(known, facts->now_us) &&
			reclaim_takeable(group, RECLAIM_DEPTH_ALL, floor) >= IDLE_WORTH)
			return true;
	}
	return false;
}

static bool tick_is_reason(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	return reclaim_has_grown(state, facts) || somebody_is_idle(state, facts) ||
	       (state->resting == RECLAIM_REASON_PRESSURE &&
		       reclaim_less(facts->now_us, state->ended_us) >= RESUME_US);
}

static void take_event(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	bool adaptive = facts->mode == MEMORY_MODE_ADAPTIVE;
	bool automatic = adaptive && (facts->event == RECLAIM_EVENT_ENDED || state->wanted);

	if (adaptive && facts->event == RECLAIM_EVENT_TICK && !state->working)
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

/* --- results ---------------------------------------------------------------------------------------------------- */

static void took(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	const struct reclaim_asked *asked = &state->asked;
	const struct reclaim_result *result = &facts->result;
	struct reclaim_episode *episode = &state->episode;
	struct reclaim_known *known = reclaim_know(state, asked->id);
	bool stalled = result->error == -ECANCELED && facts->now_us < episode->pause_until_us;

	episode->requested_taken += result->took;
	if (known == NULL)
		return;
	known->left = reclaim_less(known->left, result->took);
	if (result->took < asked->bytes / GIVES_PART && !stalled)
		known->exhausted = true;
	if (result->took == 0)
		return;
	episode->watched = result->took;
	episode->watched_id = asked->id;
	episode->watched_before = asked->before;
	episode->watched_since_us = asked->at_us;
	episode->came_back = 0;
	episode->watch_until_us =
		facts->now_us +
		(facts->abilities.lru_gen ? LRU_GEN_WATCH_US : stages[known->stage].watch_us);
	episode->cache_after = cache_of_groups(facts);
}

static void take_result(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	struct reclaim_asked *asked = &state->asked;

	switch (asked->action) {
	case RECLAIM_TAKE:
		took(state, facts);
		break;
	case RECLAIM_COMPACT:
		state->left_stranded = reclaim_less(asked->before, facts->result.took);
		break;
	case RECLAIM_WAIT:
	case RECLAIM_FLUSH:
	case RECLAIM_DROP:
	case RECLAIM_TAKE_ROOT:
		break;
	}
	asked->action = RECLAIM_WAIT;
}

/* --- the guards ------------------------------------------------------------------------------------------------- */

static bool is_pressed(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	struct reclaim_episode *episode = &state->episode;
	uint64_t passed_us = reclaim_less(facts->now_us, episode->stall_at_us);
	uint64_t window_us = reclaim_max(passed_us, PRESSURE_WINDOW_US);
	bool pressed = facts->event == RECLAIM_EVENT_STALL;

	if (facts->abilities.psi && reclaim_less(facts->stall_us, episode->stall_us) >
					    window_us / 1000 * facts->limits.pressure_permille)
		pressed = true;
	if (pressed || passed_us >= PRESSURE_WINDOW_US) {
		episode->stall_us = facts->stall_us;
		episode->stall_at_us = facts->now_us;
	}
	return pressed;
}

/* Whether nothing is to be done because of it. */
static bool pauses(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	struct reclaim_episode *episode = &state->episode;

	if (facts->now_us < episode->pause_until_us)
		return true;
	if (!is_pressed(state, facts)) {
		episode->pauses = 0;
		return false;
	}
	episode->pause_us = reclaim_min(reclaim_max(2 * episode->pause_us, PAUSE_US), PAUSE_MAX_US);
	episode->pause_until_us = facts->now_us + episode->pause_us;
	episode->pauses++;
	return true;
}

static uint64_t pages_back(const struct reclaim_state *state, const struct reclaim_facts *facts)
{
	const struct reclaim_episode *episode = &state->episode;
	uint64_t grown = reclaim_less(cache_of_groups(facts), episode->cache_after);

	if (facts->abilities.lru_gen && grown > episode->watched / GROWTH_PART)
		return reclaim_max(episode->came_back, grown / RECLAIM_PAGE);
	return episode->came_back;
}

/* A container that is too large for its own limit has refaults all the time, which must not end everybody's reclaim:
 * what is usual is allowed twice, but only for steps so large that it does not matter. */
static uint64_t usual_refaults(const struct reclaim_state *state, const struct reclaim_facts *facts)
{
	const struct reclaim_episode *episode = &state->episode;
	uint64_t since_us = reclaim_less(facts->now_us, episode->watched_since_us);

	if (reclaim_less(facts->now_us, state->usual_us) > USUAL_US)
		return 0;
	return reclaim_min(2 * state->usual * since_us / USEC_PER_SEC,
		episode->watched / RECLAIM_PAGE / USUAL_PART);
}

/* Whether the last step is still looked at. */
static bool watches(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	struct reclaim_episode *episode = &state->episode;
	struct reclaim_known *known = reclaim_know(state, episode->watched_id);
	uint64_t permitted =
		episode->watched / RECLAIM_PAGE * facts->limits.refault_permille / 1000;
	uint64_t allowed = reclaim_max(REFAULTS_MIN, permitted);
	uint64_t back = reclaim_less(pages_back(state, facts), usual_refaults(state, facts));

	if (episode->watched == 0)
		return false;
	if (known != NULL && back > allowed) {
		reclaim_groups_learn(known, episode->watched_before, facts->now_us);
		known->exhausted = true;
		episode->refaulted = true;
	} else if (facts->now_us < episode->watch_until_us) {
		return true;
	} else if (known != NULL && back <= allowed / 4) {
		known->step *= 2;
		if (episode->pauses == 0)
			episode->pause_us = 0;
	}
	episode->watched = 0;
	return false;
}

/* --- the next step ---------------------------------------------------------------------------------------------- */

static void ask(struct reclaim_state *state, const struct reclaim_facts *facts,
	enum reclaim_action action, uint64_t within_us, uint64_t before, struct reclaim_step *step)
{
	const struct reclaim_group *group = &facts->group[step->group];

	step->action = action;
	step->deadline_us = facts->now_us + within_us;
	if (state->episode.request)
		step->deadline_us = reclaim_min(step->deadline_us, facts->request_until_us);
	state->asked = (struct reclaim_asked){.action = action,
		.id = group->id,
		.bytes = step->bytes,
		.before = before,
		.at_us = facts->now_us,
		.until_us = step->deadline_us + LOST_US};
	state->episode.steps++;
}

static uint64_t from_group(struct reclaim_state *state, const struct reclaim_facts *facts,
	const struct stage *stage, const struct reclaim_group *group)
{
	const struct reclaim_known *known = reclaim_know(state, group->id);
	uint64_t floor = reclaim_floor(state, &facts->limits, group->id);

	if (group->class != stage->class || known == NULL || known->exhausted)
		return 0;
	if (stage->when == IDLE && !reclaim_group_is_idle(known, facts->now_us))
		return 0;
	return reclaim_min(reclaim_takeable(group, stage->depth, floor), known->left);
}

/* What the request or the target still wants. */
static uint64_t asked_for(const struct reclaim_state *state, const struct reclaim_facts *facts)
{
	const struct reclaim_episode *episode = &state->episode;
	uint64_t request =
		episode->request ? reclaim_less(facts->request, episode->requested_taken) : 0;
	uint64_t target = episode->target ? reclaim_less(used(facts), facts->target) : 0;

	return reclaim_max(request, target);
}

static uint64_t step_size(const struct reclaim_facts *facts, const struct stage *stage,
	struct reclaim_known *known, uint64_t takeable)
{
	unsigned int at = (unsigned int)(stage - stages) + 1;
	uint64_t largest = reclaim_min(reclaim_max(stage->end_mib * MIB, takeable / stage->part),
		4 * stage->end_mib * MIB);

	if (known->stage != at || known->step == 0) {
		known->stage = at;
		known->step = stage->begin_mib * MIB;
	}
	if (facts->abilities.lru_gen)
		largest = LRU_GEN_MAX_MIB * MIB;
	known->step = reclaim_min(known->step, largest);
	return reclaim_min(known->step, takeable);
}

/* The group of the stage that has most to give. */
static uint64_t most(struct reclaim_state *state, const struct reclaim_facts *facts,
	const struct stage *stage, unsigned int *group)
{
	uint64_t best = 0;

	for (unsigned int i = 0; i < facts->groups; i++) {
		uint64_t bytes = from_group(state, facts, stage, &facts->group[i]);

		if (bytes > best) {
			best = bytes;
			*group = i;
		}
	}
	return best;
}

static bool takes(struct reclaim_state *state, const struct reclaim_facts *facts,
	const struct stage *from, const struct stage *to, struct reclaim_step *step)
{
	for (const struct stage *stage = from; stage < to; stage++) {
		uint64_t limit = UINT64_MAX, bytes = most(state, facts, stage, &step->group);
		struct reclaim_known *known;

		if (stage->when == ASKED || !state->episode.automatic)
			limit = asked_for(state, facts);
		if (bytes < RECLAIM_WORTH || limit == 0)
			continue;
		known = reclaim_know(state, facts->group[step->group].id);
		step->bytes = reclaim_min(step_size(facts, stage, known, bytes),
			reclaim_max(limit, RECLAIM_WORTH));
		ask(state, facts, RECLAIM_TAKE, TAKE_US, reclaim_cache(&facts->group[step->group]),
			step);
		return true;
	}
	step->group = 0;
	return false;
}

static bool is_written(const struct reclaim_facts *facts)
{
	uint64_t dirty = 0, takeable = 0;

	for (unsigned int i = 0; i < facts->groups; i++) {
		const struct reclaim_group *group = &facts->group[i];

		if (group->class == RECLAIM_LIVE)
			continue;
		dirty += group->dirty;
		takeable += reclaim_cold(group, &facts->limits, 0);
	}
	return dirty <= DIRTY_MIN || dirty <= (dirty + takeable) / DIRTY_PART;
}

static bool flushes(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step)
{
	uint64_t since_us = reclaim_less(facts->now_us, state->flushed_us);

	if (is_written(facts))
		return false;
	if (state->flushed_us == 0 || since_us >= FLUSH_AGAIN_US) {
		state->flushed_us = facts->now_us;
		ask(state, facts, RECLAIM_FLUSH, FLUSH_US, 0, step);
		return true;
	}
	if (since_us >= FLUSH_US)
		return false;
	reclaim_wait(step, RECLAIM_REASON_WRITING, facts->now_us + WRITING_US);
	return true;
}

/* What the last compaction left is what it cannot help: only when more has come again. */
static bool compacts(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step)
{
	uint64_t much = reclaim_max(STRANDED_MIN, facts->total / STRANDED_PART);

	state->left_stranded = reclaim_min(state->left_stranded, facts->stranded);
	much = reclaim_max(much, state->left_stranded / 2 * 3);
	if (!facts->abilities.compaction || state->episode.compacted || facts->stranded <= much)
		return false;
	if (state->compacted_us != 0 && facts->now_us - state->compacted_us < COMPACT_AGAIN_US)
		return false;
	state->episode.compacted = true;
	state->compacted_us = facts->now_us;
	ask(state, facts, RECLAIM_COMPACT, COMPACT_US, facts->stranded, step);
	return true;
}

/* --- all of it -------------------------------------------------------------------------------------------------- */

/* What was asked for is reached, is not wanted any more, or its time is over. */
static bool is_over(struct reclaim_state *state, const struct reclaim_facts *facts,
	enum reclaim_reason *reason)
{
	struct reclaim_episode *episode = &state->episode;

	*reason = RECLAIM_REASON_DONE;
	episode->request &= facts->request > 0;
	episode->target &= used(facts) > facts->target && facts->target > 0;
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
	struct reclaim_known *known = reclaim_know(state, state->asked.id);

	if (state->asked.action == RECLAIM_WAIT)
		return false;
	if (facts->result.fresh) {
		take_result(state, facts);
		return false;
	}
	if (facts->now_us < state->asked.until_us)
		return true;
	if (state->asked.action == RECLAIM_TAKE && known != NULL)
		known->exhausted = true;
	state->asked.action = RECLAIM_WAIT;
	return false;
}

/* Compaction comes before the living, whose steps take their time: what is stranded would wait for them. */
static bool does(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step)
{
	if (state->episode.steps >= STEPS_MAX)
		return false;
	return flushes(state, facts, step) || takes(state, facts, stages, STAGE_LIVE, step) ||
	       compacts(state, facts, step) || takes(state, facts, STAGE_LIVE, STAGE_END, step);
}

/* Pressure. When there is still some at the end of a pause it is hardly of our making, a pause being long against a step;
 * then what is surely cold goes on, one step a pause. */
static void pause_once(struct reclaim_state *state, const struct reclaim_facts *facts, bool again,
	struct reclaim_step *step)
{
	if (again && !watches(state, facts) && takes(state, facts, stages, STAGE_DEAD, step))
		return;
	wait_within(state, facts, RECLAIM_REASON_PRESSURE, state->episode.pause_until_us, step);
}

static void go_on(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step)
{
	struct reclaim_episode *episode = &state->episode;
	enum reclaim_reason reason;
	unsigned int before = episode->pauses;
	bool paused = pauses(state, facts);

	if (paused && episode->pauses >= PAUSES_MAX)
		end(state, facts, RECLAIM_REASON_PRESSURE, step);
	else if (is_over(state, facts, &reason))
		end(state, facts, reason, step);
	else if (paused)
		pause_once(state, facts, before > 0 && episode->pauses != before, step);
	else if (watches(state, facts))
		wait_within(state, facts, RECLAIM_REASON_SETTLING, episode->watch_until_us, step);
	else if (!does(state, facts, step))
		end(state, facts,
			episode->refaulted ? RECLAIM_REASON_REFAULTS : RECLAIM_REASON_NOTHING,
			step);
}

void reclaim_adaptive(struct reclaim_state *state, const struct reclaim_facts *facts,
	uint64_t came_back, struct reclaim_step *step)
{
	bool outstanding = is_outstanding(state, facts);

	take_event(state, facts);
	state->episode.came_back += came_back;
	if (!state->working) {
		reclaim_wait(step, state->resting, 0);
	} else if (outstanding) {
		if (facts->event == RECLAIM_EVENT_STALL)
			(void)pauses(state, facts);
		reclaim_wait(step, RECLAIM_REASON_SETTLING, state->asked.until_us);
	} else {
		go_on(state, facts, step);
	}
}
