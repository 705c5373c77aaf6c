/* SPDX-License-Identifier: MIT
 *
 * reclaim_groups.c - see reclaim_groups.h. Callers: reclaim_policy.c, reclaim_adaptive.c.
 */
#include "agent/memory/reclaim_groups.h"

#include <string.h>

#include "lib/clock.h"

#define TERM_US     (600 * USEC_PER_SEC)  /* a floor holds so long at first, */
#define TERM_MAX_US (7200 * USEC_PER_SEC) /* and at most so long */
/* Much more cache than the floor makes a dead group's floor doubtful after a tenth of its term: then it was perhaps found
 * by mistake, and a build after the other would leave its cache behind. Not at once: each new try costs somebody a step. */
#define DOUBT_PART 10

#define ENGINE_KEPT (128 * MIB)

#define CALM_US        (10 * USEC_PER_SEC)
#define CALM_WINDOW_US USEC_PER_SEC
#define CALM_PART      20 /* of one processor: 5 % */
#define GROWTH_MIN     MIB

#define IDLE_US        (300 * USEC_PER_SEC)
#define IDLE_WINDOW_US (60 * USEC_PER_SEC) /* a health check now and then is no work */
#define IDLE_PART      1000                /* of one processor: 0.1 % */

uint64_t reclaim_less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

uint64_t reclaim_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t reclaim_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* The kernel takes from the inactive list alone as long as it is longer than active / this: the square root of ten times
 * the GiB in both, 1 below one GiB (mm/vmscan.c, inactive_is_low). */
static uint64_t inactive_ratio(const struct reclaim_group *group)
{
	uint64_t tenfold = 10 * ((group->inactive + group->active) >> 30);
	uint64_t root = 1;

	while ((root + 1) * (root + 1) <= tenfold)
		root++;
	return root;
}

static uint64_t cold(const struct reclaim_group *group, enum reclaim_depth depth)
{
	switch (depth) {
	case RECLAIM_DEPTH_BALANCE:
		if (group->old > 0)
			return reclaim_min(group->old, group->inactive);
		return reclaim_less(group->inactive, group->active / inactive_ratio(group));
	case RECLAIM_DEPTH_QUARTER:
		return reclaim_less(group->inactive, group->active / 4) + group->slab;
	case RECLAIM_DEPTH_ALL:
		return reclaim_cache(group);
	}
	return 0;
}

uint64_t reclaim_takeable(const struct reclaim_group *group, enum reclaim_depth depth,
	uint64_t floor)
{
	return reclaim_min(reclaim_less(cold(group, depth), group->dirty),
		reclaim_less(reclaim_cache(group), floor));
}

/* Of the engine. Its programs are mapped from some 105 MiB of files, of which after a start much is in the inactive list: what
 * was taken of them came back with the next container. Only what a pull or a build left beyond that is taken. */
static uint64_t least(enum reclaim_class class, const struct reclaim_limits *limits)
{
	return class == RECLAIM_ENGINE ? reclaim_max(ENGINE_KEPT, limits->floor) : limits->floor;
}

uint64_t reclaim_cold(const struct reclaim_group *group, const struct reclaim_limits *limits,
	uint64_t floor)
{
	floor = reclaim_max(floor, least(group->class, limits));
	switch (group->class) {
	case RECLAIM_DEAD:
		return reclaim_takeable(group, RECLAIM_DEPTH_ALL, floor);
	case RECLAIM_LIVE:
		return reclaim_takeable(group, RECLAIM_DEPTH_BALANCE, floor);
	case RECLAIM_ENGINE:
	case RECLAIM_OWN:
	case RECLAIM_REST:
		return reclaim_takeable(group, RECLAIM_DEPTH_QUARTER, floor);
	}
	return 0;
}

static const struct reclaim_known *find(const struct reclaim_state *state, uint64_t id)
{
	for (unsigned int i = 0; i < RECLAIM_GROUPS_MAX; i++)
		if (id != 0 && state->known[i].id == id)
			return &state->known[i];
	return NULL;
}

struct reclaim_known *reclaim_know(struct reclaim_state *state, uint64_t id)
{
	return (struct reclaim_known *)find(state, id);
}

static uint64_t floor_of(const struct reclaim_known *known, const struct reclaim_limits *limits)
{
	return reclaim_max(known->floor_us != 0 ? known->floor : 0, least(known->class, limits));
}

uint64_t reclaim_floor(const struct reclaim_state *state, const struct reclaim_limits *limits,
	uint64_t id)
{
	const struct reclaim_known *known = find(state, id);

	return known != NULL ? floor_of(known, limits) : limits->floor;
}

static bool is_there(const struct reclaim_facts *facts, uint64_t id)
{
	for (unsigned int i = 0; i < facts->groups; i++)
		if (facts->group[i].id == id)
			return true;
	return false;
}

/* Who has gone needs nothing of what the dead left: if he was there when their floor was found, it was perhaps his. */
static void forget_gone(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	uint64_t oldest_us = UINT64_MAX;

	for (unsigned int i = 0; i < RECLAIM_GROUPS_MAX; i++) {
		struct reclaim_known *known = &state->known[i];

		if (known->id == 0 || is_there(facts, known->id))
			continue;
		oldest_us = reclaim_min(oldest_us, known->first_us);
		memset(known, 0, sizeof(*known));
	}
	for (unsigned int i = 0; i < RECLAIM_GROUPS_MAX; i++) {
		struct reclaim_known *known = &state->known[i];

		if (known->class == RECLAIM_DEAD && oldest_us < known->floor_us)
			known->floor_us = 0;
	}
}

/* NULL: no id, or too many groups. */
static struct reclaim_known *meet(struct reclaim_state *state, const struct reclaim_group *group,
	uint64_t now_us)
{
	for (unsigned int i = 0; i < RECLAIM_GROUPS_MAX; i++) {
		struct reclaim_known *known = &state->known[i];

		if (known->id != 0 || group->id == 0)
			continue;
		known->id = group->id;
		known->class = group->class;
		known->left = reclaim_cache(group);
		known->refaults = group->refaults;
		known->first_us = now_us;
		known->cpu_us = known->calm_cpu_us = group->cpu_us;
		known->cpu_at_us = known->idle_since_us = now_us;
		known->calm_at_us = known->busy_us = now_us;
		known->cache = reclaim_cache(group);
		return known;
	}
	return NULL;
}

static void look_at_work(struct reclaim_known *known, const struct reclaim_group *group,
	uint64_t now_us)
{
	uint64_t took_us = reclaim_less(now_us, known->cpu_at_us);
	uint64_t calm_us = reclaim_less(now_us, known->calm_at_us);

	if (reclaim_cache(group) > known->cache + GROWTH_MIN)
		known->busy_us = now_us;
	known->cache = reclaim_cache(group);
	if (calm_us >= CALM_WINDOW_US) {
		if (reclaim_less(group->cpu_us, known->calm_cpu_us) > calm_us / CALM_PART)
			known->busy_us = now_us;
		known->calm_cpu_us = group->cpu_us;
		known->calm_at_us = now_us;
	}
	if (took_us >= IDLE_WINDOW_US) {
		if (reclaim_less(group->cpu_us, known->cpu_us) > took_us / IDLE_PART)
			known->idle_since_us = now_us;
		known->cpu_us = group->cpu_us;
		known->cpu_at_us = now_us;
	}
}

uint64_t reclaim_group_calms_us(const struct reclaim_known *known)
{
	return known->busy_us + CALM_US;
}

bool reclaim_group_is_calm(const struct reclaim_known *known, uint64_t now_us)
{
	return now_us >= reclaim_group_calms_us(known);
}

bool reclaim_group_is_idle(const struct reclaim_known *known, uint64_t now_us)
{
	return reclaim_less(now_us, known->idle_since_us) >= IDLE_US;
}

static bool is_container(const struct reclaim_known *known)
{
	return known->class == RECLAIM_DEAD || known->class == RECLAIM_LIVE;
}

static void look_at_growth(struct reclaim_state *state, const struct reclaim_group *group,
	const struct reclaim_known *known, uint64_t now_us)
{
	uint64_t grown = reclaim_less(reclaim_cache(group), known->cache);

	state->grown += grown;
	state->calm_grown += reclaim_group_is_calm(known, now_us) ? grown : 0;
}

/* Who ends leaves his count to the dead, which is no refault: the sum knows. Who was not looked at until now brings his
 * whole count along: each alone knows. */
static uint64_t came_back(uint64_t each, uint64_t all, uint64_t *before)
{
	uint64_t more = reclaim_less(all, *before);

	*before = all;
	return reclaim_min(each, more);
}

void reclaim_groups_look(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	uint64_t each = 0, all = 0, each_container = 0, all_containers = 0;

	state->grown = state->calm_grown = 0;
	forget_gone(state, facts);
	for (unsigned int i = 0; i < facts->groups; i++) {
		const struct reclaim_group *group = &facts->group[i];
		struct reclaim_known *known = reclaim_know(state, group->id);

		if (known == NULL)
			known = meet(state, group, facts->now_us);
		if (known == NULL)
			continue;
		known->came_back = reclaim_less(group->refaults, known->refaults);
		known->refaults = group->refaults;
		all += group->refaults;
		each += known->came_back;
		all_containers += is_container(known) ? group->refaults : 0;
		each_container += is_container(known) ? known->came_back : 0;
		if (known->class == RECLAIM_LIVE)
			look_at_growth(state, group, known, facts->now_us);
		look_at_work(known, group, facts->now_us);
		if (reclaim_less(facts->now_us, known->floor_us) >= known->term_us)
			known->floor_us = 0;
	}
	state->came_back = came_back(each, all, &state->refaults);
	state->containers_back =
		came_back(each_container, all_containers, &state->containers_refaults);
}

void reclaim_groups_learn(struct reclaim_known *known, uint64_t floor, uint64_t now_us)
{
	if (known->term_us == 0 || floor < known->floor / 2)
		known->term_us = TERM_US;
	else
		known->term_us = reclaim_min(2 * known->term_us, TERM_MAX_US);
	known->floor = floor;
	known->floor_us = now_us;
}

/* Taking from below the kernel's balance makes it move pages from the active list to the inactive one, of which again some
 * might be taken, down to nothing. So what is aimed at is fixed when it begins. */
static void aim(struct reclaim_known *known, const struct reclaim_group *group,
	const struct reclaim_limits *limits, uint64_t now_us)
{
	struct reclaim_group written = *group;
	uint64_t floor, takeable, rest;

	/* What it was for has gone by itself, as an image's files do. */
	if (reclaim_cache(group) < known->floor / 2)
		known->floor_us = 0;
	floor = floor_of(known, limits);
	written.dirty = 0;
	takeable = reclaim_takeable(&written, RECLAIM_DEPTH_QUARTER, floor);
	rest = reclaim_cache(group) - takeable;
	if (known->floor_us != 0)
		known->floor = reclaim_max(known->floor, rest);
	else if (takeable >= RECLAIM_WORTH)
		reclaim_groups_learn(known, rest, now_us);
}

void reclaim_groups_renew(struct reclaim_state *state, const struct reclaim_facts *facts)
{
	for (unsigned int i = 0; i < facts->groups; i++) {
		const struct reclaim_group *group = &facts->group[i];
		struct reclaim_known *known = reclaim_know(state, group->id);

		if (known == NULL)
			continue;
		known->left = reclaim_cache(group);
		known->exhausted = false;
		if (group->class == RECLAIM_ENGINE || group->class == RECLAIM_OWN ||
			group->class == RECLAIM_REST)
			aim(known, group, &facts->limits, facts->now_us);
		if (group->class == RECLAIM_DEAD && known->left > known->floor / 2 * 3 &&
			reclaim_less(facts->now_us, known->floor_us) >= known->term_us / DOUBT_PART)
			known->floor_us = 0;
	}
}
