/* SPDX-License-Identifier: MIT
 *
 * reclaim_guard.c - see reclaim_guard.h. Callers: reclaim_adaptive.c, reclaim_policy.c.
 */
#include "agent/memory/reclaim_guard.h"

#include "agent/memory/reclaim_groups.h"
#include "lib/clock.h"

#define PRESSURE_WINDOW_US (USEC_PER_SEC / 4) /* a shorter one makes much of little */
#define PAUSE_US           (2 * USEC_PER_SEC)
#define PAUSE_MAX_US       (60 * USEC_PER_SEC)

#define REFAULTS_MIN 32 /* pages; fewer say nothing */
#define CLEAN_PART   4  /* of what is allowed: hardly any */
#define AFTERMATH_US (10 * USEC_PER_SEC)
#define USUAL_US     (120 * USEC_PER_SEC) /* what was usual so long ago may not be so now */
#define USUAL_PART   8                    /* of a step */

/* MGLRU keeps what is read again and again among the oldest and does not count when it comes back (read(2) only): watched
 * as the steps of the living, and growth counts too. */
#define LRU_GEN_WATCH_US USEC_PER_SEC
#define GROWTH_PART      8 /* of what was taken: grows the cache by more, it came back, */
#define GROWTH_WINDOW_US (USEC_PER_SEC / 4) /* it comes in bursts */
#define GROWTH_MIN       (4 * MIB)          /* unless it is as good as nothing */

void reclaim_guard_learn(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	uint64_t passed_us = reclaim_less(facts->now_us, state->looked_us);

	if (!state->working && passed_us >= USEC_PER_SEC &&
		state->looked_us >= state->ended_us + AFTERMATH_US) {
		state->usual = state->containers_back / (passed_us / USEC_PER_SEC);
		state->usual_us = facts->now_us;
	}
	if (state->episode.watched_id == 0 && passed_us >= GROWTH_WINDOW_US)
		state->growth = state->grown / (passed_us / USEC_PER_MSEC) * 1000;
	state->looked_us = facts->now_us;
}

void reclaim_guard_begin(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	state->episode.stall_us = facts->stall_us;
	state->episode.stall_at_us = facts->now_us;
}

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

bool reclaim_guard_pauses(struct reclaim_state *state, const struct reclaim_facts *facts)
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

static uint64_t cache_of_groups(const struct reclaim_facts *facts)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < facts->groups; i++)
		sum += reclaim_cache(&facts->group[i]);
	return sum;
}

/* The cache of containers is theirs, whoever it is charged to. The engine does not wait for it, nor they for the engine's:
 * dockerd reads its own files again with each container. The root group's is anybody's. */
void reclaim_guard_count(struct reclaim_state *state)
{
	struct reclaim_episode *episode = &state->episode;
	const struct reclaim_known *known = reclaim_know(state, episode->watched_id);

	if (known == NULL)
		return;
	switch (known->class) {
	case RECLAIM_DEAD:
	case RECLAIM_LIVE:
		episode->came_back += state->containers_back;
		episode->grown += state->grown;
		episode->calm_grown += state->calm_grown;
		break;
	case RECLAIM_ENGINE:
	case RECLAIM_OWN:
		episode->came_back += known->came_back;
		break;
	case RECLAIM_REST:
		episode->came_back += state->came_back;
		break;
	}
}

void reclaim_guard_watch(struct reclaim_state *state, const struct reclaim_facts *facts,
	uint64_t bytes, uint64_t watch_us, bool doubtful)
{
	struct reclaim_episode *episode = &state->episode;

	if (facts->abilities.lru_gen)
		watch_us = reclaim_max(watch_us, LRU_GEN_WATCH_US);
	episode->watched = bytes;
	episode->watched_doubtful = doubtful;
	episode->watched_id = state->asked.id;
	episode->watched_before = state->asked.before;
	episode->watched_since_us = state->asked.at_us;
	episode->watch_until_us = facts->now_us + watch_us;
	episode->came_back = episode->grown = episode->calm_grown = 0;
	reclaim_guard_count(state);
	episode->cache_after = cache_of_groups(facts);
}

/* The kernel forgets what it took from a dead group with the next step there, and then counts nothing when it is wanted
 * again. But the cache of the living grows: of one that was calm, or of all by more than it did before the step. */
static uint64_t pages_back(const struct reclaim_state *state, const struct reclaim_facts *facts)
{
	const struct reclaim_episode *episode = &state->episode;
	uint64_t since_us = reclaim_max(reclaim_less(facts->now_us, episode->watched_since_us),
		GROWTH_WINDOW_US);
	uint64_t grown = episode->calm_grown;

	if (episode->watched_doubtful)
		grown = reclaim_max(grown,
			reclaim_less(episode->grown, 2 * state->growth * since_us / USEC_PER_SEC));
	if (facts->abilities.lru_gen)
		grown = reclaim_max(grown,
			reclaim_less(cache_of_groups(facts), episode->cache_after));
	if (grown < GROWTH_MIN || grown <= episode->watched / GROWTH_PART)
		return episode->came_back;
	return reclaim_max(episode->came_back, grown / RECLAIM_PAGE);
}

/* A container that is too large for its own limit has refaults all the time, which must not end everybody's reclaim:
 * what is usual is allowed twice, but only for steps so large that it does not matter. */
static uint64_t usual_refaults(const struct reclaim_state *state, const struct reclaim_facts *facts,
	const struct reclaim_known *known)
{
	const struct reclaim_episode *episode = &state->episode;
	uint64_t since_us = reclaim_less(facts->now_us, episode->watched_since_us);

	if (reclaim_less(facts->now_us, state->usual_us) > USUAL_US ||
		(known->class != RECLAIM_DEAD && known->class != RECLAIM_LIVE))
		return 0;
	return reclaim_min(2 * state->usual * since_us / USEC_PER_SEC,
		episode->watched / RECLAIM_PAGE / USUAL_PART);
}

bool reclaim_guard_watches(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	struct reclaim_episode *episode = &state->episode;
	struct reclaim_known *known = reclaim_know(state, episode->watched_id);
	uint64_t permitted =
		episode->watched / RECLAIM_PAGE * facts->limits.refault_permille / 1000;
	uint64_t allowed = reclaim_max(REFAULTS_MIN, permitted), back;

	if (known == NULL)
		return false;
	back = reclaim_less(pages_back(state, facts), usual_refaults(state, facts, known));
	if (back > allowed) {
		reclaim_groups_learn(known, episode->watched_before, facts->now_us);
		known->exhausted = true;
		episode->refaulted = true;
	} else if (facts->now_us < episode->watch_until_us) {
		return true;
	} else if (back <= allowed / CLEAN_PART) {
		known->step *= 2;
		if (episode->pauses == 0)
			episode->pause_us = 0;
	} else {
		/* They rise softly: it is near. */
		known->step = reclaim_max(known->step / 2, known->first_step);
	}
	episode->watched_id = 0;
	return false;
}
