/* SPDX-License-Identifier: MIT
 *
 * reclaim_model.h - a VM's memory in a few numbers, for the tests of the reclaim policy: groups with file pages that are
 * wanted again (hot) or not, in the inactive or the active list; and a clock that the policy's waiting moves on.
 *
 * Taking goes as the kernel does it: from the inactive list; where it is shorter than active / ratio, active pages are
 * moved to it first, and the hot ones among them are found again in time by a part only. Hot pages that were taken come
 * back within about a second and count as refaults, wherever they are charged.
 */
#pragma once

#include <string.h>

#include "agent/memory/reclaim_groups.h"
#include "agent/memory/reclaim_policy.h"
#include "agent/memory/reclaim_step.h"
#include "lib/clock.h"
#include "tests/unit/unit_test.h"

#define MODEL_GROUPS 8
#define MODEL_START  (1000 * USEC_PER_SEC)
#define SECONDS(n)   ((n) * USEC_PER_SEC)

struct model_group {
	enum reclaim_class class;
	uint64_t id;
	uint64_t inactive_cold, inactive_hot, active_cold, active_hot; /* bytes */
	uint64_t dirty;                                                /* of inactive_cold */
	uint64_t slab;
	uint64_t missing; /* hot, taken, not read again yet */
	uint64_t refaults, cpu_us;
	uint64_t refaults_per_second; /* of its own making */
	uint64_t taken_hot, taken;    /* all that ever was */
};

struct model {
	struct reclaim_facts facts;
	struct reclaim_state state;
	struct reclaim_step step;
	struct model_group group[MODEL_GROUPS];
	unsigned int groups;
	uint64_t kernel; /* bytes that are no cache */
	/* How it behaves. */
	unsigned int stall_permille; /* of the time, from now on */
	unsigned int return_ms;      /* half of the missing pages come back in it */
	uint64_t compaction_gives;
	bool takes_strand;           /* what is taken is free in small blocks */
	int take_error, flush_error; /* of each step, 0: none */
	bool take_pretends;          /* gives what is asked, and nothing is gone */
	/* What was done. */
	unsigned int takes, flushes, compactions, drops, calls;
	uint64_t largest_hot; /* hot bytes in one step */
};

static inline struct model model_make(uint64_t total)
{
	struct model model = {.return_ms = 500};

	model.facts.now_us = MODEL_START;
	model.facts.mode = MEMORY_MODE_ADAPTIVE;
	model.facts.abilities = (struct memory_abilities){.cgroup = true,
		.reclaim = true,
		.swappiness = true,
		.psi = true,
		.compaction = true,
		.reporting = true};
	model.facts.limits = (struct reclaim_limits){
		.floor = 16 * MIB, .pressure_permille = 10, .refault_permille = 10};
	model.facts.total = total;
	model.kernel = 300 * MIB;
	return model;
}

static inline struct model_group *model_add(struct model *model, enum reclaim_class class,
	uint64_t inactive_mib, uint64_t active_mib, uint64_t hot_mib)
{
	struct model_group *group = &model->group[model->groups++];

	*group = (struct model_group){.class = class, .id = 100 + model->groups};
	group->active_hot = (hot_mib < active_mib ? hot_mib : active_mib) * MIB;
	group->active_cold = active_mib * MIB - group->active_hot;
	group->inactive_hot = hot_mib * MIB - group->active_hot;
	group->inactive_cold = inactive_mib * MIB - group->inactive_hot;
	return group;
}

static inline uint64_t model_cache(const struct model_group *group)
{
	return group->inactive_cold + group->inactive_hot + group->active_cold + group->active_hot +
	       group->slab;
}

static inline uint64_t model_inactive(const struct model_group *group)
{
	return group->inactive_cold + group->inactive_hot;
}

static inline uint64_t model_hot(const struct model_group *group)
{
	return group->inactive_hot + group->active_hot;
}

/* What the policy is told. */
static inline void model_look(struct model *model)
{
	struct reclaim_facts *facts = &model->facts;

	facts->groups = model->groups;
	facts->cache = 0;
	facts->containers = 0;
	for (unsigned int i = 0; i < model->groups; i++) {
		const struct model_group *group = &model->group[i];

		facts->group[i] = (struct reclaim_group){.class = group->class,
			.id = group->id,
			.inactive = group->inactive_cold + group->inactive_hot,
			.active = group->active_cold + group->active_hot,
			.dirty = group->dirty,
			.slab = group->slab,
			.refaults = group->refaults,
			.cpu_us = group->cpu_us};
		facts->cache += model_cache(group) - group->slab;
		facts->containers += group->class == RECLAIM_LIVE;
	}
	facts->free = reclaim_less(facts->total, facts->cache + model->kernel);
	facts->reportable = reclaim_less(facts->free, facts->stranded);
}

static inline void model_pass(struct model *model, uint64_t us)
{
	for (unsigned int i = 0; i < model->groups; i++) {
		struct model_group *group = &model->group[i];
		uint64_t half_us = model->return_ms * USEC_PER_MSEC;
		uint64_t back =
			us >= 4 * half_us ? group->missing : group->missing * us / (us + half_us);

		back -= back % RECLAIM_PAGE;
		group->missing -= back;
		group->active_hot += back;
		group->refaults += back / RECLAIM_PAGE;
		group->refaults += group->refaults_per_second * us / USEC_PER_SEC;
	}
	model->facts.stall_us += us * model->stall_permille / 1000;
	model->facts.now_us += us;
}

static inline uint64_t model_move(uint64_t *from, uint64_t bytes)
{
	uint64_t moved = reclaim_min(*from, bytes);

	*from -= moved;
	return moved;
}

/* As the kernel keeps the balance: the tail of the active list, where hot pages are rare as long as there are cold ones. */
static inline void model_deactivate(struct model_group *group, uint64_t bytes)
{
	uint64_t hot, cold = model_move(&group->active_cold, bytes);

	hot = model_move(&group->active_hot, bytes - cold);
	group->inactive_cold += cold;
	/* Three quarters are used before they are at the end of the inactive list. */
	group->inactive_hot += hot / 4;
	group->active_hot += hot - hot / 4;
}

static inline uint64_t model_ratio(const struct model_group *group)
{
	return model_cache(group) >= 4096 * MIB ? 6 : model_cache(group) >= 1024 * MIB ? 3 : 1;
}

static inline uint64_t model_take(struct model *model, struct model_group *group, uint64_t bytes)
{
	uint64_t hot = 0, took = 0;

	for (uint64_t left = bytes; left > 0;) {
		uint64_t part = reclaim_min(left, MIB), cold;
		uint64_t lists = model_cache(group) - group->slab;

		/* Slab shrinks by the part of the lists that is gone through. */
		took += model_move(&group->slab,
			lists > part ? group->slab / (lists / part) : part);
		if (model_inactive(group) < (lists - model_inactive(group)) / model_ratio(group))
			model_deactivate(group, part);
		cold = reclaim_min(part, reclaim_less(group->inactive_cold, group->dirty));
		group->inactive_cold -= cold;
		took += cold;
		if (cold < part)
			hot += model_move(&group->inactive_hot, part - cold);
		left -= part;
	}
	hot -= hot % RECLAIM_PAGE;
	group->missing += hot;
	group->taken_hot += hot;
	group->taken += took + hot;
	model->largest_hot = reclaim_max(model->largest_hot, hot);
	return took + hot;
}

/* Does the step and tells of it. */
static inline void model_do(struct model *model)
{
	struct reclaim_result *result = &model->facts.result;
	struct model_group *group = &model->group[model->step.group];

	*result = (struct reclaim_result){.fresh = true};
	switch (model->step.action) {
	case RECLAIM_WAIT:
		result->fresh = false;
		break;
	case RECLAIM_TAKE:
		model->takes++;
		assert_in_range(model->step.group, 0, model->groups - 1);
		assert_true(model->step.deadline_us > model->facts.now_us);
		result->error = model->take_error;
		if (model->take_pretends)
			result->took = model->step.bytes;
		else if (model->take_error == 0)
			result->took = model_take(model, group, model->step.bytes);
		if (model->takes_strand)
			model->facts.stranded += result->took;
		if (result->took < model->step.bytes && result->error == 0)
			result->error = -EAGAIN;
		break;
	case RECLAIM_FLUSH:
		model->flushes++;
		result->error = model->flush_error;
		for (unsigned int i = 0; i < model->groups && model->flush_error == 0; i++)
			model->group[i].dirty = 0;
		break;
	case RECLAIM_COMPACT:
		model->compactions++;
		result->took = reclaim_min(model->compaction_gives, model->facts.stranded);
		model->facts.stranded -= result->took;
		break;
	case RECLAIM_DROP:
	case RECLAIM_TAKE_ROOT:
		model->drops++;
		break;
	}
	if (result->fresh)
		model_pass(model, 20 * USEC_PER_MSEC);
}

static inline void model_call(struct model *model, enum reclaim_event event)
{
	model->calls++;
	model_look(model);
	model->facts.event = event;
	reclaim_policy(&model->state, &model->facts, &model->step);
	model->facts.event = RECLAIM_EVENT_NONE;
	model_do(model);
}

/* Containers do nothing for long enough that they may be asked. */
static inline void model_calm(struct model *model)
{
	model_call(model, RECLAIM_EVENT_NONE);
	model_pass(model, SECONDS(11));
}

/* To the end of the episode. Returns why it ended. */
static inline enum reclaim_reason model_finish(struct model *model)
{
	while (model->state.working) {
		if (model->step.action == RECLAIM_WAIT) {
			assert_true(model->step.again_us >= model->facts.now_us);
			model_pass(model, model->step.again_us - model->facts.now_us);
		}
		model_call(model, RECLAIM_EVENT_NONE);
		assert_true(model->calls < 100000);
	}
	return model->step.reason;
}

static inline enum reclaim_reason model_episode(struct model *model, enum reclaim_event event)
{
	model_call(model, event);
	return model_finish(model);
}
