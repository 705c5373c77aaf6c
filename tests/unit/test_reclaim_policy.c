/* SPDX-License-Identifier: MIT
 *
 * test_reclaim_policy.c - what `adaptive` does with a VM (reclaim_model.h) in the cases that it was made for.
 */
#include "tests/unit/reclaim_model.h"

#define GIB (1024 * MIB)

/* Goes on until the policy asks for something else than to wait a little. */
static void go_on(struct model *model)
{
	do {
		if (model->step.action == RECLAIM_WAIT)
			model_pass(model, model->step.again_us - model->facts.now_us);
		model_call(model, RECLAIM_EVENT_NONE);
	} while (model->step.action == RECLAIM_WAIT && model->step.again_us != 0);
}

static void request(struct model *model, uint64_t bytes, uint64_t within_us)
{
	model->facts.request = bytes;
	model->facts.request_until_us = model->facts.now_us + within_us;
}

/* --- from whom -------------------------------------------------------------------------------------------------- */

static void test_dead(void **state)
{
	struct model model = model_make(2 * GIB);
	struct model_group *dead = model_add(&model, RECLAIM_DEAD, 500, 300, 0);

	(void)state;
	dead->slab = 90 * MIB;
	model_call(&model, RECLAIM_EVENT_ENDED);
	assert_int_equal(model.step.action, RECLAIM_TAKE);
	assert_int_equal(model.step.bytes, 64 * MIB);
	assert_int_equal(model_finish(&model), RECLAIM_REASON_NOTHING);
	assert_in_range(model_cache(dead), 16 * MIB, 20 * MIB);
	assert_true(model.facts.now_us - MODEL_START < SECONDS(10));
}

static void test_nothing(void **state)
{
	struct model model = model_make(2 * GIB);

	(void)state;
	assert_int_equal(model_episode(&model, RECLAIM_EVENT_ENDED), RECLAIM_REASON_NOTHING);
	model_add(&model, RECLAIM_DEAD, 10, 8, 0);
	assert_int_equal(model_episode(&model, RECLAIM_EVENT_ENDED), RECLAIM_REASON_NOTHING);
	assert_int_equal(model_episode(&model, RECLAIM_EVENT_TICK), RECLAIM_REASON_NOTHING);
	assert_int_equal(model_episode(&model, RECLAIM_EVENT_STALL), RECLAIM_REASON_NOTHING);
	assert_int_equal(model.takes, 0);
}

static void test_order(void **state)
{
	static const enum reclaim_class order[] = {RECLAIM_DEAD, RECLAIM_ENGINE, RECLAIM_OWN,
		RECLAIM_REST, RECLAIM_DEAD, RECLAIM_LIVE};
	struct model model = model_make(4 * GIB);
	unsigned int at = 0;

	(void)state;
	model_add(&model, RECLAIM_DEAD, 200, 100, 0);
	model_add(&model, RECLAIM_LIVE, 100, 20, 0);
	model_add(&model, RECLAIM_LIVE, 200, 50, 0);
	model_add(&model, RECLAIM_REST, 200, 10, 0);
	model_add(&model, RECLAIM_ENGINE, 300, 50, 0);
	model_add(&model, RECLAIM_OWN, 100, 0, 0);
	model_calm(&model);
	model_call(&model, RECLAIM_EVENT_ENDED);
	while (model.state.working) {
		if (model.step.action == RECLAIM_TAKE) {
			enum reclaim_class class = model.group[model.step.group].class;

			while (order[at] != class)
				assert_true(++at < ARRAY_SIZE(order));
		}
		go_on(&model);
	}
	assert_int_equal(order[at], RECLAIM_LIVE);
	/* A container is left its balance, the engine what its programs need. */
	assert_in_range(model_inactive(&model.group[1]), 20 * MIB, 24 * MIB);
	assert_in_range(model_inactive(&model.group[2]), 50 * MIB, 54 * MIB);
	assert_in_range(model_cache(&model.group[4]), 128 * MIB, 132 * MIB);
	assert_in_range(model_cache(&model.group[3]), 16 * MIB, 20 * MIB);
	assert_in_range(model_cache(&model.group[5]), 16 * MIB, 20 * MIB);
}

/* Taking makes active pages inactive; they are not the next ones. */
static void test_own_keeps_what_was_aimed_at(void **state)
{
	struct model model = model_make(4 * GIB);
	struct model_group *own;
	uint64_t left;

	(void)state;
	model_add(&model, RECLAIM_DEAD, 0, 0, 0);
	own = model_add(&model, RECLAIM_ENGINE, 600, 400, 0);
	model_episode(&model, RECLAIM_EVENT_ENDED);
	left = model_cache(own);
	assert_in_range(left, 500 * MIB, 504 * MIB);
	for (unsigned int i = 0; i < 9; i++) {
		model_pass(&model, SECONDS(10));
		model_episode(&model, RECLAIM_EVENT_ENDED);
		assert_int_equal(model_cache(own), left);
	}
	/* More of it in use: more is left. */
	own->active_cold += 400 * MIB;
	model_episode(&model, RECLAIM_EVENT_ENDED);
	assert_true(model_cache(own) > left + 300 * MIB);
	/* Later it is tried a little deeper, and then more and more seldom. */
	left = model_cache(own);
	model_pass(&model, SECONDS(601));
	model_episode(&model, RECLAIM_EVENT_ENDED);
	assert_true(model_cache(own) < left);
}

/* A pulled image's files were in use, and are removed: what the next pull leaves is no working set. */
static void test_own_gives_after_a_removal(void **state)
{
	struct model model = model_make(4 * GIB);
	struct model_group *own;

	(void)state;
	model_add(&model, RECLAIM_DEAD, 0, 0, 0);
	own = model_add(&model, RECLAIM_ENGINE, 300, 600, 0);
	model_episode(&model, RECLAIM_EVENT_ENDED);
	assert_true(model_cache(own) > 600 * MIB);
	own->inactive_cold = 50 * MIB;
	own->active_cold = 200 * MIB;
	model_episode(&model, RECLAIM_EVENT_ENDED);
	own->inactive_cold += 350 * MIB;
	model_episode(&model, RECLAIM_EVENT_ENDED);
	assert_true(model_cache(own) < 300 * MIB);
}

static void test_idle_container(void **state)
{
	struct model model = model_make(4 * GIB);
	struct model_group *live;

	(void)state;
	model_add(&model, RECLAIM_DEAD, 0, 0, 0);
	live = model_add(&model, RECLAIM_LIVE, 100, 200, 0);
	model_episode(&model, RECLAIM_EVENT_TICK);
	for (unsigned int i = 0; i < 30; i++) {
		/* Half of one percent of a processor is work. */
		live->cpu_us += 5000 * 30;
		model_pass(&model, SECONDS(30));
		model_episode(&model, RECLAIM_EVENT_TICK);
	}
	assert_int_equal(model.takes, 0);
	for (unsigned int i = 0; i < 13 && model.takes == 0; i++) {
		model_pass(&model, SECONDS(30));
		assert_true(model.facts.now_us < MODEL_START + SECONDS(930 + 420));
		model_episode(&model, RECLAIM_EVENT_TICK);
	}
	assert_in_range(model_cache(live), 16 * MIB, 20 * MIB);
}

/* Nothing ended, but what a container did is over: what it used once goes with the next tick, if that is much. */
static void test_calm_container(void **state)
{
	struct model model = model_make(4 * GIB);
	struct model_group *live;

	(void)state;
	model_add(&model, RECLAIM_DEAD, 0, 0, 0);
	live = model_add(&model, RECLAIM_LIVE, 300, 200, 0);
	model_episode(&model, RECLAIM_EVENT_ENDED);
	assert_int_equal(live->taken, 0);
	model_pass(&model, SECONDS(30));
	model_episode(&model, RECLAIM_EVENT_TICK);
	assert_in_range(model_inactive(live), 200 * MIB, 204 * MIB);
	live->inactive_cold += 24 * MIB;
	for (unsigned int i = 0; i < 3; i++) {
		model_pass(&model, SECONDS(30));
		model_episode(&model, RECLAIM_EVENT_TICK);
	}
	assert_true(live->taken <= 104 * MIB);
}

/* Who works is left alone, whoever else has ended; a request asks him too. */
static void test_busy_container(void **state)
{
	struct model model = model_make(4 * GIB);
	struct model_group *live;

	(void)state;
	model_add(&model, RECLAIM_DEAD, 0, 0, 0);
	live = model_add(&model, RECLAIM_LIVE, 400, 0, 0);
	model_episode(&model, RECLAIM_EVENT_ENDED);
	/* By his processor time, then by his cache. */
	for (unsigned int i = 0; i < 20; i++) {
		model_pass(&model, SECONDS(5));
		if (i < 10)
			live->cpu_us += 300000;
		else
			live->inactive_cold += 2 * MIB;
		model_episode(&model, i % 2 ? RECLAIM_EVENT_ENDED : RECLAIM_EVENT_TICK);
	}
	assert_int_equal(live->taken, 0);
	request(&model, 50 * MIB, SECONDS(60));
	assert_int_equal(model_episode(&model, RECLAIM_EVENT_REQUEST), RECLAIM_REASON_DONE);
	assert_true(live->taken >= 50 * MIB);
	model.facts.request = 0;
	model_pass(&model, SECONDS(11));
	model_episode(&model, RECLAIM_EVENT_ENDED);
	assert_true(live->taken > 350 * MIB);
}

/* --- guards: refaults ------------------------------------------------------------------------------------------- */

static void test_hot(void **state)
{
	struct model model = model_make(2 * GIB);
	struct model_group *dead = model_add(&model, RECLAIM_DEAD, 500, 300, 200);
	unsigned int takes;
	uint64_t floor;

	(void)state;
	assert_int_equal(model_episode(&model, RECLAIM_EVENT_ENDED), RECLAIM_REASON_REFAULTS);
	assert_true(dead->taken_hot <= 64 * MIB);
	assert_in_range(model_cache(dead) + dead->missing, 200 * MIB, 300 * MIB);
	floor = reclaim_floor(&model.state, &model.facts.limits, dead->id);
	assert_in_range(floor, model_cache(dead), 300 * MIB);
	/* Known now. */
	takes = model.takes;
	model_pass(&model, SECONDS(5));
	assert_int_equal(model_episode(&model, RECLAIM_EVENT_ENDED), RECLAIM_REASON_NOTHING);
	assert_int_equal(model.takes, takes);
	/* A build more is taken down to there; */
	dead->inactive_cold += 400 * MIB;
	model_episode(&model, RECLAIM_EVENT_ENDED);
	assert_in_range(model_cache(dead), floor, floor + 4 * MIB);
	assert_int_equal(reclaim_floor(&model.state, &model.facts.limits, dead->id), floor);
	/* after a while it puts the floor to the test, at the cost of a step, and more seldom from then on. */
	for (unsigned int i = 0; i < 2; i++) {
		model_pass(&model, SECONDS(61));
		dead->inactive_cold += 400 * MIB;
		dead->taken_hot = 0;
		model_episode(&model, RECLAIM_EVENT_ENDED);
		assert_int_equal(dead->taken_hot > 0, i == 0);
		assert_true(dead->taken_hot <= 64 * MIB);
	}
}

/* A container of whom nothing was heard reads again what was taken from the dead, and the kernel has forgotten that it was
 * there: his cache grows. One that grows all the time says nothing. */
static void test_grows_back(void **state)
{
	(void)state;
	for (unsigned int steadily = 0; steadily < 2; steadily++) {
		struct model model = model_make(4 * GIB);
		struct model_group *live;

		model_add(&model, RECLAIM_DEAD, 100, 600, 0);
		live = model_add(&model, RECLAIM_LIVE, 50, 100, 0);
		model_calm(&model);
		model_call(&model, RECLAIM_EVENT_ENDED);
		if (steadily)
			live->inactive_cold += 300 * MIB;
		go_on(&model);
		while (model.state.working && model.step.group == 0) {
			live->active_hot += 10 * MIB;
			go_on(&model);
		}
		assert_int_equal(model_cache(&model.group[0]) > 500 * MIB, !steadily);
	}
}

/* A container is restarted: what it used again and again is not taken before it could come back. A request does not wait. */
/* It came back at once, and is served from the cache of its predecessor: what it reads again is not counted, as the kernel
 * has forgotten it. It is new, therefore not calm. */
static void test_restarted(void **state)
{
	struct model model = model_make(4 * GIB);
	struct model_group *dead = model_add(&model, RECLAIM_DEAD, 100, 300, 0), *live;
	uint64_t taken = 0;

	(void)state;
	model_call(&model, RECLAIM_EVENT_ENDED);
	live = model_add(&model, RECLAIM_LIVE, 1, 1, 0);
	model_pass(&model, SECONDS(1));
	model_call(&model, RECLAIM_EVENT_NONE);
	while (model.state.working) {
		if (dead->taken > taken + 4 * MIB)
			live->inactive_cold += dead->taken - taken;
		taken = dead->taken;
		go_on(&model);
	}
	assert_int_equal(model.step.reason, RECLAIM_REASON_REFAULTS);
	assert_true(dead->taken <= 48 * MIB);
}

/* The end of a container in an episode that has gone on for long is an event as any other. */
static void test_restart_in_a_long_episode(void **state)
{
	struct model model = model_make(4 * GIB);
	struct model_group *dead = model_add(&model, RECLAIM_DEAD, 0, 0, 0);

	(void)state;
	model_add(&model, RECLAIM_LIVE, 3000, 10, 0);
	model_calm(&model);
	model_call(&model, RECLAIM_EVENT_ENDED);
	while (model.facts.now_us < MODEL_START + SECONDS(40))
		go_on(&model);
	assert_int_equal(model.step.group, 1);
	dead->active_cold += 300 * MIB;
	model_call(&model, RECLAIM_EVENT_ENDED);
	model.facts.event = RECLAIM_EVENT_NONE;
	while (dead->taken == 0)
		go_on(&model);
	assert_in_range(model.facts.now_us, MODEL_START + SECONDS(45), MODEL_START + SECONDS(62));
}

static void test_restart(void **state)
{
	struct model model = model_make(4 * GIB);
	struct model_group *dead = model_add(&model, RECLAIM_DEAD, 300, 300, 0);

	(void)state;
	model_call(&model, RECLAIM_EVENT_ENDED);
	assert_int_equal(model.step.reason, RECLAIM_REASON_SETTLING);
	assert_int_equal(model.step.again_us, MODEL_START + SECONDS(5));
	assert_int_equal(dead->taken, 0);
	/* It has come, and is not at work yet; but not for as long as somebody comes. */
	model_pass(&model, SECONDS(3));
	model_add(&model, RECLAIM_LIVE, 1, 1, 0);
	model_call(&model, RECLAIM_EVENT_NONE);
	assert_int_equal(model.step.again_us, MODEL_START + SECONDS(13));
	model_pass(&model, SECONDS(9));
	model_add(&model, RECLAIM_LIVE, 1, 1, 0);
	model_call(&model, RECLAIM_EVENT_NONE);
	assert_int_equal(model.step.again_us, MODEL_START + SECONDS(20));
	assert_int_equal(dead->taken, 0);
	go_on(&model);
	assert_int_equal(model.step.action, RECLAIM_TAKE);
	model = model_make(4 * GIB);
	model_add(&model, RECLAIM_DEAD, 300, 300, 0);
	request(&model, UINT64_MAX, SECONDS(60));
	model_call(&model, RECLAIM_EVENT_REQUEST);
	assert_int_equal(model.step.action, RECLAIM_TAKE);
}

static void test_floor_ends(void **state)
{
	static const uint64_t terms[] = {600, 1200, 2400, 4800, 7200, 7200};
	struct model model = model_make(4 * GIB);
	struct model_group *live;

	(void)state;
	model_add(&model, RECLAIM_DEAD, 0, 0, 0);
	live = model_add(&model, RECLAIM_LIVE, 400, 100, 350);
	model_calm(&model);
	for (unsigned int i = 0; i < ARRAY_SIZE(terms); i++) {
		uint64_t since_us;

		assert_int_equal(model_episode(&model, RECLAIM_EVENT_ENDED),
			RECLAIM_REASON_REFAULTS);
		since_us = model.facts.now_us;
		assert_true(reclaim_floor(&model.state, &model.facts.limits, live->id) > 300 * MIB);
		/* What was taken is used again, and again looks as if it had been used once. */
		model_pass(&model, SECONDS(10));
		live->inactive_hot += live->active_hot, live->active_hot = 0;
		model_call(&model, RECLAIM_EVENT_NONE);
		model_pass(&model, since_us + SECONDS(terms[i] - 1) - model.facts.now_us);
		assert_int_equal(model_episode(&model, RECLAIM_EVENT_ENDED),
			RECLAIM_REASON_NOTHING);
		model_pass(&model, SECONDS(2));
	}
}

static void test_whose_refaults(void **state)
{
	struct model model = model_make(4 * GIB);
	struct model_group *own;

	(void)state;
	model_add(&model, RECLAIM_DEAD, 1000, 0, 0);
	own = model_add(&model, RECLAIM_ENGINE, 500, 200, 0);
	model_add(&model, RECLAIM_LIVE, 0, 100, 0);
	model_call(&model, RECLAIM_EVENT_ENDED);
	/* The engine reads its own: nothing to do with the dead. */
	while (model.step.group == 0) {
		own->refaults += 1000;
		go_on(&model);
	}
	assert_true(model_cache(&model.group[0]) < 24 * MIB);
	/* And the containers' have nothing to do with the engine. */
	while (model.step.group == 1 && model.state.working) {
		model.group[2].refaults += 1000;
		go_on(&model);
	}
	assert_int_equal(model.step.reason, RECLAIM_REASON_NOTHING);
	/* Its own have. */
	own->inactive_cold += 500 * MIB;
	model_call(&model, RECLAIM_EVENT_ENDED);
	assert_int_equal(model.step.group, 1);
	own->refaults += 1000;
	go_on(&model);
	assert_int_equal(model.step.reason, RECLAIM_REASON_REFAULTS);
	/* The root group's cache may be anybody's. */
	model_add(&model, RECLAIM_REST, 400, 0, 0);
	model_call(&model, RECLAIM_EVENT_ENDED);
	assert_int_equal(model.step.group, 3);
	own->refaults += 1000;
	go_on(&model);
	assert_int_equal(model.step.reason, RECLAIM_REASON_REFAULTS);
}

/* Counters that move are no refaults. */
static void test_counters_move(void **state)
{
	struct model model = model_make(4 * GIB);
	struct model_group *dead = model_add(&model, RECLAIM_DEAD, 500, 0, 0);
	struct model_group *live = model_add(&model, RECLAIM_LIVE, 0, 100, 0);

	(void)state;
	live->refaults = 100000;
	model_call(&model, RECLAIM_EVENT_NONE);
	model_call(&model, RECLAIM_EVENT_ENDED);
	/* A container ends: it leaves its count to the dead. */
	dead->refaults += live->refaults;
	live->refaults = 0;
	live->id += 50;
	go_on(&model);
	assert_int_equal(model.step.action, RECLAIM_TAKE);
	/* One that was too small to be looked at has grown: it brings its count along. */
	model_add(&model, RECLAIM_LIVE, 0, 100, 0)->refaults = 50000;
	assert_int_equal(model_finish(&model), RECLAIM_REASON_NOTHING);
	assert_true(model_cache(dead) < 20 * MIB);
}

static void test_floor_of_the_dead_goes_with_the_container(void **state)
{
	struct model model = model_make(4 * GIB);
	struct model_group *dead = model_add(&model, RECLAIM_DEAD, 100, 300, 300);
	struct model_group *live = model_add(&model, RECLAIM_LIVE, 0, 100, 0);

	(void)state;
	assert_int_equal(model_episode(&model, RECLAIM_EVENT_ENDED), RECLAIM_REASON_REFAULTS);
	model_pass(&model, SECONDS(5));
	/* One that came later says nothing. */
	model_add(&model, RECLAIM_LIVE, 0, 50, 0);
	model_call(&model, RECLAIM_EVENT_NONE);
	model.groups--;
	assert_int_equal(model_episode(&model, RECLAIM_EVENT_ENDED), RECLAIM_REASON_NOTHING);
	/* The one whose working set it was: nobody wants it any more. */
	live->id += 50;
	dead->active_cold = model_cache(dead);
	dead->active_hot = dead->inactive_hot = dead->inactive_cold = 0;
	assert_int_equal(model_episode(&model, RECLAIM_EVENT_ENDED), RECLAIM_REASON_NOTHING);
	assert_true(model_cache(dead) < 20 * MIB);
}

/* A container that does not fit into its own limit has refaults all the time: what is surely cold is taken all the same. */
static void test_usual_refaults(void **state)
{
	(void)state;
	for (unsigned int usual = 0; usual < 2; usual++) {
		struct model model = model_make(4 * GIB);
		struct model_group *dead = model_add(&model, RECLAIM_DEAD, 1000, 0, 0);

		model_add(&model, RECLAIM_LIVE, 0, 100, 0)->refaults_per_second = 3000;
		model_call(&model, RECLAIM_EVENT_TICK);
		if (usual == 1) {
			model_pass(&model, SECONDS(30));
			model_call(&model, RECLAIM_EVENT_TICK);
		} else {
			model_pass(&model, SECONDS(300));
			model.state.looked_us = 0;
		}
		model_episode(&model, RECLAIM_EVENT_ENDED);
		assert_int_equal(model_cache(dead) < 500 * MIB, usual == 1);
	}
}

static void test_lru_gen(void **state)
{
	struct model model = model_make(4 * GIB);
	struct model_group *dead = model_add(&model, RECLAIM_DEAD, 500, 0, 0);

	(void)state;
	model.facts.abilities.lru_gen = true;
	model_call(&model, RECLAIM_EVENT_ENDED);
	assert_int_equal(model.step.bytes, 16 * MIB);
	go_on(&model);
	assert_int_equal(model.step.bytes, 16 * MIB);
	/* It is read again, and nothing counts that. */
	model_call(&model, RECLAIM_EVENT_NONE);
	dead->active_cold += 8 * MIB;
	model_call(&model, RECLAIM_EVENT_NONE);
	assert_int_equal(model.step.reason, RECLAIM_REASON_REFAULTS);
}

/* --- guards: pressure ------------------------------------------------------------------------------------------- */

static void test_pressure(void **state)
{
	static const unsigned int pauses[] = {2, 4, 8, 16, 32, 60, 60};
	struct model model = model_make(4 * GIB);
	struct model_group *dead = model_add(&model, RECLAIM_DEAD, 100, 1000, 0);
	uint64_t begun_us;

	(void)state;
	model_add(&model, RECLAIM_LIVE, 300, 0, 0);
	model_call(&model, RECLAIM_EVENT_ENDED);
	go_on(&model);
	model.stall_permille = 50;
	model_pass(&model, SECONDS(1));
	model_call(&model, RECLAIM_EVENT_NONE);
	begun_us = model.facts.now_us;
	/* First what the step did is seen. */
	assert_int_equal(model.step.reason, RECLAIM_REASON_PRESSURE);
	assert_int_equal(model.step.again_us, begun_us + USEC_PER_SEC / 4);
	model_pass(&model, USEC_PER_SEC / 4);
	model_call(&model, RECLAIM_EVENT_NONE);
	for (unsigned int i = 0; i < ARRAY_SIZE(pauses); i++) {
		assert_int_equal(model.step.reason, RECLAIM_REASON_PRESSURE);
		assert_int_equal(model.step.again_us, begun_us + SECONDS(pauses[i]));
		/* Asked earlier, and told of more: no other answer. */
		model_pass(&model, SECONDS(1));
		model_call(&model, RECLAIM_EVENT_STALL);
		assert_int_equal(model.step.again_us, begun_us + SECONDS(pauses[i]));
		model_pass(&model, begun_us + SECONDS(pauses[i]) - model.facts.now_us);
		model_call(&model, RECLAIM_EVENT_NONE);
		begun_us = model.facts.now_us;
	}
	assert_false(model.state.working);
	assert_int_equal(model.step.reason, RECLAIM_REASON_PRESSURE);
	/* Only the one step that was before it. */
	assert_int_equal(model.takes, 1);
	assert_true(model_cache(dead) >= 1036 * MIB);
	/* Tried again when somebody is awake, not at once. */
	model.stall_permille = 0;
	model_pass(&model, SECONDS(60));
	model_episode(&model, RECLAIM_EVENT_TICK);
	assert_int_equal(model.takes, 1);
	model_pass(&model, SECONDS(60));
	model_episode(&model, RECLAIM_EVENT_TICK);
	assert_true(model_cache(dead) < 20 * MIB);
}

/* What is surely cold goes on, one step a pause; nothing else does. */
static void test_steady_pressure(void **state)
{
	struct model model = model_make(8 * GIB);
	struct model_group *dead = model_add(&model, RECLAIM_DEAD, 1500, 200, 0);
	struct model_group *own = model_add(&model, RECLAIM_ENGINE, 500, 0, 0);

	(void)state;
	model.stall_permille = 50;
	assert_int_equal(model_episode(&model, RECLAIM_EVENT_ENDED), RECLAIM_REASON_PRESSURE);
	assert_int_equal(model_cache(own), 500 * MIB);
	assert_in_range(model.takes, 3, 8);
	assert_true(model_cache(dead) < 700 * MIB);
	/* As soon as it is over, everything. */
	model.stall_permille = 0;
	model_episode(&model, RECLAIM_EVENT_ENDED);
	assert_true(model_cache(dead) < 20 * MIB && model_cache(own) < 140 * MIB);
}

static uint64_t taken_under(unsigned int permille, bool psi)
{
	struct model model = model_make(8 * GIB);

	model_add(&model, RECLAIM_DEAD, 700, 900, 200);
	model_add(&model, RECLAIM_ENGINE, 500, 100, 0);
	model_add(&model, RECLAIM_LIVE, 500, 100, 100);
	model.stall_permille = permille;
	model.facts.abilities.psi = psi;
	model_episode(&model, RECLAIM_EVENT_ENDED);
	return model.group[0].taken + model.group[1].taken + model.group[2].taken;
}

/* More pressure, never more reclaim. */
static void test_pressure_is_monotone(void **state)
{
	uint64_t before = taken_under(0, true);

	(void)state;
	assert_int_equal(taken_under(9, true), before);
	assert_true(taken_under(11, true) < before);
	for (unsigned int permille = 1; permille <= 1000; permille += 3) {
		uint64_t now = taken_under(permille, true);

		assert_true(now <= before);
		before = now;
	}
	assert_int_equal(taken_under(500, false), taken_under(0, true));
}

static void test_stall_event(void **state)
{
	struct model model = model_make(4 * GIB);
	struct model_group *dead = model_add(&model, RECLAIM_DEAD, 1000, 0, 0);
	uint64_t now_us;

	(void)state;
	model_look(&model);
	model.facts.event = RECLAIM_EVENT_ENDED;
	reclaim_policy(&model.state, &model.facts, &model.step);
	assert_int_equal(model.step.action, RECLAIM_TAKE);
	now_us = model.facts.now_us;
	/* In the middle of the step, which is then interrupted: that does not mean that nothing is there. */
	model.facts.event = RECLAIM_EVENT_STALL;
	reclaim_policy(&model.state, &model.facts, &model.step);
	assert_int_equal(model.step.action, RECLAIM_WAIT);
	model.facts.event = RECLAIM_EVENT_NONE;
	model.facts.result = (struct reclaim_result){.fresh = true, .error = -ECANCELED};
	reclaim_policy(&model.state, &model.facts, &model.step);
	assert_int_equal(model.step.reason, RECLAIM_REASON_PRESSURE);
	assert_int_equal(model.step.again_us, now_us + SECONDS(2));
	model.facts.result.fresh = false;
	model_pass(&model, SECONDS(2));
	model_episode(&model, RECLAIM_EVENT_NONE);
	assert_true(model_cache(dead) < 20 * MIB);
}

/* As the agent tells it: the step is killed first, and its result comes together with the news. */
static void test_stall_with_the_result(void **state)
{
	struct model model = model_make(4 * GIB);
	struct model_group *dead = model_add(&model, RECLAIM_DEAD, 1000, 0, 0);

	(void)state;
	model_look(&model);
	model.facts.event = RECLAIM_EVENT_ENDED;
	reclaim_policy(&model.state, &model.facts, &model.step);
	assert_int_equal(model.step.action, RECLAIM_TAKE);
	model.facts.event = RECLAIM_EVENT_STALL;
	model.facts.result = (struct reclaim_result){.fresh = true, .error = -ECANCELED};
	reclaim_policy(&model.state, &model.facts, &model.step);
	assert_int_equal(model.step.reason, RECLAIM_REASON_PRESSURE);
	model.facts.result.fresh = false;
	model_pass(&model, SECONDS(2));
	model_episode(&model, RECLAIM_EVENT_NONE);
	assert_true(model_cache(dead) < 20 * MIB);
}

/* A container that is too large for its limit is throttled, and has refaults of its own. A pause is long: what comes back
 * in it is not the last step's doing. */
static void test_a_pause_is_no_watch(void **state)
{
	struct model model = model_make(4 * GIB);
	struct model_group *dead = model_add(&model, RECLAIM_DEAD, 1000, 0, 0);

	(void)state;
	model_add(&model, RECLAIM_LIVE, 100, 100, 0)->refaults_per_second = 500;
	model_call(&model, RECLAIM_EVENT_ENDED);
	assert_int_equal(model.step.action, RECLAIM_TAKE);
	model.stall_permille = 200;
	model_pass(&model, SECONDS(1) / 4);
	model_call(&model, RECLAIM_EVENT_STALL);
	model_finish(&model);
	assert_true(model.takes > 3);
	assert_int_equal(model.step.reason, RECLAIM_REASON_PRESSURE);
	assert_int_equal(reclaim_floor(&model.state, &model.facts.limits, dead->id), 16 * MIB);
}

/* --- steps ------------------------------------------------------------------------------------------------------ */

static void test_flush(void **state)
{
	struct model model = model_make(4 * GIB);
	struct model_group *dead = model_add(&model, RECLAIM_DEAD, 400, 0, 0);
	struct model_group *live = model_add(&model, RECLAIM_LIVE, 400, 0, 0);
	uint64_t begun_us = model.facts.now_us;

	(void)state;
	/* A container that writes is no reason. */
	live->dirty = 400 * MIB;
	dead->dirty = 200 * MIB;
	model.flush_error = -ECANCELED;
	model_call(&model, RECLAIM_EVENT_ENDED);
	assert_int_equal(model.step.action, RECLAIM_FLUSH);
	model_call(&model, RECLAIM_EVENT_NONE);
	while (model.step.action == RECLAIM_WAIT) {
		assert_int_equal(model.step.reason, RECLAIM_REASON_WRITING);
		model_pass(&model, model.step.again_us - model.facts.now_us);
		model_call(&model, RECLAIM_EVENT_NONE);
	}
	assert_in_range(model.facts.now_us - begun_us, SECONDS(5), SECONDS(6));
	/* Without it then, but for what is dirty. */
	assert_int_equal(model_finish(&model), RECLAIM_REASON_NOTHING);
	assert_in_range(model_cache(dead), 200 * MIB, 204 * MIB);
	assert_int_equal(model.flushes, 1);
	model.flush_error = 0;
	model_pass(&model, begun_us + SECONDS(9) - model.facts.now_us);
	model_call(&model, RECLAIM_EVENT_ENDED);
	assert_int_equal(model.flushes, 1);
	model_pass(&model, SECONDS(1));
	model_episode(&model, RECLAIM_EVENT_ENDED);
	assert_int_equal(model.flushes, 2);
	assert_true(model_cache(dead) < 20 * MIB);
}

static void test_little_dirt(void **state)
{
	struct model model = model_make(4 * GIB);

	(void)state;
	model_add(&model, RECLAIM_DEAD, 400, 0, 0)->dirty = 32 * MIB;
	model_episode(&model, RECLAIM_EVENT_ENDED);
	assert_int_equal(model.flushes, 0);
}

static void test_compaction(void **state)
{
	struct model model = model_make(2 * GIB);

	(void)state;
	model_add(&model, RECLAIM_DEAD, 0, 0, 0);
	model.facts.stranded = 100 * MIB;
	model_episode(&model, RECLAIM_EVENT_ENDED);
	assert_int_equal(model.compactions, 0);
	model.facts.stranded = 800 * MIB;
	model.compaction_gives = 600 * MIB;
	model.facts.abilities.compaction = false;
	model_episode(&model, RECLAIM_EVENT_ENDED);
	assert_int_equal(model.compactions, 0);
	model.facts.abilities.compaction = true;
	model_episode(&model, RECLAIM_EVENT_ENDED);
	assert_int_equal(model.compactions, 1);
	assert_int_equal(model.facts.stranded, 200 * MIB);
	/* What it left is what it cannot help. */
	model_pass(&model, SECONDS(60));
	model.facts.stranded = 290 * MIB;
	model_episode(&model, RECLAIM_EVENT_ENDED);
	assert_int_equal(model.compactions, 1);
	model.facts.stranded = 310 * MIB;
	model.compaction_gives = 2 * MIB;
	model_episode(&model, RECLAIM_EVENT_ENDED);
	assert_int_equal(model.compactions, 2);
	/* Not soon again, also when more has come. */
	model.facts.stranded = 600 * MIB;
	model_episode(&model, RECLAIM_EVENT_ENDED);
	assert_int_equal(model.compactions, 2);
	model_pass(&model, SECONDS(31));
	/* Gone by itself, and come again: that is something else. */
	model.facts.stranded = 10 * MIB;
	model_episode(&model, RECLAIM_EVENT_ENDED);
	model.facts.stranded = 180 * MIB;
	model_episode(&model, RECLAIM_EVENT_ENDED);
	assert_int_equal(model.compactions, 3);
}

/* What a container that lives on gives lies between what it keeps: the compaction before does not help that, nor is there
 * a reason to wait. */
static void test_compaction_after_the_living(void **state)
{
	struct model model = model_make(2 * GIB);

	(void)state;
	model_add(&model, RECLAIM_DEAD, 0, 0, 0);
	model_add(&model, RECLAIM_LIVE, 200, 0, 0);
	model.facts.stranded = 300 * MIB;
	model.compaction_gives = 280 * MIB;
	model_episode(&model, RECLAIM_EVENT_ENDED);
	assert_int_equal(model.compactions, 1);
	model_pass(&model, SECONDS(11));
	model.takes_strand = true;
	model.compaction_gives = 90 * MIB;
	model_episode(&model, RECLAIM_EVENT_TICK);
	assert_in_range(model_cache(&model.group[1]), 0, 20 * MIB);
	assert_int_equal(model.compactions, 2);
	assert_in_range(model.facts.stranded, 100 * MIB, 130 * MIB);
	/* Once, and after them: what it left is what it cannot help. */
	model_episode(&model, RECLAIM_EVENT_ENDED);
	assert_int_equal(model.compactions, 2);
}

/* Of much not only in the end. */
static void test_compaction_among_the_living(void **state)
{
	struct model model = model_make(2 * GIB);
	unsigned int first = 0;

	(void)state;
	model_add(&model, RECLAIM_DEAD, 0, 0, 0);
	model_add(&model, RECLAIM_LIVE, 800, 0, 0);
	model_calm(&model);
	model.takes_strand = true;
	model.compaction_gives = GIB;
	model_call(&model, RECLAIM_EVENT_ENDED);
	while (model.state.working) {
		if (model.compactions == 0)
			first = model.takes;
		go_on(&model);
	}
	assert_in_range(model.compactions, 2, 3);
	assert_true(first < model.takes);
	assert_in_range(model.facts.stranded, 0, 102 * MIB);
}

/* Who was at work when an episode ended is looked at once more, when he may be calm. */
static void test_who_becomes_calm(void **state)
{
	struct model model = model_make(4 * GIB);
	struct model_group *live;
	uint64_t ended_us;

	(void)state;
	model_add(&model, RECLAIM_DEAD, 0, 0, 0);
	live = model_add(&model, RECLAIM_LIVE, 300, 0, 0);
	model_add(&model, RECLAIM_LIVE, 300, 0, 0)->id = 0; /* gone while it was looked at */
	model_episode(&model, RECLAIM_EVENT_ENDED);
	ended_us = model.facts.now_us;
	assert_int_equal(live->taken, 0);
	assert_in_range(model.step.again_us, ended_us + SECONDS(4), ended_us + SECONDS(10));
	/* Asked before: no other answer. */
	model_call(&model, RECLAIM_EVENT_NONE);
	assert_in_range(model.step.again_us, ended_us + SECONDS(4), ended_us + SECONDS(10));
	/* He works on: nobody comes again. */
	model_pass(&model, model.step.again_us - model.facts.now_us);
	live->cpu_us += SECONDS(8);
	model_call(&model, RECLAIM_EVENT_NONE);
	assert_false(model.state.working);
	assert_int_equal(model.step.again_us, 0);
	/* The next time he does not. */
	model_episode(&model, RECLAIM_EVENT_ENDED);
	model_pass(&model, model.step.again_us - model.facts.now_us);
	model_call(&model, RECLAIM_EVENT_NONE);
	assert_true(model.state.working);
	model_finish(&model);
	assert_in_range(model_cache(live), 0, 20 * MIB);
	assert_int_equal(model.step.again_us, 0);
}

/* One that was ended early has not shown that it cannot help. */
static void test_compaction_that_is_interrupted(void **state)
{
	struct model model = model_make(2 * GIB);

	(void)state;
	model_add(&model, RECLAIM_DEAD, 0, 0, 0);
	model.facts.stranded = 600 * MIB;
	model_look(&model);
	model.facts.event = RECLAIM_EVENT_ENDED;
	reclaim_policy(&model.state, &model.facts, &model.step);
	assert_int_equal(model.step.action, RECLAIM_COMPACT);
	model_pass(&model, USEC_PER_SEC / 100);
	model.facts.result = (struct reclaim_result){.fresh = true, .error = -ECANCELED};
	model_episode(&model, RECLAIM_EVENT_STALL);
	assert_int_equal(model.compactions, 0);
	model.compaction_gives = 500 * MIB;
	model_pass(&model, SECONDS(31));
	model_episode(&model, RECLAIM_EVENT_TICK);
	assert_int_equal(model.compactions, 1);
	/* At its deadline it has. */
	model_pass(&model, SECONDS(31));
	model.facts.stranded = 600 * MIB;
	model_look(&model);
	model.facts.event = RECLAIM_EVENT_TICK;
	reclaim_policy(&model.state, &model.facts, &model.step);
	assert_int_equal(model.step.action, RECLAIM_COMPACT);
	model_pass(&model, model.step.deadline_us - model.facts.now_us);
	model.facts.result = (struct reclaim_result){.fresh = true, .error = -ECANCELED};
	model_episode(&model, RECLAIM_EVENT_NONE);
	model_pass(&model, SECONDS(31));
	model_episode(&model, RECLAIM_EVENT_TICK);
	assert_int_equal(model.compactions, 1);
}

/* A container that lives on gave it up: no event tells. */
static void test_compaction_without_event(void **state)
{
	struct model model = model_make(2 * GIB);

	(void)state;
	model_add(&model, RECLAIM_DEAD, 0, 0, 0);
	model_episode(&model, RECLAIM_EVENT_ENDED);
	model.facts.stranded = 800 * MIB;
	model.compaction_gives = 600 * MIB;
	model_pass(&model, SECONDS(30));
	for (unsigned int i = 0; i < 3; i++) {
		model_episode(&model, RECLAIM_EVENT_TICK);
		assert_int_equal(model.compactions, 1);
		model_pass(&model, SECONDS(31));
	}
}

static void test_who_gives_nothing(void **state)
{
	struct model model = model_make(4 * GIB);

	(void)state;
	model_add(&model, RECLAIM_DEAD, 400, 400, 0);
	model_add(&model, RECLAIM_ENGINE, 400, 0, 0);
	model.take_error = -EIO;
	assert_int_equal(model_episode(&model, RECLAIM_EVENT_ENDED), RECLAIM_REASON_NOTHING);
	assert_int_equal(model.takes, 2);
	model_episode(&model, RECLAIM_EVENT_TICK);
	assert_int_equal(model.takes, 2);
	model.take_error = 0;
	model_episode(&model, RECLAIM_EVENT_ENDED);
	assert_true(model_cache(&model.group[0]) < 20 * MIB);
}

/* An interrupted step that took nothing: too slow to go on with, if it was not for pressure. An idle container that gives
 * nothing is no reason for an episode. */
static void test_too_slow(void **state)
{
	struct model model = model_make(4 * GIB);

	(void)state;
	model_add(&model, RECLAIM_DEAD, 0, 0, 0);
	model_add(&model, RECLAIM_LIVE, 400, 0, 0);
	model.take_error = -ECANCELED;
	model_call(&model, RECLAIM_EVENT_NONE);
	for (unsigned int i = 0; i < 20; i++) {
		model_pass(&model, SECONDS(60));
		model_episode(&model, RECLAIM_EVENT_TICK);
	}
	assert_int_equal(model.takes, 1);
}

/* A kernel that says yes and does nothing, or does more than it can: it ends. */
static void test_it_ends(void **state)
{
	struct model model = model_make(64 * GIB);

	(void)state;
	model.facts.abilities.lru_gen = true;
	model_add(&model, RECLAIM_DEAD, 200 * 1024, 0, 0);
	model.take_pretends = true;
	assert_int_equal(model_episode(&model, RECLAIM_EVENT_ENDED), RECLAIM_REASON_NOTHING);
	assert_int_equal(model.takes, 4096);
	model.facts.abilities.lru_gen = false;
	model.takes = 0;
	model_episode(&model, RECLAIM_EVENT_ENDED);
	assert_true(model.takes < 1000);
}

static void test_lost_result(void **state)
{
	struct model model = model_make(4 * GIB);

	(void)state;
	model_add(&model, RECLAIM_DEAD, 400, 0, 0);
	model_look(&model);
	model.facts.event = RECLAIM_EVENT_ENDED;
	reclaim_policy(&model.state, &model.facts, &model.step);
	assert_int_equal(model.step.action, RECLAIM_TAKE);
	model_call(&model, RECLAIM_EVENT_NONE);
	assert_int_equal(model.step.reason, RECLAIM_REASON_SETTLING);
	model_pass(&model, model.step.again_us - model.facts.now_us);
	model_call(&model, RECLAIM_EVENT_NONE);
	assert_false(model.state.working);
	assert_int_equal(model.takes, 0);
}

static void test_grown(void **state)
{
	struct model model = model_make(4 * GIB);
	struct model_group *own;

	(void)state;
	model_add(&model, RECLAIM_DEAD, 0, 0, 0);
	own = model_add(&model, RECLAIM_ENGINE, 200, 0, 0);
	model_episode(&model, RECLAIM_EVENT_TICK);
	assert_int_equal(model.takes, 0);
	model_episode(&model, RECLAIM_EVENT_ENDED);
	own->inactive_cold += 64 * MIB;
	model_episode(&model, RECLAIM_EVENT_TICK);
	assert_in_range(model_cache(own), 190 * MIB, 200 * MIB);
	own->inactive_cold += 4 * MIB;
	model_episode(&model, RECLAIM_EVENT_TICK);
	assert_in_range(model_cache(own), 128 * MIB, 132 * MIB);
	/* 5 % of much is more. */
	own->active_cold += 3000 * MIB;
	model_episode(&model, RECLAIM_EVENT_ENDED);
	own->inactive_cold += 130 * MIB;
	model.takes = 0;
	model_episode(&model, RECLAIM_EVENT_TICK);
	assert_int_equal(model.takes, 0);
}

/* --- requests and the target ------------------------------------------------------------------------------------ */

static struct model with_container(void)
{
	struct model model = model_make(4 * GIB);

	model_add(&model, RECLAIM_DEAD, 100, 0, 0);
	model_add(&model, RECLAIM_LIVE, 100, 300, 0);
	return model;
}

static void test_request(void **state)
{
	struct model model = with_container();

	(void)state;
	/* No request at all. */
	model_episode(&model, RECLAIM_EVENT_REQUEST);
	assert_int_equal(model.takes, 0);
	request(&model, 50 * MIB, SECONDS(60));
	assert_int_equal(model_episode(&model, RECLAIM_EVENT_REQUEST), RECLAIM_REASON_DONE);
	assert_in_range(model.group[0].taken, 50 * MIB, 54 * MIB);
	assert_int_equal(model.group[1].taken, 0);
	/* From containers as well, also what is not surely cold. */
	request(&model, UINT64_MAX, SECONDS(600));
	assert_int_equal(model_episode(&model, RECLAIM_EVENT_REQUEST), RECLAIM_REASON_NOTHING);
	assert_in_range(model_cache(&model.group[1]), 16 * MIB, 20 * MIB);
	/* Nothing is left of it. */
	assert_int_equal(model_episode(&model, RECLAIM_EVENT_TICK), RECLAIM_REASON_NOTHING);
}

static void test_request_ends(void **state)
{
	struct model model = with_container();

	(void)state;
	/* Its time. */
	request(&model, UINT64_MAX, SECONDS(3));
	assert_int_equal(model_episode(&model, RECLAIM_EVENT_REQUEST), RECLAIM_REASON_TIME);
	assert_in_range(model.facts.now_us, MODEL_START + SECONDS(3), MODEL_START + SECONDS(4));
	/* Its client. */
	model_call(&model, RECLAIM_EVENT_NONE);
	request(&model, UINT64_MAX, SECONDS(60));
	model_call(&model, RECLAIM_EVENT_REQUEST);
	assert_int_equal(model.step.action, RECLAIM_TAKE);
	model.facts.request = 0;
	model_call(&model, RECLAIM_EVENT_NONE);
	assert_false(model.state.working);
	/* Pressure, all its time. */
	model.stall_permille = 100;
	request(&model, UINT64_MAX, SECONDS(10));
	assert_int_equal(model_episode(&model, RECLAIM_EVENT_REQUEST), RECLAIM_REASON_PRESSURE);
	assert_true(model.group[1].taken < 200 * MIB);
	/* Refaults. */
	model = with_container();
	model_add(&model, RECLAIM_LIVE, 0, 200, 200);
	request(&model, UINT64_MAX, SECONDS(600));
	assert_int_equal(model_episode(&model, RECLAIM_EVENT_REQUEST), RECLAIM_REASON_REFAULTS);
	assert_true(model.group[2].taken_hot <= 16 * MIB);
}

/* A container ends while a request is under way: the request is answered, then the rest is done. */
static void test_request_and_event(void **state)
{
	struct model model = with_container();

	(void)state;
	model_call(&model, RECLAIM_EVENT_ENDED);
	request(&model, 4 * MIB, SECONDS(60));
	model_call(&model, RECLAIM_EVENT_REQUEST);
	assert_int_equal(model_finish(&model), RECLAIM_REASON_DONE);
	assert_int_equal(model.step.again_us, model.facts.now_us);
	model.facts.request = 0;
	model_call(&model, RECLAIM_EVENT_NONE);
	model_finish(&model);
	assert_true(model_cache(&model.group[0]) < 20 * MIB);
	assert_int_equal(model.group[1].taken, 0);
}

static void test_target(void **state)
{
	struct model model = with_container();

	(void)state;
	model_call(&model, RECLAIM_EVENT_NONE);
	/* 300 of the kernel, 100 of the dead, 400 of the container: 800 are used. */
	model.facts.target = 650 * MIB;
	assert_int_equal(model_episode(&model, RECLAIM_EVENT_TICK), RECLAIM_REASON_DONE);
	model_look(&model);
	assert_in_range(reclaim_used(&model.facts), 640 * MIB, 650 * MIB);
	/* Held. */
	model.group[0].inactive_cold += 40 * MIB;
	assert_int_equal(model_episode(&model, RECLAIM_EVENT_TICK), RECLAIM_REASON_DONE);
	/* Out of reach: not tried again for some minutes, a new one is. */
	model.facts.target = 200 * MIB;
	assert_int_equal(model_episode(&model, RECLAIM_EVENT_TICK), RECLAIM_REASON_NOTHING);
	model.group[1].active_cold += 40 * MIB;
	model.takes = 0;
	model_episode(&model, RECLAIM_EVENT_TICK);
	assert_int_equal(model.takes, 0);
	model.facts.target = 201 * MIB;
	model_episode(&model, RECLAIM_EVENT_TICK);
	assert_true(model.takes > 0);
	model.group[1].active_cold += 40 * MIB;
	model.takes = 0;
	model_pass(&model, SECONDS(301));
	model_episode(&model, RECLAIM_EVENT_TICK);
	assert_true(model.takes > 0);
	/* Taken back in the middle. */
	model = with_container();
	model.facts.target = 500 * MIB;
	model_call(&model, RECLAIM_EVENT_TICK);
	assert_true(model.state.working);
	model.facts.target = 0;
	model_call(&model, RECLAIM_EVENT_NONE);
	assert_false(model.state.working);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_dead),
	cmocka_unit_test(test_nothing),
	cmocka_unit_test(test_order),
	cmocka_unit_test(test_own_keeps_what_was_aimed_at),
	cmocka_unit_test(test_own_gives_after_a_removal),
	cmocka_unit_test(test_idle_container),
	cmocka_unit_test(test_calm_container),
	cmocka_unit_test(test_busy_container),
	cmocka_unit_test(test_hot),
	cmocka_unit_test(test_grows_back),
	cmocka_unit_test(test_restart),
	cmocka_unit_test(test_restart_in_a_long_episode),
	cmocka_unit_test(test_restarted),
	cmocka_unit_test(test_floor_ends),
	cmocka_unit_test(test_whose_refaults),
	cmocka_unit_test(test_counters_move),
	cmocka_unit_test(test_floor_of_the_dead_goes_with_the_container),
	cmocka_unit_test(test_usual_refaults),
	cmocka_unit_test(test_lru_gen),
	cmocka_unit_test(test_pressure),
	cmocka_unit_test(test_steady_pressure),
	cmocka_unit_test(test_pressure_is_monotone),
	cmocka_unit_test(test_stall_event),
	cmocka_unit_test(test_stall_with_the_result),
	cmocka_unit_test(test_a_pause_is_no_watch),
	cmocka_unit_test(test_flush),
	cmocka_unit_test(test_little_dirt),
	cmocka_unit_test(test_compaction),
	cmocka_unit_test(test_compaction_after_the_living),
	cmocka_unit_test(test_compaction_among_the_living),
	cmocka_unit_test(test_who_becomes_calm),
	cmocka_unit_test(test_compaction_that_is_interrupted),
	cmocka_unit_test(test_compaction_without_event),
	cmocka_unit_test(test_who_gives_nothing),
	cmocka_unit_test(test_too_slow),
	cmocka_unit_test(test_it_ends),
	cmocka_unit_test(test_lost_result),
	cmocka_unit_test(test_grown),
	cmocka_unit_test(test_request),
	cmocka_unit_test(test_request_ends),
	cmocka_unit_test(test_request_and_event),
	cmocka_unit_test(test_target),
};

UNIT_TEST_MAIN(tests)
