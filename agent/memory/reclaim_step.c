/* SPDX-License-Identifier: MIT
 *
 * reclaim_step.c - see reclaim_step.h. Caller: reclaim_adaptive.c. Why these numbers: docs/memory.md.
 */
#include "agent/memory/reclaim_step.h"

#include "agent/memory/reclaim_groups.h"
#include "agent/memory/reclaim_guard.h"
#include "agent/memory/reclaim_modes.h"
#include "lib/clock.h"

#define TAKE_US  (3 * USEC_PER_SEC) /* a step longer than this is interrupted */
#define FLUSH_US (5 * USEC_PER_SEC)
#define COMPACT_US \
	(6 * USEC_PER_SEC) /* a quiet VM needs a part of a second for each GiB; emulated ten times that */
#define LOST_US (10 * USEC_PER_SEC) /* a result so late never comes */

/* Who is restarted comes back within seconds and wants his working set, which nobody uses meanwhile; who has come is not at
 * work at once. */
#define GRACE_US (5 * USEC_PER_SEC)
#define YOUNG_US (10 * USEC_PER_SEC)

#define GIVES_PART 8 /* who gives less than this part of what was asked has nothing */

#define FLUSH_AGAIN_US (10 * USEC_PER_SEC)
#define DIRTY_MIN      (32 * MIB)
#define DIRTY_PART     4 /* of what can be taken */
#define WRITING_US     (USEC_PER_SEC / 4)

#define STRANDED_MIN     (32 * MIB)
#define STRANDED_PART    20 /* of the VM's memory: 5 % */
#define COMPACT_AGAIN_US (30 * USEC_PER_SEC)

#define LRU_GEN_MAX_MIB 16 /* MGLRU: small steps, see reclaim_guard.c */

struct stage {
	enum reclaim_class class;
	enum reclaim_depth depth;
	enum { ALWAYS, CALM, IDLE, ASKED } when; /* ASKED: a request or the target wants it */
	unsigned int begin_mib, end_mib;         /* size of steps */
	unsigned int part; /* end: or this part of what there is, up to 4 * end */
	uint64_t watch_us;
};

static const struct stage stages[] = {
	{RECLAIM_DEAD, RECLAIM_DEPTH_BALANCE, ALWAYS, 64, 256, 8, USEC_PER_SEC / 20},
	{RECLAIM_DEAD, RECLAIM_DEPTH_ALL, ALWAYS, 16, 64, 16, USEC_PER_SEC / 4},
	{RECLAIM_ENGINE, RECLAIM_DEPTH_QUARTER, ALWAYS, 16, 64, 16, USEC_PER_SEC / 4},
	{RECLAIM_OWN, RECLAIM_DEPTH_QUARTER, ALWAYS, 16, 64, 16, USEC_PER_SEC / 4},
	{RECLAIM_REST, RECLAIM_DEPTH_QUARTER, ALWAYS, 16, 64, 16, USEC_PER_SEC / 4},
	{RECLAIM_LIVE, RECLAIM_DEPTH_BALANCE, CALM, 8, 32, 16, USEC_PER_SEC},
	{RECLAIM_LIVE, RECLAIM_DEPTH_ALL, IDLE, 8, 32, 16, USEC_PER_SEC},
	{RECLAIM_LIVE, RECLAIM_DEPTH_ALL, ASKED, 8, 32, 16, USEC_PER_SEC},
};

#define STAGE_DOUBTFUL \
	(&stages[1]) /* what the dead used more than once; before it all is surely cold */
#define STAGE_LIVE (&stages[5]) /* from here on containers are asked: slowly */
#define STAGE_END  (&stages[ARRAY_SIZE(stages)])

uint64_t reclaim_used(const struct reclaim_facts *facts)
{
	return reclaim_less(facts->total, facts->free);
}

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
	if (stage->when == CALM && !reclaim_group_is_calm(known, facts->now_us))
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
	uint64_t target = episode->target ? reclaim_less(reclaim_used(facts), facts->target) : 0;

	return reclaim_max(request, target);
}

static uint64_t step_size(const struct reclaim_facts *facts, const struct stage *stage,
	struct reclaim_known *known, uint64_t takeable)
{
	unsigned int at = (unsigned int)(stage - stages) + 1;
	uint64_t largest = reclaim_min(reclaim_max(stage->end_mib * MIB, takeable / stage->part),
		4 * stage->end_mib * MIB);

	if (known->stage != at) {
		known->stage = at;
		known->step = known->first_step = stage->begin_mib * MIB;
	}
	if (facts->abilities.lru_gen)
		largest = LRU_GEN_MAX_MIB * MIB;
	known->step = reclaim_min(known->step, largest);
	/* What was used last is taken last: towards the end steps become smaller again. */
	return reclaim_min(reclaim_min(known->step, takeable),
		reclaim_max(known->first_step, takeable / 2));
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

/* Until when; not after now: it is over. */
static uint64_t grace(const struct reclaim_state *state)
{
	uint64_t begun_us = state->episode.begun_us, until_us = begun_us + GRACE_US;

	if (!state->episode.automatic || state->episode.request)
		return 0;
	for (unsigned int i = 0; i < RECLAIM_GROUPS_MAX; i++) {
		const struct reclaim_known *known = &state->known[i];

		if (known->class == RECLAIM_LIVE && known->first_us > begun_us)
			until_us = reclaim_max(until_us, known->first_us + YOUNG_US);
	}
	return reclaim_min(until_us, begun_us + RECLAIM_GRACE_MAX_US);
}

static bool takes_from(struct reclaim_state *state, const struct reclaim_facts *facts,
	const struct stage *from, const struct stage *to, struct reclaim_step *step)
{
	for (const struct stage *stage = from; stage < to; stage++) {
		uint64_t limit = UINT64_MAX, bytes = most(state, facts, stage, &step->group);
		struct reclaim_known *known;

		if (stage->when == ASKED || !state->episode.automatic)
			limit = asked_for(state, facts);
		if (bytes < RECLAIM_WORTH || limit == 0)
			continue;
		if (stage == STAGE_DOUBTFUL && facts->now_us < grace(state))
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

bool reclaim_step_takes_cold(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step)
{
	return takes_from(state, facts, stages, STAGE_DOUBTFUL, step);
}

bool reclaim_step_takes(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step)
{
	return takes_from(state, facts, stages, STAGE_LIVE, step);
}

bool reclaim_step_waits(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step)
{
	unsigned int group;

	if (facts->now_us >= grace(state) ||
		most(state, facts, STAGE_DOUBTFUL, &group) < RECLAIM_WORTH)
		return false;
	reclaim_wait(step, RECLAIM_REASON_SETTLING, grace(state));
	return true;
}

bool reclaim_step_takes_living(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step)
{
	if (!takes_from(state, facts, STAGE_LIVE, STAGE_END, step))
		return false;
	state->episode.living = true;
	return true;
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

bool reclaim_step_flushes(struct reclaim_state *state, const struct reclaim_facts *facts,
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

/* What the last compaction left is what it cannot help: only when more has come again, for a while only if that is known to
 * be free because it was taken. */
bool reclaim_step_is_stranded(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	uint64_t much = reclaim_max(STRANDED_MIN, facts->total / STRANDED_PART);

	state->left_stranded = reclaim_min(state->left_stranded, facts->stranded);
	much = reclaim_max(much, state->left_stranded / 2 * 3);
	if (!facts->abilities.compaction || facts->stranded <= much)
		return false;
	return state->compacted_us == 0 || state->freed >= much ||
	       reclaim_less(facts->now_us, state->compacted_us) >= COMPACT_AGAIN_US;
}

bool reclaim_step_compacts(struct reclaim_state *state, const struct reclaim_facts *facts,
	struct reclaim_step *step)
{
	if (!reclaim_step_is_stranded(state, facts))
		return false;
	state->freed = 0;
	state->compacted_us = facts->now_us;
	ask(state, facts, RECLAIM_COMPACT, COMPACT_US, facts->stranded, step);
	return true;
}

static void took(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	const struct reclaim_asked *asked = &state->asked;
	const struct reclaim_result *result = &facts->result;
	struct reclaim_episode *episode = &state->episode;
	struct reclaim_known *known = reclaim_know(state, asked->id);
	/* What it lost besides is none of our doing. */
	uint64_t bytes = reclaim_min(result->took, asked->before);
	bool stalled =
		result->error == -ECANCELED &&
		(facts->event == RECLAIM_EVENT_STALL || facts->now_us < episode->pause_until_us);

	episode->requested_taken += bytes;
	state->freed += bytes;
	if (known == NULL)
		return;
	known->left = reclaim_less(known->left, bytes);
	if (bytes < asked->bytes / GIVES_PART && !stalled)
		known->exhausted = true;
	if (bytes > 0)
		reclaim_guard_watch(state, facts, bytes, stages[known->stage - 1].watch_us,
			&stages[known->stage - 1] == STAGE_DOUBTFUL);
}

void reclaim_step_done(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	struct reclaim_asked *asked = &state->asked;

	if (asked->action == RECLAIM_TAKE)
		took(state, facts);
	/* One that was ended early has not shown what it cannot help. */
	if (asked->action == RECLAIM_COMPACT &&
		(facts->result.error != -ECANCELED || facts->now_us >= asked->at_us + COMPACT_US))
		state->left_stranded = reclaim_less(asked->before, facts->result.took);
	/* Who could not give because it was not written may try again. */
	for (unsigned int i = 0; asked->action == RECLAIM_FLUSH && i < RECLAIM_GROUPS_MAX; i++)
		state->known[i].exhausted = false;
	asked->action = RECLAIM_WAIT;
}

void reclaim_step_lost(struct reclaim_state *state)
{
	struct reclaim_known *known = reclaim_know(state, state->asked.id);

	if (state->asked.action == RECLAIM_TAKE && known != NULL)
		known->exhausted = true;
	state->asked.action = RECLAIM_WAIT;
}
