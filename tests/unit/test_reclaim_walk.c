/* SPDX-License-Identifier: MIT
 *
 * test_reclaim_walk.c - what must hold of the reclaim policy whatever it is told: every combination of modes, abilities,
 * events and groups; and random walks of VMs (reclaim_model.h) through events, pressure, refaults, failing and lost steps.
 */
#include <stdlib.h>

#include "tests/unit/reclaim_model.h"

static uint64_t seed;

static uint64_t draw(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static bool one_in(uint64_t n)
{
	return draw(n) == 0;
}

/* --- what always holds ------------------------------------------------------------------------------------------ */

static void check_take(const struct model *model)
{
	const struct reclaim_facts *facts = &model->facts;
	const struct reclaim_step *step = &model->step;
	const struct reclaim_group *group = &facts->group[step->group];
	uint64_t floor = reclaim_floor(&model->state, &facts->limits, group->id);

	assert_in_range(step->group, 0, facts->groups - 1);
	assert_true(step->bytes >= RECLAIM_WORTH && step->bytes <= 1024 * MIB);
	assert_true(floor >= facts->limits.floor);
	assert_true(reclaim_cache(group) >= floor + step->bytes);
	assert_true(step->bytes + group->dirty <= reclaim_cache(group));
	if (facts->abilities.lru_gen)
		assert_true(step->bytes <= 16 * MIB);
	if (group->class != RECLAIM_DEAD && group->class != RECLAIM_LIVE)
		assert_true(step->bytes <= reclaim_takeable(group, RECLAIM_DEPTH_QUARTER, floor));
	if (group->class == RECLAIM_LIVE)
		assert_true(step->bytes <= 128 * MIB);
}

static void check(const struct model *model)
{
	const struct reclaim_facts *facts = &model->facts;
	const struct reclaim_step *step = &model->step;
	bool memory_reclaim = facts->abilities.cgroup && facts->abilities.reclaim;

	if (step->action == RECLAIM_WAIT) {
		assert_true(step->reason != RECLAIM_REASON_NONE);
		assert_true(step->again_us == 0 || step->again_us >= facts->now_us);
		assert_true(step->again_us != 0 || !model->state.working);
		assert_int_equal(step->reason == RECLAIM_REASON_OFF,
			facts->mode == MEMORY_MODE_OFF);
		return;
	}
	assert_int_equal(step->reason, RECLAIM_REASON_NONE);
	assert_int_equal(step->again_us, 0);
	assert_true(model->state.working);
	assert_true(facts->mode != MEMORY_MODE_OFF);
	if (!model->state.episode.request)
		assert_true(step->deadline_us > facts->now_us);
	switch (step->action) {
	case RECLAIM_TAKE:
		assert_true(memory_reclaim);
		assert_true(facts->mode == MEMORY_MODE_ADAPTIVE || model->state.episode.request);
		check_take(model);
		break;
	case RECLAIM_FLUSH:
		assert_true(memory_reclaim);
		break;
	case RECLAIM_COMPACT:
		assert_true(facts->abilities.compaction);
		break;
	case RECLAIM_DROP:
		assert_true(facts->mode == MEMORY_MODE_DROPCACHE || !memory_reclaim);
		break;
	case RECLAIM_TAKE_ROOT:
		assert_true(facts->mode == MEMORY_MODE_GRADUAL && facts->abilities.reclaim);
		assert_true(step->bytes > 0 && step->bytes <= facts->cache - 128 * MIB);
		break;
	case RECLAIM_WAIT:
		break;
	}
}

static void call(struct model *model, enum reclaim_event event)
{
	model->calls++;
	model_look(model);
	model->facts.event = event;
	reclaim_policy(&model->state, &model->facts, &model->step);
	check(model);
	model->facts.event = RECLAIM_EVENT_NONE;
}

/* --- every combination ------------------------------------------------------------------------------------------ */

static void ask_twice(struct model *model, enum reclaim_event event)
{
	struct model twin = *model;

	call(model, event);
	/* Pure: the same facts and state, the same step. */
	call(&twin, event);
	assert_memory_equal(&model->step, &twin.step, sizeof(twin.step));
	if (model->step.action == RECLAIM_WAIT)
		return;
	/* Nothing new is asked for before there is a result. */
	call(model, RECLAIM_EVENT_TICK);
	assert_int_equal(model->step.action, RECLAIM_WAIT);
	call(model, RECLAIM_EVENT_STALL);
	assert_int_equal(model->step.action, RECLAIM_WAIT);
	/* A result that never comes is not waited for for ever. */
	model_pass(model, SECONDS(120));
	call(model, RECLAIM_EVENT_NONE);
}

static void test_every_combination(void **state)
{
	static const uint64_t sizes[] = {0, 20, 300, 3000};
	unsigned int asked = 0;

	(void)state;
	for (unsigned int bits = 0; bits < 4 * 5 * 4 * 64 * 2 * 3; bits++) {
		struct model model = model_make(4096 * MIB);
		unsigned int rest = bits;

		model.facts.mode = (enum memory_mode)(rest % 4), rest /= 4;
		enum reclaim_event event = (enum reclaim_event)(rest % 5);
		rest /= 5;
		uint64_t size = sizes[rest % 4];
		rest /= 4;
		model.facts.abilities = (struct memory_abilities){.cgroup = rest & 1,
			.reclaim = rest & 2,
			.psi = rest & 4,
			.lru_gen = rest & 8,
			.compaction = rest & 16,
			.reporting = rest & 32};
		rest /= 64;
		model.facts.request = rest % 2 ? UINT64_MAX : 0;
		model.facts.request_until_us = MODEL_START + SECONDS(10);
		rest /= 2;
		model.facts.target = rest * 1024 * MIB;
		for (unsigned int class = 0; class <= RECLAIM_REST; class ++)
			model_add(&model, (enum reclaim_class) class, size, size / 2, 0)->dirty =
				size / 4 * MIB;
		model.facts.stranded = model.facts.abilities.reporting ? 300 * MIB : 0;
		call(&model, RECLAIM_EVENT_NONE);
		assert_true(model.step.action == RECLAIM_WAIT);
		ask_twice(&model, event);
		asked += model.takes;
	}
}

/* --- random walks ----------------------------------------------------------------------------------------------- */

static void any_group(struct model *model, enum reclaim_class class)
{
	uint64_t inactive = draw(600), active = draw(600);
	struct model_group *group = model_add(model, class, inactive, active,
		draw(3) ? draw(inactive + active + 1) : 0);

	group->dirty = one_in(3) ? draw(group->inactive_cold + 1) : 0;
	group->slab = draw(100) * MIB;
}

static struct model any_model(void)
{
	struct model model = model_make((1 + draw(8)) * 1024 * MIB);

	model.facts.limits = (struct reclaim_limits){.floor = draw(64) * MIB,
		.pressure_permille = (unsigned int)draw(50),
		.refault_permille = (unsigned int)draw(50)};
	model.facts.abilities.psi = !one_in(8);
	model.facts.abilities.lru_gen = one_in(8);
	model.facts.abilities.compaction = !one_in(8);
	model.return_ms = 100 + (unsigned int)draw(2000);
	any_group(&model, RECLAIM_DEAD);
	any_group(&model, RECLAIM_ENGINE);
	any_group(&model, RECLAIM_LIVE);
	any_group(&model, RECLAIM_LIVE);
	any_group(&model, RECLAIM_REST);
	any_group(&model, RECLAIM_OWN);
	return model;
}

/* A container ends: what it had is charged to the dead. */
static void end_container(struct model *model)
{
	struct model_group *dead = &model->group[0], *live = &model->group[2 + draw(2)];

	dead->inactive_cold += live->inactive_cold + live->inactive_hot;
	dead->active_cold += live->active_cold + live->active_hot;
	dead->slab += live->slab;
	dead->refaults += live->refaults;
	*live = (struct model_group){.class = RECLAIM_LIVE, .id = live->id + 100};
	live->inactive_cold = draw(300) * MIB;
	live->active_hot = draw(100) * MIB;
}

static void disturb(struct model *model)
{
	switch (draw(8)) {
	case 0:
		model->stall_permille = one_in(2) ? 0 : (unsigned int)draw(100);
		break;
	case 1:
		model->facts.stranded = draw(600) * MIB;
		model->compaction_gives = draw(400) * MIB;
		break;
	case 2:
		model->group[draw(5)].inactive_cold += draw(400) * MIB;
		break;
	case 3:
		model->take_error = one_in(4) ? -EIO : 0;
		break;
	case 4:
		model->facts.target = one_in(2) ? 0 : draw(model->facts.total);
		break;
	case 5:
		model->group[2].cpu_us += draw(1000000);
		break;
	case 6:
		model->group[draw(5)].refaults += draw(3000);
		break;
	default:
		end_container(model);
		break;
	}
}

static enum reclaim_event any_event(struct model *model)
{
	static const enum reclaim_event events[] = {RECLAIM_EVENT_ENDED, RECLAIM_EVENT_TICK,
		RECLAIM_EVENT_REQUEST, RECLAIM_EVENT_STALL, RECLAIM_EVENT_NONE};
	enum reclaim_event event = events[draw(ARRAY_SIZE(events))];

	if (event == RECLAIM_EVENT_REQUEST) {
		model->facts.request = one_in(2) ? UINT64_MAX : (1 + draw(1000)) * MIB;
		model->facts.request_until_us = model->facts.now_us + draw(SECONDS(60));
	}
	return event;
}

static void answer(struct model *model)
{
	if (model->step.action == RECLAIM_WAIT && !model->state.working)
		model->facts.request = 0;
}

/* Until nothing is done any more, undisturbed: it must come to that. */
static void settle(struct model *model)
{
	unsigned int calls = 0;

	while (model->state.working || model->step.again_us != 0) {
		uint64_t now_us = model->facts.now_us;

		if (model->step.action == RECLAIM_WAIT && model->step.again_us > now_us)
			model_pass(model, model->step.again_us - now_us);
		call(model, RECLAIM_EVENT_NONE);
		answer(model);
		model_do(model);
		assert_true(++calls < 2000);
	}
}

static void walk(void)
{
	struct model model = any_model();

	for (unsigned int i = 0; i < 60; i++) {
		if (one_in(3))
			disturb(&model);
		if (one_in(3))
			model_pass(&model, draw(SECONDS(400)));
		call(&model, any_event(&model));
		answer(&model);
		if (!one_in(10)) /* else the result is lost */
			model_do(&model);
		if (one_in(3))
			settle(&model);
	}
	settle(&model);
}

static void test_walks(void **state)
{
	const char *given = getenv("KEEL_WALK_SEED");

	(void)state;
	for (uint64_t i = 1; i <= 2000; i++) {
		seed = given != NULL ? strtoull(given, NULL, 0) : i * UINT64_C(0x9E3779B97F4A7C15);
		walk();
	}
}

/* --- harm is bounded -------------------------------------------------------------------------------------------- */

static uint64_t hot_taken(const struct model *model)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < model->groups; i++)
		sum += model->group[i].taken_hot;
	return sum;
}

static uint64_t taken(const struct model *model)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < model->groups; i++)
		sum += model->group[i].taken;
	return sum;
}

/* What is hot is left to whom it is charged, but for the step that finds it. */
static void test_hot_is_left(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 500; i++) {
		struct model model;
		uint64_t worst = 0;

		seed = i * UINT64_C(0x9E3779B97F4A7C15);
		model = any_model();
		model.facts.limits = (struct reclaim_limits){16 * MIB, 10, 10};
		model.facts.abilities.lru_gen = false;
		model.return_ms = 500;
		model_calm(&model);
		model_episode(&model, RECLAIM_EVENT_ENDED);
		for (unsigned int j = 0; j < model.groups; j++)
			worst = reclaim_max(worst, model.group[j].taken_hot);
		/* Steps end at 64 MiB where pages may be hot; the one before was not seen as too much. */
		assert_true(worst <= 2 * 64 * MIB);
	}
}

/* The same again and again, and nothing changes: then nothing more is taken. */
static void test_no_oscillation(void **state)
{
	static const enum reclaim_event events[] = {RECLAIM_EVENT_TICK, RECLAIM_EVENT_ENDED};

	(void)state;
	for (uint64_t i = 1; i <= 200; i++) {
		struct model model;
		uint64_t before, hot;

		seed = i * UINT64_C(0x9E3779B97F4A7C15);
		model = any_model();
		model.facts.limits = (struct reclaim_limits){16 * MIB, 10, 10};
		model.facts.abilities.lru_gen = false;
		model_calm(&model);
		model_episode(&model, RECLAIM_EVENT_ENDED);
		model_pass(&model, SECONDS(5));
		before = taken(&model), hot = hot_taken(&model);
		for (unsigned int j = 0; j < 20; j++) {
			model_pass(&model, SECONDS(1));
			model_episode(&model, events[j % 2]);
		}
		/* But for a step that finds, late, what comes back slowly. */
		assert_true(taken(&model) - before <= 32 * MIB);
		assert_true(hot_taken(&model) - hot <= 16 * MIB);
	}
}

/* A build every half minute for a day, beside a container whose working set is charged to the dead: it is put to the test
 * again and again, each time at the cost of a step, and more and more seldom. */
static void test_a_day_of_builds(void **state)
{
	struct model model = model_make(4096 * MIB);
	struct model_group *dead = model_add(&model, RECLAIM_DEAD, 100, 250, 200);
	uint64_t first_hour = 0;

	(void)state;
	model_add(&model, RECLAIM_LIVE, 0, 50, 50);
	for (unsigned int i = 0; i < 24 * 120; i++) {
		model_pass(&model, SECONDS(30));
		dead->inactive_cold += 300 * MIB;
		dead->slab += 20 * MIB;
		model_episode(&model, RECLAIM_EVENT_ENDED);
		assert_true(model_cache(dead) < 420 * MIB);
		if (i == 119)
			first_hour = dead->taken_hot;
	}
	assert_true(first_hour <= 128 * MIB);
	assert_true(dead->taken_hot <= 1024 * MIB);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_every_combination),
	cmocka_unit_test(test_walks),
	cmocka_unit_test(test_hot_is_left),
	cmocka_unit_test(test_no_oscillation),
	cmocka_unit_test(test_a_day_of_builds),
};

UNIT_TEST_MAIN(tests)
