/* SPDX-License-Identifier: MIT
 *
 * test_memory.c - the agent's loop around the policy, with a policy and a look of the test's own: what the policy is told,
 * when it is asked, what becomes of its steps. The steps are real writes, to plain files.
 */
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/loop_test.h"
#include "tests/unit/memory_tree.h"

#include "agent/memory/memory.h"
#include "agent/runner.h"

#define MIB (UINT64_C(1) << 20)

static struct loop loop;
static struct memory_tree tree;
static struct memory memory;
static struct facts facts;
static unsigned int changes; /* the first look is one: memory is known now */

/* ---- the look: what the test says is there ------------------------------------------------------- */

static struct reclaim_facts world;
static unsigned int looks;

void memory_paths_open(struct memory_paths *paths)
{
	*paths = tree.paths;
}

void memory_paths_close(struct memory_paths *paths)
{
	paths->root_fd = paths->base_fd = -1; /* the test's */
}

void memory_find_abilities(const struct memory_paths *paths, struct memory_abilities *abilities)
{
	(void)paths;
	*abilities = (struct memory_abilities){
		.cgroup = true, .reclaim = true, .swappiness = true, .psi = true};
}

void memory_gather(const struct memory_paths *paths, const struct memory_abilities *abilities,
	struct reclaim_facts *now, struct memory_names *names, struct memory_seen *seen)
{
	(void)paths;
	(void)abilities;
	looks++;
	now->now_us = clock_now_us();
	now->total = seen->total = world.total;
	now->free = seen->free = world.free;
	now->cache = world.cache;
	now->reportable = world.reportable;
	now->groups = world.groups;
	memcpy(now->group, world.group, sizeof(now->group));
	for (unsigned int i = 0; i < world.groups; i++)
		(void)snprintf(names->name[i], sizeof(names->name[i]), "%s",
			i == 0   ? "containers"
			: i == 1 ? "engine"
				 : "containers/" MEMORY_TREE_A);
	seen->groups = 2;
	(void)snprintf(seen->group[0].name, sizeof(seen->group[0].name), "containers");
	(void)snprintf(seen->group[1].name, sizeof(seen->group[1].name), "engine");
}

/* ---- the policy: a script ------------------------------------------------------------------------ */

struct turn {
	uint64_t bytes, again_us; /* again: from now on */
	enum reclaim_action action;
	enum reclaim_reason reason;
	unsigned int group;
	bool working;
};

static struct turn script[8];
static unsigned int turns, scripted;
static struct reclaim_facts told[8]; /* what it was told in each turn */

void reclaim_policy(struct reclaim_state *state, const struct reclaim_facts *now,
	struct reclaim_step *step)
{
	static const struct turn rest = {.reason = RECLAIM_REASON_NOTHING};
	const struct turn *turn = turns < scripted ? &script[turns] : &rest;

	if (turns < ARRAY_SIZE(told))
		told[turns] = *now;
	turns++;
	state->working = turn->working;
	*step = (struct reclaim_step){.action = turn->action,
		.reason = turn->reason,
		.group = turn->group,
		.bytes = turn->bytes,
		.again_us = turn->again_us ? now->now_us + turn->again_us : 0};
}

uint64_t reclaim_floor(const struct reclaim_state *state, const struct reclaim_limits *limits,
	uint64_t id)
{
	(void)state;
	return limits->floor + id;
}

uint64_t reclaim_cold(const struct reclaim_group *group, const struct reclaim_limits *limits,
	uint64_t floor)
{
	(void)limits;
	return group->inactive - floor;
}

const char *reclaim_reason_text(enum reclaim_reason reason)
{
	return reason == RECLAIM_REASON_NOTHING ? "nothing cold is left" : "";
}

/* ---- helpers ------------------------------------------------------------------------------------- */

static void on_changed(void *ctx)
{
	(void)ctx;
	changes++;
}

static void expect_turns(const struct turn *list, unsigned int count)
{
	memcpy(script, list, count * sizeof(*list));
	scripted = count;
	turns = 0;
}
#define SCRIPT(...)                                      \
	expect_turns((const struct turn[]){__VA_ARGS__}, \
		sizeof((const struct turn[]){__VA_ARGS__}) / sizeof(struct turn))

static int set_up(void **state)
{
	const struct memory_options options = {
		.limits = {.floor = 16 * MIB, .pressure_permille = 10, .refault_permille = 10},
		.swap = true};

	(void)state;
	memory_tree_make(&tree);
	assert_int_equal(loop_init(&loop), 0);
	memset(&facts, 0, sizeof(facts));
	memset(told, 0, sizeof(told));
	memset(&world, 0, sizeof(world));
	world.total = 2048 * MIB;
	world.free = 512 * MIB;
	world.groups = 3;
	world.group[0] = (struct reclaim_group){
		.class = RECLAIM_DEAD, .id = 1, .inactive = 100 * MIB, .slab = 28 * MIB};
	world.group[1] =
		(struct reclaim_group){.class = RECLAIM_ENGINE, .id = 2, .inactive = 64 * MIB};
	world.group[2] =
		(struct reclaim_group){.class = RECLAIM_LIVE, .id = 3, .inactive = 32 * MIB};
	changes = looks = turns = scripted = 0;
	runner_use(&(struct runner_options){
		.root_fd = tree.paths.root_fd, .base_fd = tree.paths.base_fd});
	memory_init(&memory, &loop, &options, &facts, on_changed, NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	memory_stop(&memory);
	assert_null(loop.timers);
	loop_fini(&loop);
	memory_tree_remove(&tree);
	while (waitpid(-1, NULL, 0) > 0)
		;
	return 0;
}

/* Started, and the first event is over, which the engine's coming is. */
static void begin(void)
{
	memory_start(&memory);
	LOOP_UNTIL(&loop, turns == 1);
	assert_int_equal(told[0].event, RECLAIM_EVENT_NONE);
	assert_string_equal(facts.memory_seen.waiting, "nothing cold is left");
	memory_event(&memory);
	LOOP_UNTIL(&loop, turns == 2);
	assert_int_equal(told[1].event, RECLAIM_EVENT_ENDED);
	turns = 0;
}

/* What the test knows to be asleep: no timer but those of others. */
static void expect_asleep(void)
{
	while (loop_test_step(&loop))
		;
	assert_null(loop.timers);
}

/* ---- tests --------------------------------------------------------------------------------------- */

static void test_it_begins_with_an_event_and_sleeps(void **state)
{
	(void)state;
	memory_event(&memory); /* before it was started: nothing */
	memory_tick(&memory);
	memory_look(&memory);
	assert_null(loop.timers);
	assert_int_equal(looks, 0);
	begin();
	assert_true(facts.memory_seen.known);
	assert_true(facts.memory_seen.looked_us > 0);
	assert_string_equal(facts.memory_seen.waiting, "nothing cold is left");
	assert_false(facts.memory_seen.working);
	assert_int_equal(facts.memory_seen.history, 1);
	/* Estimates come from the policy. */
	assert_int_equal(facts.memory_seen.group[0].floor, 16 * MIB + 1);
	assert_int_equal(facts.memory_seen.group[0].cold, 84 * MIB - 1);
	expect_asleep();
}

static void test_ends_are_heard_together(void **state)
{
	(void)state;
	begin();
	for (int i = 0; i < 100; i++)
		memory_event(&memory);
	LOOP_UNTIL(&loop, turns == 1);
	assert_int_equal(told[0].event, RECLAIM_EVENT_ENDED);
	expect_asleep();
	assert_int_equal(turns, 1);
	/* And not one after the other either. */
	memory_event(&memory);
	assert_true(memory.event.at_us >= memory.ended_us + 2 * USEC_PER_SEC);
}

static void test_a_step_and_what_it_gave(void **state)
{
	(void)state;
	begin();
	SCRIPT({.action = RECLAIM_TAKE, .group = 0, .bytes = 64 * MIB, .working = true},
		{.reason = RECLAIM_REASON_NOTHING});
	assert_int_equal(unlinkat(tree.paths.base_fd, "containers/memory.reclaim", 0), 0);
	assert_int_equal(mkfifoat(tree.paths.base_fd, "containers/memory.reclaim", 0600), 0);
	memory_tick(&memory);
	LOOP_UNTIL(&loop, facts.memory_seen.working);
	assert_string_equal(facts.memory_seen.waiting, "");
	assert_int_equal(told[0].event, RECLAIM_EVENT_TICK);
	/* A look from outside in the middle of it changes nothing of the result. */
	world.group[0].inactive = 60 * MIB;
	world.group[0].slab = 20 * MIB;
	memory_look(&memory);
	memory_tick(&memory);
	while (loop_test_step(&loop))
		;
	assert_int_equal(turns, 1);
	close(openat(tree.paths.base_fd, "containers/memory.reclaim", O_RDONLY | O_CLOEXEC));
	LOOP_UNTIL(&loop, turns >= 2);
	assert_true(told[1].result.fresh);
	assert_int_equal(told[1].result.took, 48 * MIB);
	assert_int_equal(told[1].event, RECLAIM_EVENT_TICK);
	assert_int_equal(facts.memory_seen.reclaimed, 48 * MIB);
	assert_int_equal(facts.memory_seen.group[0].reclaimed, 48 * MIB);
	assert_int_equal(facts.memory_seen.group[1].reclaimed, 0);
	assert_int_equal(facts.memory_seen.steps, 1);
	assert_string_equal(facts.memory_seen.last, "48 MiB from containers");
	assert_false(facts.memory_seen.working);
	expect_asleep();
	assert_false(memory.now.result.fresh);
}

static void run_step(enum reclaim_action action, unsigned int group)
{
	SCRIPT({.action = action, .group = group, .bytes = MIB, .working = true},
		{.reason = RECLAIM_REASON_NOTHING});
	memory_tick(&memory);
	LOOP_UNTIL(&loop, reclaim_worker_is_busy(&memory.worker));
}

static void test_what_each_kind_is_measured_by(void **state)
{
	struct memory_seen *seen = &facts.memory_seen;

	(void)state;
	begin();
	run_step(RECLAIM_TAKE, 2);
	world.group[2].inactive -= 2 * MIB;
	LOOP_UNTIL(&loop, turns == 2);
	assert_int_equal(told[1].result.took, 2 * MIB);
	assert_int_equal(seen->group[0].reclaimed, 2 * MIB); /* its slice */
	run_step(RECLAIM_COMPACT, 0);
	world.reportable = 70 * MIB;
	LOOP_UNTIL(&loop, turns == 2);
	assert_int_equal(told[1].result.took, 70 * MIB);
	assert_int_equal(seen->compactions, 1);
	assert_int_equal(seen->compacted, 70 * MIB);
	assert_string_equal(seen->last, "compaction: 70 MiB more can be reported");
	world.group[0].dirty = 50 * MIB;
	run_step(RECLAIM_FLUSH, 0);
	world.group[0].dirty = 10 * MIB;
	LOOP_UNTIL(&loop, turns == 2);
	assert_int_equal(told[1].result.took, 40 * MIB);
	assert_string_equal(seen->last, "40 MiB of dirty cache written");
	assert_int_equal(seen->reclaimed, 2 * MIB);
	run_step(RECLAIM_DROP, 0);
	world.group[0].inactive -= 30 * MIB;
	world.group[1].inactive -= 30 * MIB;
	LOOP_UNTIL(&loop, turns == 2);
	assert_int_equal(told[1].result.took, 60 * MIB);
	assert_string_equal(seen->last, "60 MiB of all caches dropped");
	run_step(RECLAIM_TAKE_ROOT, 0);
	world.group[0].inactive += 30 * MIB; /* it grew meanwhile */
	LOOP_UNTIL(&loop, turns == 2);
	assert_int_equal(told[1].result.took, 0);
	assert_int_equal(seen->reclaimed, 62 * MIB);
	/* Without groups (no cgroup v2) the VM's cache is what counts. */
	world.groups = 0;
	world.cache = 300 * MIB;
	run_step(RECLAIM_DROP, 0);
	world.cache = 200 * MIB;
	LOOP_UNTIL(&loop, turns == 2);
	assert_int_equal(told[1].result.took, 100 * MIB);
	assert_int_equal(seen->steps, 6);
}

static void test_a_group_that_goes_during_its_step(void **state)
{
	(void)state;
	begin();
	run_step(RECLAIM_TAKE, 2);
	world.groups = 2;
	LOOP_UNTIL(&loop, turns == 2);
	assert_int_equal(told[1].result.took, 0);
	assert_int_equal(facts.memory_seen.reclaimed, 0);
}

/* A step that cannot be begun is told as one that failed, later: never a turn that runs round and round. */
static void test_a_step_that_cannot_begin(void **state)
{
	(void)state;
	begin();
	SCRIPT({.action = RECLAIM_TAKE, .group = 9, .bytes = MIB, .working = true});
	memory_tick(&memory);
	LOOP_UNTIL(&loop, turns == 1);
	assert_true(memory.again.at_us >= told[0].now_us + USEC_PER_SEC);
	LOOP_UNTIL(&loop, turns == 2);
	assert_true(told[1].result.fresh);
	assert_int_equal(told[1].result.error, -EINVAL);
}

static void test_it_asks_again_when_told_to(void **state)
{
	(void)state;
	begin();
	SCRIPT({.reason = RECLAIM_REASON_SETTLING, .again_us = 1000, .working = true});
	memory_tick(&memory);
	LOOP_UNTIL(&loop, turns == 2);
	assert_true(told[1].now_us >= told[0].now_us + 1000);
	assert_int_equal(told[1].event, RECLAIM_EVENT_NONE);
	expect_asleep();
}

static void test_pressure_interrupts(void **state)
{
	(void)state;
	begin();
	assert_int_equal(unlinkat(tree.paths.base_fd, "engine/memory.reclaim", 0), 0);
	assert_int_equal(mkfifoat(tree.paths.base_fd, "engine/memory.reclaim", 0600), 0);
	run_step(RECLAIM_TAKE, 1);
	memory_tick(&memory);
	memory.watch.fn(memory.watch.ctx, MEMORY_WATCH_STALL);
	LOOP_UNTIL(&loop, turns >= 2);
	assert_int_equal(told[1].result.error, -ECANCELED);
	assert_int_equal(told[1].event, RECLAIM_EVENT_STALL);
	LOOP_UNTIL(&loop, turns >= 3);
	assert_int_equal(told[2].event, RECLAIM_EVENT_TICK);
	assert_false(told[2].result.fresh);
}

static struct memory_answer answered;
static unsigned int answers;

static void on_answer(void *ctx, const struct memory_answer *answer)
{
	assert_ptr_equal(ctx, &answers);
	answered = *answer;
	answers++;
}

static struct memory_request make_request(uint64_t timeout_us)
{
	answers = 0;
	return (struct memory_request){.bytes = UINT64_MAX,
		.until_us = clock_now_us() + timeout_us,
		.fn = on_answer,
		.ctx = &answers};
}

static void test_a_request(void **state)
{
	struct memory_request request = make_request(60 * USEC_PER_SEC), other = request;

	(void)state;
	assert_int_equal(memory_submit(&memory, &request), -EAGAIN);
	begin();
	SCRIPT({.action = RECLAIM_TAKE, .group = 1, .bytes = MIB, .working = true},
		{.reason = RECLAIM_REASON_DONE, .working = true});
	assert_int_equal(memory_submit(&memory, &request), 0);
	assert_int_equal(memory_submit(&memory, &other), -EBUSY);
	assert_int_equal(answers, 0);
	LOOP_UNTIL(&loop, reclaim_worker_is_busy(&memory.worker));
	assert_int_equal(told[0].event, RECLAIM_EVENT_REQUEST);
	assert_true(told[0].request == UINT64_MAX);
	assert_true(told[0].request_until_us == request.until_us);
	world.group[1].inactive -= 5 * MIB;
	world.free += 7 * MIB;
	LOOP_UNTIL(&loop, answers > 0);
	assert_int_equal(answered.reason, RECLAIM_REASON_DONE);
	assert_int_equal(answered.reclaimed, 5 * MIB);
	assert_int_equal(answered.free_before, 512 * MIB);
	assert_int_equal(answered.free_after, 519 * MIB);
	memory_tick(&memory);
	LOOP_UNTIL(&loop, turns == 3);
	assert_true(told[2].request == 0);
	assert_int_equal(answers, 1);
}

static void test_a_request_that_finds_nothing(void **state)
{
	struct memory_request request = make_request(60 * USEC_PER_SEC);

	(void)state;
	begin();
	assert_int_equal(memory_submit(&memory, &request), 0);
	LOOP_UNTIL(&loop, answers > 0);
	assert_int_equal(answered.reason, RECLAIM_REASON_NOTHING);
	assert_int_equal(answered.reclaimed, 0);
	expect_asleep();
}

/* The policy is asked when the time is over, whatever it said before; then it answers. */
static void test_the_time_of_a_request(void **state)
{
	struct memory_request request;

	(void)state;
	begin();
	request = make_request(USEC_PER_SEC);
	SCRIPT({.reason = RECLAIM_REASON_PRESSURE,
		       .again_us = 3600 * USEC_PER_SEC,
		       .working = true},
		{.reason = RECLAIM_REASON_TIME, .working = true});
	assert_int_equal(memory_submit(&memory, &request), 0);
	LOOP_UNTIL(&loop, answers > 0);
	assert_int_equal(turns, 2);
	assert_int_equal(answered.reason, RECLAIM_REASON_TIME);
}

/* A step that does not end keeps nobody waiting for his answer. */
static void test_a_step_that_outlasts_its_request(void **state)
{
	struct memory_request request;

	(void)state;
	begin();
	request = make_request(USEC_PER_SEC);
	assert_int_equal(unlinkat(tree.paths.base_fd, "engine/memory.reclaim", 0), 0);
	assert_int_equal(mkfifoat(tree.paths.base_fd, "engine/memory.reclaim", 0600), 0);
	SCRIPT({.action = RECLAIM_TAKE, .group = 1, .bytes = MIB, .working = true});
	assert_int_equal(memory_submit(&memory, &request), 0);
	LOOP_UNTIL(&loop, reclaim_worker_is_busy(&memory.worker));
	assert_int_equal(kill(memory.worker.pid, SIGSTOP), 0); /* also one that SIGKILL ends late */
	LOOP_UNTIL(&loop, answers > 0);
	assert_int_equal(answered.reason, RECLAIM_REASON_TIME);
	LOOP_UNTIL(&loop, turns == 2);
	assert_int_equal(told[1].result.error, -ECANCELED);
	assert_int_equal(answers, 1);
}

static void test_a_request_that_is_forgotten(void **state)
{
	struct memory_request request = make_request(60 * USEC_PER_SEC), other = request;

	(void)state;
	begin();
	assert_int_equal(memory_submit(&memory, &request), 0);
	memory_ignore(&memory, &other);
	assert_ptr_equal(memory.request, &request);
	memory_ignore(&memory, &request);
	LOOP_UNTIL(&loop, turns == 1);
	assert_int_equal(told[0].event, RECLAIM_EVENT_NONE);
	assert_true(told[0].request == 0);
	expect_asleep();
	assert_int_equal(answers, 0);
	assert_int_equal(memory_submit(&memory, &other), 0);
}

static void test_mode_and_target(void **state)
{
	(void)state;
	begin();
	memory_set_mode(&memory, MEMORY_MODE_ADAPTIVE);
	assert_int_equal(changes, 1);
	assert_int_equal(unlinkat(tree.paths.base_fd, "engine/memory.reclaim", 0), 0);
	assert_int_equal(mkfifoat(tree.paths.base_fd, "engine/memory.reclaim", 0600), 0);
	run_step(RECLAIM_TAKE, 1);
	memory_set_mode(&memory, MEMORY_MODE_OFF);
	assert_int_equal(changes, 2);
	assert_int_equal(facts.memory_seen.mode, MEMORY_MODE_OFF);
	LOOP_UNTIL(&loop, turns >= 2);
	assert_int_equal(told[1].mode, MEMORY_MODE_OFF);
	/* The new algorithm did not ask for that step. */
	assert_false(told[1].result.fresh);
	expect_asleep();
	turns = 0;
	memory_set_target(&memory, 900 * MIB);
	LOOP_UNTIL(&loop, turns == 1);
	assert_int_equal(told[0].event, RECLAIM_EVENT_TICK);
	assert_true(told[0].target == 900 * MIB);
	assert_true(facts.memory_seen.target == 900 * MIB);
}

static void test_a_kernel_without_swappiness(void **state)
{
	(void)state;
	begin();
	assert_int_equal(unlinkat(tree.paths.base_fd, "engine/memory.reclaim", 0), 0);
	assert_int_equal(symlinkat("/proc/self/oom_score_adj", tree.paths.base_fd,
				 "engine/memory.reclaim"),
		0);
	SCRIPT({.action = RECLAIM_TAKE, .group = 1, .bytes = 1000, .working = true});
	memory_tick(&memory);
	LOOP_UNTIL(&loop, turns == 2);
	assert_int_equal(told[1].result.error, 0);
	assert_false(told[1].abilities.swappiness);
	assert_false(facts.memory_seen.abilities.swappiness);
	assert_int_equal(changes, 3); /* the first look, the ability, the end of the episode */
	assert_int_equal(facts.memory_seen.steps, 1);
}

static void test_limits_follow_the_size(void **state)
{
	(void)state;
	memory_tree_write(&tree, "containers/memory.max", "");
	begin();
	memory_tree_expect(&tree, "containers/memory.max", "1");
	memory_tree_write(&tree, "containers/memory.max", "");
	memory_tick(&memory);
	LOOP_UNTIL(&loop, turns == 1);
	memory_tree_expect(&tree, "containers/memory.max", "");
	world.total = 6144 * MIB;
	memory.watch.fn(memory.watch.ctx, MEMORY_WATCH_SIZE);
	LOOP_UNTIL(&loop, turns == 2);
	memory_tree_expect(&tree, "containers/memory.max", "61");
}

/* One sample at most in so much time, the oldest goes. */
static void test_history(void **state)
{
	struct memory_seen *seen = &facts.memory_seen;

	(void)state;
	begin();
	memory_tick(&memory);
	LOOP_UNTIL(&loop, turns == 1);
	assert_int_equal(seen->history, 1);
	assert_true(seen->sample[0].used == 1536 * MIB);
	for (unsigned int i = 0; i < MEMORY_HISTORY_MAX; i++)
		seen->sample[i] = (struct memory_sample){.at_us = 1 + i};
	seen->history = MEMORY_HISTORY_MAX;
	memory_tick(&memory);
	LOOP_UNTIL(&loop, turns == 2);
	assert_int_equal(seen->history, MEMORY_HISTORY_MAX);
	assert_true(seen->sample[0].at_us == 2);
	assert_true(seen->sample[MEMORY_HISTORY_MAX - 1].at_us > MEMORY_HISTORY_MAX);
}

static void test_who_asks_gets_a_fresh_look(void **state)
{
	unsigned int before;

	(void)state;
	begin();
	before = looks;
	memory_look(&memory);
	facts.memory_seen.looked_us = 0;
	memory_look(&memory);
	memory_look(&memory);
	assert_in_range(looks, before + 1, before + 2);
	assert_int_equal(turns, 0); /* the policy is not asked */
}

/* That health is no longer degraded by a kill is told, though nothing happens then. */
static void test_a_kill_is_forgotten(void **state)
{
	(void)state;
	facts.memory_seen.oom_kept = 1;
	facts.memory_seen.oom_kill[0] =
		(struct memory_oom_kill){.at_us = clock_now_us(), .global = true};
	begin();
	assert_int_equal(changes, 1);
	facts.memory_seen.oom_kept = 0;
	memory_tick(&memory);
	LOOP_UNTIL(&loop, turns == 1);
	assert_int_equal(changes, 2);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_it_begins_with_an_event_and_sleeps, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_ends_are_heard_together, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_a_step_and_what_it_gave, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_what_each_kind_is_measured_by, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_a_group_that_goes_during_its_step, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_a_step_that_cannot_begin, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_it_asks_again_when_told_to, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_pressure_interrupts, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_a_request, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_a_request_that_finds_nothing, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_the_time_of_a_request, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_a_step_that_outlasts_its_request, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_a_request_that_is_forgotten, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_mode_and_target, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_a_kernel_without_swappiness, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_limits_follow_the_size, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_history, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_who_asks_gets_a_fresh_look, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_a_kill_is_forgotten, set_up, tear_down),
};

UNIT_TEST_MAIN(tests)
