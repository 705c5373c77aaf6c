/* SPDX-License-Identifier: MIT
 *
 * test_service_sm.c - the life of a service, proved over all states and then walked at random.
 *
 * Every state that may exist (consistent()) is stepped with every event, every combination of facts and
 * every policy of a unit: the result must be a state that may exist, with actions that fit. That makes
 * the invariants inductive, whatever the order of events. The walks add a small world (a process, an exec
 * result, a timer) to find what only a history shows: a second instance, a lost child, a dead end.
 */
#include <string.h>

#include "init/service_sm.h"
#include "tests/unit/unit_test.h"

#define STATE_COUNT   (SERVICE_STATE_FAILED + 1)
#define CAUSE_COUNT   (SM_CAUSE_UNKILLABLE + 1)
#define TYPE_COUNT    (UNIT_TYPE_ONESHOT + 1)
#define RESTART_COUNT (UNIT_RESTART_ALWAYS + 1)

#define ANY_ARM (SM_ACTION_ARM_START | SM_ACTION_ARM_STOP | SM_ACTION_ARM_RESTART)

/* ---- which states may exist ---------------------------------------------------------------- */

static bool has_timer(const struct sm *sm)
{
	return sm->state == SERVICE_STATE_STARTING || sm->state == SERVICE_STATE_STOPPING ||
	       sm->state == SERVICE_STATE_BACKOFF;
}

static bool consistent(const struct sm *sm, const struct unit *unit)
{
	if (sm->killed && sm->state != SERVICE_STATE_STOPPING)
		return false;
	switch (sm->state) {
	case SERVICE_STATE_INACTIVE:
		return !sm->process && !sm->wanted && sm->cause == SM_CAUSE_NONE;
	case SERVICE_STATE_WAITING:
		return !sm->process && sm->wanted && sm->cause == SM_CAUSE_NONE;
	case SERVICE_STATE_STARTING:
		return sm->process && sm->wanted && sm->cause == SM_CAUSE_NONE;
	case SERVICE_STATE_ACTIVE:
	case SERVICE_STATE_RELOADING:
		return sm->process == (unit->type != UNIT_TYPE_ONESHOT) && sm->wanted &&
		       sm->cause == SM_CAUSE_NONE;
	case SERVICE_STATE_STOPPING:
		return sm->process && (sm->cause == SM_CAUSE_NONE ||
					      (sm->cause == SM_CAUSE_START_TIMEOUT && sm->wanted));
	case SERVICE_STATE_BACKOFF:
		return !sm->process && sm->wanted && unit->restart != UNIT_RESTART_NO &&
		       sm->cause != SM_CAUSE_NONE && sm->cause != SM_CAUSE_START_LIMIT &&
		       sm->cause != SM_CAUSE_UNKILLABLE;
	case SERVICE_STATE_FAILED:
		if (sm->cause == SM_CAUSE_UNKILLABLE)
			return !sm->wanted;
		return !sm->process && sm->cause != SM_CAUSE_NONE;
	}
	return false;
}

typedef void visit_fn(const struct sm *sm, const struct unit *unit);

static void for_each_policy(void (*visit)(const struct unit *unit))
{
	static struct unit unit; /* its pool is large */

	for (unsigned int i = 0; i < TYPE_COUNT * RESTART_COUNT; i++) {
		unit.type = (enum unit_type)(i % TYPE_COUNT);
		unit.restart = (enum unit_restart)(i / TYPE_COUNT);
		visit(&unit);
	}
}

static unsigned int visited;

static void for_each_state(const struct unit *unit, visit_fn *visit)
{
	for (unsigned int i = 0; i < STATE_COUNT * CAUSE_COUNT * 8; i++) {
		struct sm sm = {
			.state = (enum service_state)(i / 8 % STATE_COUNT),
			.cause = (enum sm_cause)(i / 8 / STATE_COUNT),
			.wanted = i & 1,
			.process = i & 2,
			.killed = i & 4,
		};

		if (!consistent(&sm, unit))
			continue;
		visited++;
		visit(&sm, unit);
	}
}

/* ---- what holds for each step -------------------------------------------------------------- */

struct step {
	struct sm before, after;
	const struct unit *unit;
	enum sm_event event;
	struct sm_facts facts;
	unsigned int actions;
};

/* Can the world send this event in this state at all? */
static bool possible(const struct sm *sm, enum sm_event event)
{
	switch (event) {
	case SM_EVENT_WANT:
	case SM_EVENT_UNWANT:
	case SM_EVENT_RESTART:
	case SM_EVENT_DEPS_MET:
	case SM_EVENT_READY:
		return true; /* people and programs say what they like, when they like */
	case SM_EVENT_EXECED:
	case SM_EVENT_SPAWN_FAILED:
	case SM_EVENT_EXITED:
		return sm->process;
	case SM_EVENT_TIMEOUT:
		return has_timer(sm);
	case SM_EVENT_COUNT:
		return false;
	}
	return false;
}

static void check_process(const struct step *step)
{
	const struct sm *before = &step->before, *after = &step->after;
	unsigned int actions = step->actions;

	if (actions & SM_ACTION_SPAWN) {
		assert_false(before->process);
		assert_true(after->process);
		assert_int_equal(before->state, SERVICE_STATE_WAITING);
		assert_int_equal(step->event, SM_EVENT_DEPS_MET);
	} else {
		assert_true(before->process || !after->process);
	}
	/* A process is forgotten only when it is known to be gone, and always then. */
	if (before->process && !after->process)
		assert_true(step->event == SM_EVENT_EXITED || step->event == SM_EVENT_SPAWN_FAILED);
	if (step->event == SM_EVENT_EXITED || step->event == SM_EVENT_SPAWN_FAILED)
		assert_false(after->process);
	if (actions & (SM_ACTION_TERMINATE | SM_ACTION_KILL))
		assert_true(before->process && after->process);
	if (actions & SM_ACTION_KILL_REST)
		assert_true(before->process && !after->process);
}

static void check_timer(const struct step *step)
{
	unsigned int arm = step->actions & ANY_ARM;
	bool armed = has_timer(&step->before) && step->event != SM_EVENT_TIMEOUT;

	assert_true((arm & (arm - 1)) == 0);
	assert_false(arm && (step->actions & SM_ACTION_DISARM));
	if (arm)
		armed = true;
	if (step->actions & SM_ACTION_DISARM)
		armed = false;
	assert_int_equal(armed, has_timer(&step->after));
	if (arm == SM_ACTION_ARM_START)
		assert_int_equal(step->after.state, SERVICE_STATE_STARTING);
	if (arm == SM_ACTION_ARM_STOP)
		assert_int_equal(step->after.state, SERVICE_STATE_STOPPING);
	if (arm == SM_ACTION_ARM_RESTART)
		assert_int_equal(step->after.state, SERVICE_STATE_BACKOFF);
}

static void check_desired(const struct step *step)
{
	const struct sm *before = &step->before, *after = &step->after;
	bool stuck = before->state == SERVICE_STATE_FAILED && before->process;

	switch (step->event) {
	case SM_EVENT_WANT:
	case SM_EVENT_RESTART:
		/* An unkillable process keeps its name: nothing is started beside it. */
		assert_int_equal(after->wanted, !stuck);
		break;
	case SM_EVENT_UNWANT:
		assert_false(after->wanted);
		break;
	default:
		/* Nobody else makes a wish; it is given up only when the unit says so or it cannot be. */
		if (before->wanted && !after->wanted)
			assert_true((step->event == SM_EVENT_EXITED && step->facts.clean &&
					    step->unit->restart != UNIT_RESTART_ALWAYS) ||
				    after->cause == SM_CAUSE_UNKILLABLE);
		else
			assert_int_equal(before->wanted, after->wanted);
	}
	/* Nobody gets up, or is brought up again, against a wish. */
	if (!before->wanted && step->event != SM_EVENT_WANT && step->event != SM_EVENT_RESTART)
		assert_true(after->state == before->state ||
			    after->state == SERVICE_STATE_INACTIVE ||
			    after->state == SERVICE_STATE_FAILED);
}

static void check_entries(const struct step *step)
{
	const struct sm *before = &step->before, *after = &step->after;
	bool waits =
		after->state == SERVICE_STATE_WAITING && before->state != SERVICE_STATE_WAITING;

	assert_int_equal(waits, (step->actions & SM_ACTION_CHECK_DEPS) != 0);
	assert_int_equal((step->actions & SM_ACTION_COUNT_RESTART) != 0,
		before->state == SERVICE_STATE_BACKOFF && step->event == SM_EVENT_TIMEOUT);
	if (after->state == SERVICE_STATE_RELOADING)
		assert_int_equal(before->state, SERVICE_STATE_RELOADING);
	if (after->state == SERVICE_STATE_BACKOFF && before->state != SERVICE_STATE_BACKOFF)
		assert_false(step->facts.limit_hit);
	if (after->cause == SM_CAUSE_START_LIMIT && before->cause != SM_CAUSE_START_LIMIT)
		assert_true(step->facts.limit_hit);
}

static void check_step(const struct sm *sm, const struct unit *unit, enum sm_event event,
	unsigned int facts)
{
	struct step step = {
		.before = *sm,
		.after = *sm,
		.unit = unit,
		.event = event,
		.facts = {.clean = facts & 1, .limit_hit = facts & 2},
	};

	step.actions = sm_step(&step.after, unit, event, step.facts);
	if (!possible(sm, event)) {
		/* A late event must do no harm where its meaning has gone. */
		assert_int_equal(step.actions, 0);
		assert_memory_equal(&step.before, &step.after, sizeof(struct sm));
		return;
	}
	if (!consistent(&step.after, unit))
		fail_msg("type %d restart %d: %s (cause %d) + event %d, facts %u -> %s (cause %d)",
			unit->type, unit->restart, service_state_name(sm->state), sm->cause, event,
			facts, service_state_name(step.after.state), step.after.cause);
	check_process(&step);
	check_timer(&step);
	check_desired(&step);
	check_entries(&step);
}

static void check_state(const struct sm *sm, const struct unit *unit)
{
	for (unsigned int event = 0; event <= SM_EVENT_COUNT; event++)
		for (unsigned int facts = 0; facts < 4; facts++)
			check_step(sm, unit, (enum sm_event)event, facts);
}

static void check_policy(const struct unit *unit)
{
	struct sm fresh;

	memset(&fresh, 0, sizeof(fresh));
	assert_true(consistent(&fresh, unit));
	visited = 0;
	for_each_state(unit, check_state);
	assert_in_range(visited, 12, 40);
}

static void test_every_step(void **state)
{
	(void)state;
	for_each_policy(check_policy);
}

/* ---- random walks through a small world ---------------------------------------------------- */

struct world {
	struct sm sm;
	struct unit unit;
	unsigned int processes; /* main processes alive: never two */
	bool exec_pending;
	bool timer;
	unsigned int starts; /* in a row, for the start limit */
};

static uint64_t random_state;

static unsigned int random_below(unsigned int limit)
{
	random_state ^= random_state << 13; /* xorshift64 (Marsaglia) */
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned int)(random_state >> 32) % limit;
}

static void world_send(struct world *world, enum sm_event event, bool clean)
{
	struct sm_facts facts = {.clean = clean, .limit_hit = world->starts >= 5};
	unsigned int actions;

	if (event == SM_EVENT_WANT || event == SM_EVENT_RESTART)
		world->starts = 0;
	if (event == SM_EVENT_TIMEOUT)
		world->timer = false;
	actions = sm_step(&world->sm, &world->unit, event, facts);
	if (actions & SM_ACTION_DISARM)
		world->timer = false;
	if (actions & ANY_ARM)
		world->timer = true;
	if (actions & SM_ACTION_SPAWN) {
		world->processes++;
		world->exec_pending = true;
		world->starts++;
	}
	assert_in_range(world->processes, 0, 1);
	assert_int_equal(world->processes, world->sm.process);
	assert_int_equal(world->timer, has_timer(&world->sm));
	assert_true(consistent(&world->sm, &world->unit));
}

static void world_exit(struct world *world, bool clean)
{
	world->processes = 0;
	world->exec_pending = false;
	world_send(world, SM_EVENT_EXITED, clean);
}

static void world_exec(struct world *world, bool works)
{
	world->exec_pending = false;
	if (!works)
		world->processes = 0; /* service.c forgets the child that could not exec */
	world_send(world, works ? SM_EVENT_EXECED : SM_EVENT_SPAWN_FAILED, false);
}

/* One thing that can happen now, chosen by lot. */
static void world_walk(struct world *world)
{
	switch (random_below(8)) {
	case 0:
		world_send(world, SM_EVENT_WANT, false);
		break;
	case 1:
		world_send(world, SM_EVENT_UNWANT, false);
		break;
	case 2:
		world_send(world, SM_EVENT_RESTART, false);
		break;
	case 3:
		world_send(world, SM_EVENT_DEPS_MET, false);
		break;
	case 4:
		world_send(world, SM_EVENT_READY, false);
		break;
	case 5:
		if (world->exec_pending)
			world_exec(world, random_below(4) > 0);
		break;
	case 6:
		if (world->processes > 0)
			world_exit(world, random_below(2) == 0);
		break;
	default:
		if (world->timer)
			world_send(world, SM_EVENT_TIMEOUT, false);
	}
}

/* A world in which everything works out: programs run, become ready, end when told to. */
static void world_favour(struct world *world)
{
	if (world->exec_pending)
		world_exec(world, true);
	else if (world->sm.state == SERVICE_STATE_WAITING)
		world_send(world, SM_EVENT_DEPS_MET, false);
	else if (world->sm.state == SERVICE_STATE_STOPPING)
		world_exit(world, true);
	else if (world->sm.state == SERVICE_STATE_STARTING && world->unit.type == UNIT_TYPE_ONESHOT)
		world_exit(world, true);
	else if (world->sm.state == SERVICE_STATE_STARTING)
		world_send(world, SM_EVENT_READY, false);
	else if (world->sm.state == SERVICE_STATE_BACKOFF)
		world_send(world, SM_EVENT_TIMEOUT, false);
}

/* A world in which nothing does: every program dies, but not when it is told to. */
static void world_hinder(struct world *world)
{
	if (world->exec_pending && random_below(2) == 0)
		world_exec(world, false);
	else if (world->sm.state == SERVICE_STATE_WAITING)
		world_send(world, SM_EVENT_DEPS_MET, false);
	else if (world->sm.state == SERVICE_STATE_STARTING ||
		 world->sm.state == SERVICE_STATE_ACTIVE)
		world_exit(world, false);
	else if (world->timer)
		world_send(world, SM_EVENT_TIMEOUT, false);
}

/* From here, left alone, the service comes to rest: where it is wanted to be, or failed. */
static void check_rest(const struct world *now, void (*act)(struct world *world), bool good)
{
	struct world world = *now;
	enum service_state rest = SERVICE_STATE_INACTIVE;

	for (unsigned int i = 0; i < 64; i++)
		act(&world);
	if (world.unit.type == UNIT_TYPE_ONESHOT && world.sm.state == SERVICE_STATE_ACTIVE)
		return; /* its work is done, whoever hinders */
	if (world.sm.wanted && good && now->sm.state != SERVICE_STATE_FAILED)
		rest = SERVICE_STATE_ACTIVE;
	else if (world.sm.wanted || world.sm.state == SERVICE_STATE_FAILED)
		rest = SERVICE_STATE_FAILED;
	/* A stop timeout that failed for good is settled by policy, also in a good world. */
	if (good && now->sm.cause == SM_CAUSE_START_TIMEOUT &&
		world.sm.state == SERVICE_STATE_FAILED)
		rest = SERVICE_STATE_FAILED;
	assert_int_equal(world.sm.state, rest);
	assert_false(world.timer);
}

static void walk(const struct unit *unit)
{
	struct world world;

	memset(&world, 0, sizeof(world));
	world.unit.type = unit->type;
	world.unit.restart = unit->restart;
	random_state = 0x6b65656cULL + (uint64_t)unit->type * 3 + (uint64_t)unit->restart;
	for (unsigned int i = 0; i < 1000000 / (TYPE_COUNT * RESTART_COUNT) + 1; i++) {
		world_walk(&world);
		if (i % 16 == 0) {
			check_rest(&world, world_favour, true);
			check_rest(&world, world_hinder, false);
		}
	}
}

static void test_random_walks(void **state)
{
	(void)state;
	for_each_policy(walk);
}

/* ---- stories with names -------------------------------------------------------------------- */

static unsigned int send(struct sm *sm, const struct unit *unit, enum sm_event event)
{
	return sm_step(sm, unit, event, (struct sm_facts){0});
}

static unsigned int send_exit(struct sm *sm, const struct unit *unit, bool clean)
{
	return sm_step(sm, unit, SM_EVENT_EXITED, (struct sm_facts){.clean = clean});
}

static void test_notify_waits_for_ready(void **state)
{
	static const struct unit unit = {.type = UNIT_TYPE_NOTIFY};
	struct sm sm = {.state = SERVICE_STATE_INACTIVE};

	(void)state;
	assert_int_equal(send(&sm, &unit, SM_EVENT_WANT), SM_ACTION_CHECK_DEPS);
	assert_int_equal(send(&sm, &unit, SM_EVENT_DEPS_MET),
		SM_ACTION_SPAWN | SM_ACTION_ARM_START);
	assert_int_equal(send(&sm, &unit, SM_EVENT_EXECED), 0);
	assert_int_equal(sm.state, SERVICE_STATE_STARTING);
	assert_int_equal(send(&sm, &unit, SM_EVENT_READY), SM_ACTION_DISARM);
	assert_int_equal(sm.state, SERVICE_STATE_ACTIVE);
}

static void test_ready_means_nothing_to_other_types(void **state)
{
	static const struct unit unit = {.type = UNIT_TYPE_EXEC};
	struct sm sm = {.state = SERVICE_STATE_STARTING, .wanted = true, .process = true};

	(void)state;
	assert_int_equal(send(&sm, &unit, SM_EVENT_READY), 0);
	assert_int_equal(sm.state, SERVICE_STATE_STARTING);
	assert_int_equal(send(&sm, &unit, SM_EVENT_EXECED), SM_ACTION_DISARM);
	assert_int_equal(sm.state, SERVICE_STATE_ACTIVE);
}

/* A service that died once and came back is restarted like one that never died. */
static void test_restart_after_a_crash(void **state)
{
	static const struct unit unit = {
		.type = UNIT_TYPE_NOTIFY, .restart = UNIT_RESTART_ON_FAILURE};
	struct sm sm = {.state = SERVICE_STATE_ACTIVE, .wanted = true, .process = true};

	(void)state;
	assert_int_equal(send_exit(&sm, &unit, false), SM_ACTION_KILL_REST | SM_ACTION_ARM_RESTART);
	assert_int_equal(sm.state, SERVICE_STATE_BACKOFF);
	assert_int_equal(sm.cause, SM_CAUSE_EXITED);
	assert_int_equal(send(&sm, &unit, SM_EVENT_TIMEOUT),
		SM_ACTION_CHECK_DEPS | SM_ACTION_COUNT_RESTART);
	(void)send(&sm, &unit, SM_EVENT_DEPS_MET);
	(void)send(&sm, &unit, SM_EVENT_READY);
	assert_int_equal(send(&sm, &unit, SM_EVENT_RESTART),
		SM_ACTION_TERMINATE | SM_ACTION_ARM_STOP);
	assert_int_equal(send_exit(&sm, &unit, true),
		SM_ACTION_KILL_REST | SM_ACTION_DISARM | SM_ACTION_CHECK_DEPS);
	assert_int_equal(sm.state, SERVICE_STATE_WAITING);
	assert_true(sm.wanted);
}

static void test_stop_escalates_and_gives_up(void **state)
{
	static const struct unit unit = {.restart = UNIT_RESTART_ALWAYS};
	struct sm sm = {.state = SERVICE_STATE_ACTIVE, .wanted = true, .process = true};

	(void)state;
	assert_int_equal(send(&sm, &unit, SM_EVENT_UNWANT),
		SM_ACTION_TERMINATE | SM_ACTION_ARM_STOP);
	assert_int_equal(send(&sm, &unit, SM_EVENT_TIMEOUT), SM_ACTION_KILL | SM_ACTION_ARM_STOP);
	assert_int_equal(send(&sm, &unit, SM_EVENT_TIMEOUT), SM_ACTION_DISARM);
	assert_int_equal(sm.state, SERVICE_STATE_FAILED);
	assert_int_equal(sm.cause, SM_CAUSE_UNKILLABLE);
	assert_int_equal(send(&sm, &unit, SM_EVENT_WANT), 0); /* not beside the stuck one */
	assert_int_equal(send_exit(&sm, &unit, false), 0);
	assert_int_equal(send(&sm, &unit, SM_EVENT_WANT), SM_ACTION_CHECK_DEPS);
}

static void test_start_timeout_follows_policy(void **state)
{
	static const struct unit no = {.type = UNIT_TYPE_NOTIFY, .restart = UNIT_RESTART_NO};
	static const struct unit again = {
		.type = UNIT_TYPE_NOTIFY, .restart = UNIT_RESTART_ON_FAILURE};
	struct sm sm = {.state = SERVICE_STATE_STARTING, .wanted = true, .process = true},
		  copy = sm;

	(void)state;
	assert_int_equal(send(&sm, &no, SM_EVENT_TIMEOUT),
		SM_ACTION_TERMINATE | SM_ACTION_ARM_STOP);
	(void)send_exit(&sm, &no, true);
	assert_int_equal(sm.state, SERVICE_STATE_FAILED);
	assert_int_equal(sm.cause, SM_CAUSE_START_TIMEOUT);
	(void)send(&copy, &again, SM_EVENT_TIMEOUT);
	(void)send_exit(&copy, &again, true); /* it obeyed the TERM: still a failure */
	assert_int_equal(copy.state, SERVICE_STATE_BACKOFF);
}

static void test_clean_end_is_no_outage(void **state)
{
	static const struct unit unit = {
		.type = UNIT_TYPE_SIMPLE, .restart = UNIT_RESTART_ON_FAILURE};
	static const struct unit once = {.type = UNIT_TYPE_ONESHOT};
	struct sm sm = {.state = SERVICE_STATE_ACTIVE, .wanted = true, .process = true};
	struct sm job = {.state = SERVICE_STATE_STARTING, .wanted = true, .process = true};

	(void)state;
	(void)send_exit(&sm, &unit, true);
	assert_int_equal(sm.state, SERVICE_STATE_INACTIVE);
	assert_false(sm.wanted);
	(void)send_exit(&job, &once, true);
	assert_int_equal(job.state, SERVICE_STATE_ACTIVE);
	assert_false(job.process);
	assert_int_equal(send(&job, &once, SM_EVENT_RESTART), SM_ACTION_CHECK_DEPS);
}

static void test_notify_that_ends_unready_has_failed(void **state)
{
	static const struct unit unit = {.type = UNIT_TYPE_NOTIFY};
	struct sm sm = {.state = SERVICE_STATE_STARTING, .wanted = true, .process = true};

	(void)state;
	(void)send_exit(&sm, &unit, true);
	assert_int_equal(sm.state, SERVICE_STATE_FAILED);
	assert_int_equal(sm.cause, SM_CAUSE_EXITED);
}

/* An exec that hangs (a dead disk) through SIGKILL and fails in the end must not block the name. */
static void test_hung_exec_that_fails_frees_the_name(void **state)
{
	static const struct unit unit = {.type = UNIT_TYPE_EXEC};
	struct sm sm = {.state = SERVICE_STATE_STOPPING, .process = true, .killed = true};

	(void)state;
	(void)send(&sm, &unit, SM_EVENT_TIMEOUT);
	assert_int_equal(sm.cause, SM_CAUSE_UNKILLABLE);
	(void)send(&sm, &unit, SM_EVENT_SPAWN_FAILED);
	assert_int_equal(send(&sm, &unit, SM_EVENT_WANT), SM_ACTION_CHECK_DEPS);
}

static void test_start_limit(void **state)
{
	static const struct unit unit = {.restart = UNIT_RESTART_ALWAYS};
	struct sm sm = {.state = SERVICE_STATE_ACTIVE, .wanted = true, .process = true};

	(void)state;
	(void)sm_step(&sm, &unit, SM_EVENT_EXITED,
		(struct sm_facts){.clean = true, .limit_hit = true});
	assert_int_equal(sm.state, SERVICE_STATE_FAILED);
	assert_int_equal(sm.cause, SM_CAUSE_START_LIMIT);
	assert_int_equal(send(&sm, &unit, SM_EVENT_RESTART), SM_ACTION_CHECK_DEPS);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_every_step),
	cmocka_unit_test(test_random_walks),
	cmocka_unit_test(test_notify_waits_for_ready),
	cmocka_unit_test(test_ready_means_nothing_to_other_types),
	cmocka_unit_test(test_restart_after_a_crash),
	cmocka_unit_test(test_stop_escalates_and_gives_up),
	cmocka_unit_test(test_start_timeout_follows_policy),
	cmocka_unit_test(test_clean_end_is_no_outage),
	cmocka_unit_test(test_notify_that_ends_unready_has_failed),
	cmocka_unit_test(test_hung_exec_that_fails_frees_the_name),
	cmocka_unit_test(test_start_limit),
};

UNIT_TEST_MAIN(tests)
