/* SPDX-License-Identifier: MIT
 *
 * test_reclaim_modes.c - WSL's two modes against the sequence that is documented, `off`, and a kernel without memory.reclaim;
 * what may be taken from a group, and what its floor is.
 */
#include "tests/unit/reclaim_model.h"

#define GIB (1024 * MIB)

#define SAMPLE_US SECONDS(10)

static struct model wsl_model(enum memory_mode mode)
{
	struct model model = model_make(16 * GIB);

	model.facts.mode = mode;
	model_add(&model, RECLAIM_DEAD, 2000, 0, 0);
	model_add(&model, RECLAIM_LIVE, 100, 0, 0);
	return model;
}

/* Two processors, busy for so many parts of a thousand. */
static void sample(struct model *model, unsigned int permille)
{
	if (model->step.again_us > model->facts.now_us)
		model_pass(model, model->step.again_us - model->facts.now_us);
	model->facts.cpu_total_us += 2 * SAMPLE_US;
	model->facts.cpu_busy_us += 2 * SAMPLE_US * permille / 1000;
	model_call(model, RECLAIM_EVENT_NONE);
}

/* The two minutes, and the first look, which has nothing to compare with. */
static void become_idle(struct model *model)
{
	for (unsigned int i = 0; i < 12; i++) {
		sample(model, 5);
		assert_int_equal(model->step.action, RECLAIM_WAIT);
		assert_int_equal(model->step.reason, RECLAIM_REASON_BUSY);
		assert_int_equal(model->step.again_us, model->facts.now_us + SAMPLE_US);
	}
	sample(model, 5);
}

static void expect_compaction(struct model *model)
{
	/* Our own work is none of the VM's. */
	model->facts.cpu_busy_us += SECONDS(3);
	model->facts.cpu_total_us += SECONDS(3);
	model_call(model, RECLAIM_EVENT_NONE);
	assert_int_equal(model->step.action, RECLAIM_COMPACT);
	model->facts.cpu_busy_us += SECONDS(3);
	model->facts.cpu_total_us += SECONDS(3);
	model_call(model, RECLAIM_EVENT_NONE);
	assert_int_equal(model->step.action, RECLAIM_WAIT);
	assert_false(model->state.working);
}

static void test_dropcache(void **state)
{
	struct model model = wsl_model(MEMORY_MODE_DROPCACHE);

	(void)state;
	become_idle(&model);
	assert_int_equal(model.step.action, RECLAIM_DROP);
	expect_compaction(&model);
	/* Once. */
	for (unsigned int i = 0; i < 30; i++) {
		sample(&model, 4);
		assert_int_equal(model.step.action, RECLAIM_WAIT);
		assert_int_equal(model.step.reason, RECLAIM_REASON_NOTHING);
	}
	/* A short burst does not end the idle period. */
	sample(&model, 7);
	assert_int_equal(model.step.reason, RECLAIM_REASON_BUSY);
	sample(&model, 0);
	assert_int_equal(model.step.reason, RECLAIM_REASON_NOTHING);
	assert_int_equal(model.drops, 1);
}

static void test_idle_periods(void **state)
{
	struct model model = wsl_model(MEMORY_MODE_DROPCACHE);

	(void)state;
	become_idle(&model);
	expect_compaction(&model);
	assert_int_equal(model.drops, 1);
	sample(&model, 500);
	/* As long as the burst is in the window. */
	for (unsigned int i = 0; i < 11; i++) {
		sample(&model, 0);
		assert_int_equal(model.step.reason, RECLAIM_REASON_BUSY);
	}
	sample(&model, 0);
	assert_int_equal(model.step.action, RECLAIM_DROP);
	/* Without compaction there is nothing after it. */
	model.facts.abilities.compaction = false;
	model_call(&model, RECLAIM_EVENT_NONE);
	assert_int_equal(model.step.action, RECLAIM_WAIT);
	/* One container with steady work, and nothing is ever done. */
	for (unsigned int i = 0; i < 1000; i++) {
		sample(&model, 6);
		assert_int_equal(model.step.action, RECLAIM_WAIT);
	}
}

static void test_gradual(void **state)
{
	struct model model = wsl_model(MEMORY_MODE_GRADUAL);
	uint64_t cache = 2100 * MIB;

	(void)state;
	become_idle(&model);
	for (; cache > 128 * MIB; sample(&model, 0)) {
		uint64_t bytes = reclaim_min(cache - 128 * MIB, 512 * MIB);

		assert_int_equal(model.step.action, RECLAIM_TAKE_ROOT);
		assert_int_equal(model.step.bytes, bytes);
		model.group[0].inactive_cold -= reclaim_min(bytes, model.group[0].inactive_cold);
		cache -= bytes;
		if (cache == 128 * MIB)
			model.group[0].inactive_cold = 28 * MIB;
		expect_compaction(&model);
	}
	assert_int_equal(model.step.action, RECLAIM_WAIT);
	assert_int_equal(model.step.reason, RECLAIM_REASON_NOTHING);
	/* No events in between. */
	model.group[0].inactive_cold = 2000 * MIB;
	model_call(&model, RECLAIM_EVENT_ENDED);
	assert_int_equal(model.step.action, RECLAIM_WAIT);
	assert_true(model.step.again_us > model.facts.now_us);
}

static void test_gradual_limits(void **state)
{
	static const uint64_t total_gib[] = {1, 8, 16, 32, 64},
			      step_mib[] = {256, 256, 512, 1024, 1024};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(total_gib); i++) {
		struct model model = wsl_model(MEMORY_MODE_GRADUAL);

		model.facts.total = total_gib[i] * GIB;
		become_idle(&model);
		assert_int_equal(model.step.action, RECLAIM_TAKE_ROOT);
		assert_int_equal(model.step.bytes, step_mib[i] * MIB);
	}
	/* Without memory.reclaim it drops caches. */
	struct model model = wsl_model(MEMORY_MODE_GRADUAL);

	model.facts.abilities.reclaim = false;
	become_idle(&model);
	assert_int_equal(model.step.action, RECLAIM_DROP);
}

/* With nothing to take, memory is compacted once all the same. */
static void test_gradual_compacts_once(void **state)
{
	struct model model = wsl_model(MEMORY_MODE_GRADUAL);

	(void)state;
	model.group[0].inactive_cold = 0;
	become_idle(&model);
	assert_int_equal(model.step.action, RECLAIM_COMPACT);
	for (unsigned int i = 0; i < 10; i++) {
		sample(&model, 0);
		assert_int_equal(model.step.action, RECLAIM_WAIT);
	}
	model = wsl_model(MEMORY_MODE_GRADUAL);
	model.group[0].inactive_cold = 0;
	model.facts.abilities.compaction = false;
	become_idle(&model);
	assert_int_equal(model.step.action, RECLAIM_WAIT);
	assert_int_equal(model.step.reason, RECLAIM_REASON_NOTHING);
}

static void test_wsl_lost_result(void **state)
{
	struct model model = wsl_model(MEMORY_MODE_GRADUAL);
	struct reclaim_facts *facts = &model.facts;

	(void)state;
	become_idle(&model);
	facts->result.fresh = false;
	reclaim_policy(&model.state, facts, &model.step);
	assert_int_equal(model.step.reason, RECLAIM_REASON_SETTLING);
	facts->now_us = model.step.again_us;
	reclaim_policy(&model.state, facts, &model.step);
	assert_int_equal(model.step.action, RECLAIM_COMPACT);
}

/* Somebody who asks gets what `adaptive` can do, and the samples go on. */
static void test_wsl_request(void **state)
{
	struct model model = wsl_model(MEMORY_MODE_DROPCACHE);

	(void)state;
	sample(&model, 0);
	model.facts.request = 100 * MIB;
	model.facts.request_until_us = model.facts.now_us + SECONDS(60);
	assert_int_equal(model_episode(&model, RECLAIM_EVENT_REQUEST), RECLAIM_REASON_DONE);
	assert_in_range(model.group[0].taken, 100 * MIB, 104 * MIB);
	assert_true(model.step.again_us >= model.facts.now_us);
	/* Only that: no event, no target. */
	model.facts.request = 0;
	model.facts.target = 100 * MIB;
	sample(&model, 0);
	model_call(&model, RECLAIM_EVENT_ENDED);
	model_call(&model, RECLAIM_EVENT_TICK);
	assert_int_equal(model.step.reason, RECLAIM_REASON_BUSY);
}

/* --- off -------------------------------------------------------------------------------------------------------- */

static void test_off(void **state)
{
	struct model model = model_make(4 * GIB);

	(void)state;
	model_add(&model, RECLAIM_DEAD, 1000, 0, 0);
	model.facts.mode = MEMORY_MODE_OFF;
	model.facts.request = UINT64_MAX;
	model.facts.target = MIB;
	for (unsigned int event = 0; event <= RECLAIM_EVENT_STALL; event++) {
		model_call(&model, (enum reclaim_event)event);
		assert_int_equal(model.step.action, RECLAIM_WAIT);
		assert_int_equal(model.step.reason, RECLAIM_REASON_OFF);
		assert_int_equal(model.step.again_us, 0);
	}
}

/* Switched off in the middle of an episode, and on again: that one is forgotten. */
static void test_change(void **state)
{
	struct model model = model_make(4 * GIB);

	(void)state;
	model_add(&model, RECLAIM_DEAD, 1000, 0, 0);
	model_call(&model, RECLAIM_EVENT_ENDED);
	assert_true(model.state.working);
	model.facts.mode = MEMORY_MODE_OFF;
	model_call(&model, RECLAIM_EVENT_TICK);
	assert_false(model.state.working);
	model.facts.mode = MEMORY_MODE_ADAPTIVE;
	model_call(&model, RECLAIM_EVENT_NONE);
	assert_int_equal(model.step.action, RECLAIM_WAIT);
	assert_int_equal(model.step.again_us, 0);
}

/* --- a kernel without memory.reclaim ---------------------------------------------------------------------------- */

static void test_reduced(void **state)
{
	struct model model = model_make(4 * GIB);
	struct model_group *dead = model_add(&model, RECLAIM_DEAD, 1000, 0, 0);

	(void)state;
	model.facts.abilities.reclaim = false;
	model_add(&model, RECLAIM_LIVE, 100, 0, 0);
	model_call(&model, RECLAIM_EVENT_TICK);
	assert_int_equal(model.step.reason, RECLAIM_REASON_NOTHING);
	model_call(&model, RECLAIM_EVENT_ENDED);
	assert_int_equal(model.step.reason, RECLAIM_REASON_RUNNING);
	assert_int_equal(model.step.again_us, 0);
	/* It is remembered until the last one has gone. */
	model.groups = 1;
	model_call(&model, RECLAIM_EVENT_NONE);
	assert_int_equal(model.step.action, RECLAIM_DROP);
	dead->inactive_cold = 40 * MIB;
	model_call(&model, RECLAIM_EVENT_NONE);
	assert_int_equal(model.step.reason, RECLAIM_REASON_NOTHING);
	assert_false(model.state.working);
	/* Little is not worth it; much that has grown is. */
	model_call(&model, RECLAIM_EVENT_ENDED);
	assert_int_equal(model.step.reason, RECLAIM_REASON_NOTHING);
	dead->inactive_cold = 400 * MIB;
	model_call(&model, RECLAIM_EVENT_TICK);
	assert_int_equal(model.step.action, RECLAIM_DROP);
	assert_int_equal(model.drops, 2);
}

static void test_reduced_request(void **state)
{
	struct model model = model_make(4 * GIB);

	(void)state;
	model.facts.abilities.cgroup = false;
	model_add(&model, RECLAIM_DEAD, 1000, 0, 0);
	model_add(&model, RECLAIM_LIVE, 100, 0, 0);
	model.facts.request = UINT64_MAX;
	model_call(&model, RECLAIM_EVENT_REQUEST);
	assert_int_equal(model.step.reason, RECLAIM_REASON_RUNNING);
	assert_false(model.state.working);
}

static void test_impossible(void **state)
{
	static const int errors[] = {0, -ECANCELED, -EAGAIN, -EACCES, -EPERM, -EROFS, -ENOENT};
	const unsigned int last_harmless = 2;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(errors); i++) {
		struct model model = model_make(4 * GIB);

		model.facts.abilities.reclaim = false;
		model_add(&model, RECLAIM_DEAD, 1000, 0, 0);
		model_call(&model, RECLAIM_EVENT_ENDED);
		assert_int_equal(model.step.action, RECLAIM_DROP);
		model.facts.result = (struct reclaim_result){.fresh = true, .error = errors[i]};
		model_call(&model, RECLAIM_EVENT_ENDED);
		assert_int_equal(model.step.reason == RECLAIM_REASON_IMPOSSIBLE, i > last_harmless);
	}
}

static void test_reduced_lost_result(void **state)
{
	struct model model = model_make(4 * GIB);
	struct reclaim_facts *facts = &model.facts;

	(void)state;
	facts->abilities.reclaim = false;
	model_add(&model, RECLAIM_DEAD, 1000, 0, 0);
	model_call(&model, RECLAIM_EVENT_ENDED);
	facts->result.fresh = false;
	reclaim_policy(&model.state, facts, &model.step);
	assert_int_equal(model.step.reason, RECLAIM_REASON_SETTLING);
	facts->now_us = model.step.again_us;
	reclaim_policy(&model.state, facts, &model.step);
	assert_int_equal(model.step.reason, RECLAIM_REASON_NOTHING);
}

/* --- groups ----------------------------------------------------------------------------------------------------- */

static void test_cold(void **state)
{
	static const struct reclaim_limits limits = {.floor = 16 * MIB};
	struct reclaim_group group = {
		.inactive = 300 * MIB, .active = 200 * MIB, .slab = 100 * MIB, .dirty = 10 * MIB};

	(void)state;
	group.class = RECLAIM_DEAD;
	assert_int_equal(reclaim_cold(&group, &limits, 0), 584 * MIB);
	assert_int_equal(reclaim_cold(&group, &limits, 500 * MIB), 100 * MIB);
	group.class = RECLAIM_LIVE;
	assert_int_equal(reclaim_cold(&group, &limits, 0), 90 * MIB);
	group.old = 250 * MIB;
	assert_int_equal(reclaim_cold(&group, &limits, 0), 240 * MIB);
	group.old = 450 * MIB;
	assert_int_equal(reclaim_cold(&group, &limits, 0), 290 * MIB);
	group.class = RECLAIM_ENGINE;
	assert_int_equal(reclaim_cold(&group, &limits, 0), 340 * MIB);
	group.active = 0;
	assert_int_equal(reclaim_cold(&group, &limits, 0), 272 * MIB);
	group.class = RECLAIM_OWN;
	assert_int_equal(reclaim_cold(&group, &limits, 0), 384 * MIB);
	group.class = RECLAIM_REST;
	assert_int_equal(reclaim_cold(&group, &limits, 0), 384 * MIB);
	assert_int_equal(reclaim_cold(&group, &limits, GIB), 0);
}

/* As mm/vmscan.c has it in its comment on the list sizes: 1 below 1 GiB, 3 at 1 GiB, 10 at 10 GiB, 31 at 100 GiB. */
static void test_ratio(void **state)
{
	static const uint64_t gib[] = {1, 2, 10, 100}, ratio[] = {3, 4, 10, 31};
	static const struct reclaim_limits limits = {0};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(gib); i++) {
		uint64_t active = gib[i] * GIB / 100 * 96;
		struct reclaim_group group = {.class = RECLAIM_LIVE, .active = active};

		group.inactive = active / ratio[i] + 7 * MIB;
		assert_int_equal(reclaim_cold(&group, &limits, 0), 7 * MIB);
	}
}

static void test_floor(void **state)
{
	static const struct reclaim_limits limits = {.floor = 16 * MIB};
	struct reclaim_state policy = {0};

	(void)state;
	assert_int_equal(reclaim_floor(&policy, &limits, 7), 16 * MIB);
	assert_int_equal(reclaim_floor(&policy, &limits, 0), 16 * MIB);
	policy.known[3] = (struct reclaim_known){.id = 7, .class = RECLAIM_ENGINE};
	assert_int_equal(reclaim_floor(&policy, &limits, 7), 128 * MIB);
	reclaim_groups_learn(&policy.known[3], 200 * MIB, SECONDS(50));
	assert_int_equal(reclaim_floor(&policy, &limits, 7), 200 * MIB);
	assert_int_equal(policy.known[3].term_us, SECONDS(600));
	reclaim_groups_learn(&policy.known[3], 190 * MIB, SECONDS(700));
	assert_int_equal(policy.known[3].term_us, SECONDS(1200));
	/* Much lower: something else. */
	reclaim_groups_learn(&policy.known[3], 50 * MIB, SECONDS(2000));
	assert_int_equal(policy.known[3].term_us, SECONDS(600));
	assert_int_equal(reclaim_floor(&policy, &limits, 7), 128 * MIB);
}

/* More than there is room for, or without an id: left alone. */
static void test_too_many(void **state)
{
	static struct reclaim_facts facts;
	static struct reclaim_state policy;
	struct reclaim_step step;

	(void)state;
	facts = model_make(4 * GIB).facts;
	memset(&policy, 0, sizeof(policy));
	facts.groups = RECLAIM_GROUPS_MAX;
	for (unsigned int i = 0; i < RECLAIM_GROUPS_MAX; i++) {
		facts.group[i].class = i == 0 ? RECLAIM_DEAD : RECLAIM_LIVE;
		facts.group[i].id = i == 5 ? 0 : 1 + i;
		facts.group[i].inactive = (i == 5 ? 500 : 10 + i) * MIB;
	}
	facts.event = RECLAIM_EVENT_TICK;
	reclaim_policy(&policy, &facts, &step);
	assert_int_equal(step.action, RECLAIM_WAIT);
	facts.event = RECLAIM_EVENT_ENDED;
	facts.now_us += SECONDS(11);
	reclaim_policy(&policy, &facts, &step);
	assert_int_equal(step.action, RECLAIM_TAKE);
	assert_true(step.group != 5);
	/* All the others are new, and all who were known have gone. */
	for (unsigned int i = 0; i < RECLAIM_GROUPS_MAX; i++)
		facts.group[i].id = 1000 + i;
	facts.event = RECLAIM_EVENT_NONE;
	reclaim_policy(&policy, &facts, &step);
	for (unsigned int i = 0; i < RECLAIM_GROUPS_MAX; i++)
		assert_true(policy.known[i].id >= 1000);
}

static void test_texts(void **state)
{
	(void)state;
	assert_string_equal(reclaim_reason_text(RECLAIM_REASON_NONE), "");
	for (unsigned int i = 1; i <= RECLAIM_REASON_TIME; i++)
		assert_true(strlen(reclaim_reason_text((enum reclaim_reason)i)) > 10);
	assert_string_equal(reclaim_reason_text((enum reclaim_reason)99), "?");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_dropcache),
	cmocka_unit_test(test_idle_periods),
	cmocka_unit_test(test_gradual),
	cmocka_unit_test(test_gradual_limits),
	cmocka_unit_test(test_gradual_compacts_once),
	cmocka_unit_test(test_wsl_lost_result),
	cmocka_unit_test(test_wsl_request),
	cmocka_unit_test(test_off),
	cmocka_unit_test(test_change),
	cmocka_unit_test(test_reduced),
	cmocka_unit_test(test_reduced_request),
	cmocka_unit_test(test_impossible),
	cmocka_unit_test(test_reduced_lost_result),
	cmocka_unit_test(test_cold),
	cmocka_unit_test(test_ratio),
	cmocka_unit_test(test_floor),
	cmocka_unit_test(test_too_many),
	cmocka_unit_test(test_texts),
};

UNIT_TEST_MAIN(tests)
