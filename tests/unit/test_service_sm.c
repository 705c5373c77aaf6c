/* SPDX-License-Identifier: MIT
 *
 * test_service_sm.c - the life of a service, proved over all states and then walked at random.
 *
 * Every state that may exist (consistent()) is stepped with every event, every combination of facts and
 * every kind of unit: the result must be a state that may exist, with actions that fit. That makes
 * the invariants inductive, whatever the order of events. The walks add a small world (processes, an exec
 * result, a group, a timer) to find what only a history shows: a second instance, a lost child, a dead end.
 */
#include <string.h>

#include "init/service_sm.h"
#include "tests/unit/unit_test.h"

#define STATE_COUNT (SERVICE_STATE_FAILED + 1)
#define STEP_COUNT  (SERVICE_STEP_STOP_POST + 1)
#define CAUSE_COUNT (SM_CAUSE_UNKILLABLE + 1)

#define ANY_ARM (SM_ACTION_ARM_START | SM_ACTION_ARM_STOP | SM_ACTION_ARM_RESTART)

/* ---- which units there are ----------------------------------------------------------------- */

static struct unit unit;

static void add_commands(enum unit_phase phase, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		unit.commands[unit.command_count++] = (struct unit_command){.phase = phase};
}

/* Which commands beside ExecStart= a unit has: none, each kind alone, two of each. */
#define COMMAND_SETS 7

static void set_commands(unsigned int set)
{
	static const enum unit_phase phases[] = {UNIT_PHASE_START_PRE, UNIT_PHASE_START_POST,
		UNIT_PHASE_RELOAD, UNIT_PHASE_STOP, UNIT_PHASE_STOP_POST};

	unit.command_count = 0;
	add_commands(UNIT_PHASE_START, unit.type == UNIT_TYPE_ONESHOT ? 2 : 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(phases); i++)
		if (set == i + 1 || set == COMMAND_SETS - 1)
			add_commands(phases[i], set == COMMAND_SETS - 1 ? 2 : 1);
}

static void for_each_unit(void (*visit)(void))
{
	for (unsigned int i = 0; i < 6 * 7 * 4 * 2 * COMMAND_SETS; i++) {
		unsigned int type = i % 6;

		memset(&unit, 0, sizeof(unit));
		unit.type = (enum unit_type)(type < 5 ? type : UNIT_TYPE_ONESHOT);
		unit.remain_after_exit = type == 5;
		unit.restart = (enum unit_restart)(i / 6 % 7);
		unit.kill_mode = (enum unit_kill_mode)(i / 42 % 4);
		unit.send_sigkill = i / 168 % 2;
		set_commands(i / 336);
		/* The parser refuses it. */
		if (unit.type == UNIT_TYPE_ONESHOT && unit.restart == UNIT_RESTART_ALWAYS)
			continue;
		visit();
	}
}

/* ---- which states may exist ---------------------------------------------------------------- */

static bool has_timer(const struct sm *sm)
{
	return sm->state == SERVICE_STATE_STARTING || sm->state == SERVICE_STATE_RELOADING ||
	       sm->state == SERVICE_STATE_STOPPING || sm->state == SERVICE_STATE_BACKOFF;
}

static bool runs(const struct sm *sm, enum unit_phase phase)
{
	return sm->command && unit.commands[sm->index].phase == phase;
}

/* A oneshot has no main process once it has started. */
static bool up(const struct sm *sm)
{
	return sm->main == (unit.type != UNIT_TYPE_ONESHOT);
}

static bool consistent_step(const struct sm *sm)
{
	switch (sm->step) {
	case SERVICE_STEP_NONE:
		return !sm->command && sm->state != SERVICE_STATE_STARTING &&
		       sm->state != SERVICE_STATE_RELOADING && sm->state != SERVICE_STATE_STOPPING;
	case SERVICE_STEP_START_PRE:
		return sm->state == SERVICE_STATE_STARTING && !sm->main &&
		       runs(sm, UNIT_PHASE_START_PRE);
	case SERVICE_STEP_START:
		return sm->state == SERVICE_STATE_STARTING && sm->main && !sm->command &&
		       unit.commands[sm->index].phase == UNIT_PHASE_START;
	case SERVICE_STEP_START_POST:
		return sm->state == SERVICE_STATE_STARTING && up(sm) &&
		       runs(sm, UNIT_PHASE_START_POST);
	case SERVICE_STEP_RELOAD:
		return sm->state == SERVICE_STATE_RELOADING && up(sm) &&
		       runs(sm, UNIT_PHASE_RELOAD);
	case SERVICE_STEP_RELOAD_NOTIFY:
		return sm->state == SERVICE_STATE_RELOADING && sm->main && up(sm) && !sm->command;
	case SERVICE_STEP_STOP:
		return sm->state == SERVICE_STATE_STOPPING && runs(sm, UNIT_PHASE_STOP) &&
		       (!sm->main || unit.type != UNIT_TYPE_ONESHOT);
	case SERVICE_STEP_STOP_NOTIFIED:
		return sm->state == SERVICE_STATE_STOPPING && sm->main && !sm->command &&
		       unit.type != UNIT_TYPE_ONESHOT;
	case SERVICE_STEP_STOP_SIGNAL:
	case SERVICE_STEP_STOP_KILL:
		return sm->state == SERVICE_STATE_STOPPING &&
		       (!sm->command || runs(sm, UNIT_PHASE_START_PRE) ||
			       runs(sm, UNIT_PHASE_START_POST)) &&
		       (sm->step != SERVICE_STEP_STOP_KILL || unit.send_sigkill ||
			       unit.kill_mode == UNIT_KILL_MIXED);
	case SERVICE_STEP_STOP_POST:
		return sm->state == SERVICE_STATE_STOPPING && !sm->main &&
		       runs(sm, UNIT_PHASE_STOP_POST);
	}
	return false;
}

static bool by_itself(enum sm_cause cause)
{
	return cause == SM_CAUSE_CLEAN || cause == SM_CAUSE_STATUS || cause == SM_CAUSE_SIGNAL ||
	       cause == SM_CAUSE_PROTOCOL;
}

static bool consistent_stopping(const struct sm *sm)
{
	if (sm->asked)
		return sm->cause == SM_CAUSE_NONE && !sm->no_restart;
	if (!sm->wanted || (sm->no_restart && !by_itself(sm->cause)))
		return false;
	/* It goes by its own will and is not gone yet: how is not known. */
	if (sm->cause == SM_CAUSE_NONE)
		return sm->main && sm->step != SERVICE_STEP_STOP;
	return sm->cause != SM_CAUSE_START_LIMIT && sm->cause != SM_CAUSE_UNKILLABLE;
}

static bool consistent(const struct sm *sm)
{
	bool alive = sm->main || sm->command;
	bool told = sm->asked || sm->no_restart;

	if (!consistent_step(sm))
		return false;
	if (sm->done && (sm->state != SERVICE_STATE_INACTIVE || unit.type != UNIT_TYPE_ONESHOT))
		return false;
	switch (sm->state) {
	case SERVICE_STATE_INACTIVE:
		return !alive && !told && !sm->wanted && sm->cause == SM_CAUSE_NONE;
	case SERVICE_STATE_WAITING:
		return !alive && !told && sm->wanted && sm->cause == SM_CAUSE_NONE;
	case SERVICE_STATE_STARTING:
		return !told && sm->wanted && sm->cause == SM_CAUSE_NONE;
	case SERVICE_STATE_ACTIVE:
		return !told && sm->wanted && sm->cause == SM_CAUSE_NONE && up(sm) &&
		       (sm->main || unit.remain_after_exit);
	case SERVICE_STATE_RELOADING:
		return !told && sm->wanted && sm->cause == SM_CAUSE_NONE &&
		       (sm->main || unit.remain_after_exit);
	case SERVICE_STATE_STOPPING:
		return consistent_stopping(sm);
	case SERVICE_STATE_BACKOFF:
		return !alive && !told && sm->wanted && unit.restart != UNIT_RESTART_NO &&
		       sm->cause != SM_CAUSE_NONE && sm->cause != SM_CAUSE_START_LIMIT &&
		       sm->cause != SM_CAUSE_UNKILLABLE;
	case SERVICE_STATE_FAILED:
		if (sm->cause == SM_CAUSE_UNKILLABLE)
			return !told && !sm->wanted;
		return !alive && !told && sm->cause != SM_CAUSE_NONE && sm->cause != SM_CAUSE_CLEAN;
	}
	return false;
}

static unsigned int visited;

static void for_each_state(void (*visit)(const struct sm *sm))
{
	for (unsigned int i = 0; i < STATE_COUNT * STEP_COUNT * CAUSE_COUNT * 64; i++) {
		struct sm sm = {
			.state = (enum service_state)(i / 64 % STATE_COUNT),
			.step = (enum service_step)(i / 64 / STATE_COUNT % STEP_COUNT),
			.cause = (enum sm_cause)(i / 64 / STATE_COUNT / STEP_COUNT),
			.wanted = i & 1,
			.main = i & 2,
			.command = i & 4,
			.asked = i & 8,
			.no_restart = i & 16,
			.done = i & 32,
		};

		/* Most are not; no command makes them so. */
		if ((sm.step == SERVICE_STEP_NONE) == (sm.state == SERVICE_STATE_STARTING ||
							      sm.state == SERVICE_STATE_RELOADING ||
							      sm.state == SERVICE_STATE_STOPPING))
			continue;
		for (sm.index = 0; sm.index < unit.command_count; sm.index++) {
			if (!consistent(&sm))
				continue;
			visited++;
			visit(&sm);
			if (sm.step == SERVICE_STEP_NONE)
				break; /* the index means nothing then */
		}
	}
}

/* ---- what holds for each step -------------------------------------------------------------- */

struct step {
	struct sm before, after;
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
	case SM_EVENT_RELOAD:
	case SM_EVENT_RESET:
	case SM_EVENT_DEPS_MET:
	case SM_EVENT_READY:
	case SM_EVENT_RELOADING:
	case SM_EVENT_STOPPING:
	case SM_EVENT_WATCHDOG:
	case SM_EVENT_GROUP_EMPTY:
		return true; /* people and programs say what they like, when they like */
	case SM_EVENT_EXECED:
	case SM_EVENT_SPAWN_FAILED:
	case SM_EVENT_EXITED:
		return sm->main;
	case SM_EVENT_COMMAND_EXITED:
		return sm->command;
	case SM_EVENT_TIMEOUT:
		return has_timer(sm);
	case SM_EVENT_COUNT:
		return false;
	}
	return false;
}

static bool is_down(enum service_state state)
{
	return state == SERVICE_STATE_INACTIVE || state == SERVICE_STATE_WAITING ||
	       state == SERVICE_STATE_BACKOFF || state == SERVICE_STATE_FAILED;
}

static void check_main(const struct step *step)
{
	const struct sm *before = &step->before, *after = &step->after;
	bool gone = step->event == SM_EVENT_EXITED || step->event == SM_EVENT_SPAWN_FAILED;

	if (step->actions & SM_ACTION_SPAWN) {
		/* Never a second one; only a oneshot has one after the other. */
		assert_true(after->main && after->step == SERVICE_STEP_START);
		assert_true(!before->main || (gone && unit.type == UNIT_TYPE_ONESHOT));
		assert_false(before->command && step->event != SM_EVENT_COMMAND_EXITED);
		return;
	}
	assert_true(before->main || !after->main);
	/* A process is forgotten only when it is known to be gone, and always then. */
	if (before->main && !after->main)
		assert_true(gone);
	if (gone)
		assert_false(after->main);
}

static void check_command(const struct step *step)
{
	const struct sm *before = &step->before, *after = &step->after;
	bool over = step->event == SM_EVENT_COMMAND_EXITED ||
		    (step->actions & SM_ACTION_DROP_COMMAND) != 0;

	if (step->actions & SM_ACTION_DROP_COMMAND)
		assert_true(before->command);
	if (step->actions & SM_ACTION_RUN) {
		assert_true(after->command);
		assert_true(!before->command || over);
	} else {
		assert_true(before->command || !after->command);
	}
	if (before->command && !after->command)
		assert_true(over);
	assert_false((step->actions & SM_ACTION_RUN) && (step->actions & SM_ACTION_SPAWN));
}

static void check_signals(const struct step *step)
{
	const struct sm *before = &step->before, *after = &step->after;
	unsigned int signals =
		step->actions & (SM_ACTION_TERMINATE | SM_ACTION_ABORT | SM_ACTION_KILL);
	bool rest = step->facts.rest && (unit.kill_mode == UNIT_KILL_CONTROL_GROUP ||
						unit.kill_mode == UNIT_KILL_MIXED);
	bool gave_up = step->event == SM_EVENT_TIMEOUT &&
		       (before->step == SERVICE_STEP_STOP_KILL ||
			       before->step == SERVICE_STEP_STOP_SIGNAL);

	assert_true((signals & (signals - 1)) == 0);
	if (signals) {
		assert_int_equal(after->state, SERVICE_STATE_STOPPING);
		assert_true(after->main || after->command || step->facts.rest ||
			    step->event == SM_EVENT_TIMEOUT);
	}
	if (step->actions & SM_ACTION_KILL_REST)
		assert_true(step->facts.rest && !after->main && rest);
	/* Nobody of the old instance is left when the next one may start. */
	if (rest && !is_down(before->state) && is_down(after->state) && !gave_up &&
		step->event != SM_EVENT_GROUP_EMPTY)
		assert_true(step->actions & SM_ACTION_KILL_REST);
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
		assert_true(step->after.state == SERVICE_STATE_STARTING ||
			    step->after.state == SERVICE_STATE_RELOADING);
	if (arm == SM_ACTION_ARM_STOP)
		assert_int_equal(step->after.state, SERVICE_STATE_STOPPING);
	if (arm == SM_ACTION_ARM_RESTART)
		assert_int_equal(step->after.state, SERVICE_STATE_BACKOFF);
	/* A new step has its whole time. */
	if (step->after.step != step->before.step && step->after.step != SERVICE_STEP_NONE)
		assert_true(arm != 0);
}

static void check_desired(const struct step *step)
{
	const struct sm *before = &step->before, *after = &step->after;
	bool stuck = before->state == SERVICE_STATE_FAILED && before->main;

	switch (step->event) {
	case SM_EVENT_WANT:
	case SM_EVENT_RESTART:
		/* An unkillable process keeps its name: nothing is started beside it. */
		assert_int_equal(after->wanted, !stuck);
		break;
	case SM_EVENT_UNWANT:
		assert_false(after->wanted);
		break;
	case SM_EVENT_RESET:
		if (before->state == SERVICE_STATE_FAILED && !stuck)
			assert_true(after->state == SERVICE_STATE_INACTIVE && !after->wanted);
		else
			assert_int_equal(before->wanted, after->wanted);
		break;
	default:
		/* Nobody else makes a wish; it is given up only when the unit says so or it cannot be. */
		if (before->wanted && !after->wanted)
			assert_true((after->state == SERVICE_STATE_INACTIVE &&
					    unit.restart != UNIT_RESTART_ALWAYS) ||
				    (after->state == SERVICE_STATE_INACTIVE &&
					    before->no_restart) ||
				    (after->state == SERVICE_STATE_INACTIVE &&
					    step->facts.no_restart) ||
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
	if (after->state == SERVICE_STATE_BACKOFF && before->state != SERVICE_STATE_BACKOFF) {
		assert_false(step->facts.limit_hit);
		assert_false(before->asked);
	}
	if (after->cause == SM_CAUSE_START_LIMIT && before->cause != SM_CAUSE_START_LIMIT)
		assert_true(step->facts.limit_hit);
	if (step->actions & SM_ACTION_NOTE_RELOAD)
		assert_true(before->state == SERVICE_STATE_RELOADING &&
			    after->state == SERVICE_STATE_ACTIVE);
	if (after->state == SERVICE_STATE_RELOADING && before->state != SERVICE_STATE_RELOADING)
		assert_true(step->event == SM_EVENT_RELOAD || step->event == SM_EVENT_RELOADING);
}

static void check_step(const struct sm *sm, enum sm_event event, struct sm_facts facts)
{
	struct step step = {.before = *sm, .after = *sm, .event = event, .facts = facts};

	step.actions = sm_step(&step.after, &unit, event, facts);
	if (!possible(sm, event)) {
		/* A late event must do no harm where its meaning has gone. */
		assert_int_equal(step.actions, 0);
		assert_memory_equal(&step.before, &step.after, sizeof(struct sm));
		return;
	}
	if (!consistent(&step.after))
		fail_msg(
			"type %d restart %d kill %d: %s/%s (cause %d) + event %d -> %s/%s (cause %d)",
			unit.type, unit.restart, unit.kill_mode, service_state_name(sm->state),
			service_step_name(sm->step), sm->cause, event,
			service_state_name(step.after.state), service_step_name(step.after.step),
			step.after.cause);
	check_main(&step);
	check_command(&step);
	check_signals(&step);
	check_timer(&step);
	check_desired(&step);
	check_entries(&step);
}

static void check_state(const struct sm *sm)
{
	for (unsigned int event = 0; event <= SM_EVENT_COUNT; event++) {
		bool ended = event == SM_EVENT_EXITED || event == SM_EVENT_COMMAND_EXITED;

		for (unsigned int i = 0; i < (ended ? 24U : 4U); i++)
			check_step(sm, (enum sm_event)event,
				(struct sm_facts){.rest = i & 1,
					.limit_hit = i & 2,
					.no_restart = i & 4,
					.end = (enum sm_end)(i / 8)});
	}
}

static void check_unit(void)
{
	struct sm fresh;

	memset(&fresh, 0, sizeof(fresh));
	assert_true(consistent(&fresh));
	visited = 0;
	for_each_state(check_state);
	assert_in_range(visited, 40, 2000);
}

static void test_every_step(void **state)
{
	(void)state;
	for_each_unit(check_unit);
}

/* ---- random walks through a small world ---------------------------------------------------- */

struct world {
	struct sm sm;
	unsigned int mains, commands; /* alive: never two of a kind */
	bool exec_pending;
	bool rest; /* others in its group */
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

static void world_act(struct world *world, unsigned int actions)
{
	if (actions & SM_ACTION_DROP_COMMAND)
		world->commands--;
	if (actions & (SM_ACTION_DISARM))
		world->timer = false;
	if (actions & ANY_ARM)
		world->timer = true;
	if (actions & SM_ACTION_KILL_REST)
		world->rest = false;
	if (actions & SM_ACTION_RUN)
		world->commands++;
	if (actions & SM_ACTION_SPAWN) {
		world->mains++;
		world->exec_pending = true;
	}
}

static void world_send(struct world *world, enum sm_event event, enum sm_end end)
{
	struct sm_facts facts = {.end = end, .limit_hit = world->starts >= 5, .rest = world->rest};

	if (event == SM_EVENT_WANT || event == SM_EVENT_RESTART)
		world->starts = 0;
	if (event == SM_EVENT_TIMEOUT)
		world->timer = false;
	/* A start begins with the first command, so that one that always fails meets the limit too. */
	if (world->sm.state == SERVICE_STATE_WAITING && event == SM_EVENT_DEPS_MET)
		world->starts++;
	world_act(world, sm_step(&world->sm, &unit, event, facts));
	assert_in_range(world->mains, 0, 1);
	assert_in_range(world->commands, 0, 1);
	assert_int_equal(world->mains, world->sm.main);
	assert_int_equal(world->commands, world->sm.command);
	assert_int_equal(world->timer, has_timer(&world->sm));
	assert_true(consistent(&world->sm));
}

static void world_exit(struct world *world, enum sm_end end)
{
	world->mains = 0;
	world->exec_pending = false;
	world_send(world, SM_EVENT_EXITED, end);
}

static void world_command_exit(struct world *world, enum sm_end end)
{
	world->commands = 0;
	world_send(world, SM_EVENT_COMMAND_EXITED, end);
}

static void world_exec(struct world *world, bool works)
{
	world->exec_pending = false;
	if (!works)
		world->mains = 0;
	world_send(world, works ? SM_EVENT_EXECED : SM_EVENT_SPAWN_FAILED, SM_END_STATUS);
}

static void world_empty(struct world *world)
{
	world->rest = false;
	world_send(world, SM_EVENT_GROUP_EMPTY, SM_END_CLEAN);
}

/* One thing that can happen now, chosen by lot. */
static void world_walk(struct world *world)
{
	static const enum sm_event words[] = {SM_EVENT_WANT, SM_EVENT_WANT, SM_EVENT_UNWANT,
		SM_EVENT_RESTART, SM_EVENT_RELOAD, SM_EVENT_RESET, SM_EVENT_DEPS_MET,
		SM_EVENT_DEPS_MET, SM_EVENT_READY, SM_EVENT_READY, SM_EVENT_RELOADING,
		SM_EVENT_STOPPING, SM_EVENT_WATCHDOG};

	switch (random_below(8)) {
	case 0:
	case 1:
		world_send(world, words[random_below(ARRAY_SIZE(words))], SM_END_CLEAN);
		break;
	case 2:
		if (world->exec_pending)
			world_exec(world, random_below(4) > 0);
		break;
	case 3:
		if (world->mains > 0 && random_below(3) == 0)
			world_exit(world, (enum sm_end)random_below(3));
		break;
	case 4:
		if (world->commands > 0)
			world_command_exit(world, (enum sm_end)random_below(2));
		break;
	case 5:
		if (world->mains + world->commands > 0)
			world->rest = true; /* one of them forked */
		break;
	case 6:
		if (world->rest)
			world_empty(world);
		break;
	default:
		if (world->timer)
			world_send(world, SM_EVENT_TIMEOUT, SM_END_CLEAN);
	}
}

/* A world in which everything works out: programs run, become ready, end when told to. */
static void world_favour(struct world *world)
{
	enum service_state state = world->sm.state;

	if (world->exec_pending)
		world_exec(world, true);
	else if (world->commands > 0)
		world_command_exit(world, SM_END_CLEAN);
	else if (state == SERVICE_STATE_WAITING)
		world_send(world, SM_EVENT_DEPS_MET, SM_END_CLEAN);
	else if (world->mains > 0 &&
		 (state == SERVICE_STATE_STOPPING ||
			 (state == SERVICE_STATE_STARTING && unit.type == UNIT_TYPE_ONESHOT)))
		world_exit(world, SM_END_CLEAN);
	else if (state == SERVICE_STATE_STARTING || state == SERVICE_STATE_RELOADING)
		world_send(world, SM_EVENT_READY, SM_END_CLEAN);
	else if (world->rest && state == SERVICE_STATE_STOPPING)
		world_empty(world);
	else if (state == SERVICE_STATE_BACKOFF)
		world_send(world, SM_EVENT_TIMEOUT, SM_END_CLEAN);
}

/* A world in which nothing does: every program dies, but not when it is told to. */
static void world_hinder(struct world *world)
{
	enum service_state state = world->sm.state;

	if (world->exec_pending && random_below(2) == 0)
		world_exec(world, false);
	else if (state == SERVICE_STATE_WAITING)
		world_send(world, SM_EVENT_DEPS_MET, SM_END_CLEAN);
	else if (world->commands > 0 && state != SERVICE_STATE_STOPPING)
		world_command_exit(world, SM_END_STATUS);
	else if (world->mains > 0 &&
		 (state == SERVICE_STATE_STARTING || state == SERVICE_STATE_ACTIVE ||
			 state == SERVICE_STATE_RELOADING))
		world_exit(world, SM_END_SIGNAL);
	else if (world->timer)
		world_send(world, SM_EVENT_TIMEOUT, SM_END_CLEAN);
}

static bool at_rest(enum service_state state)
{
	return state == SERVICE_STATE_ACTIVE || state == SERVICE_STATE_INACTIVE ||
	       state == SERVICE_STATE_FAILED;
}

/* From here, left alone, the service comes to rest: where it is wanted to be, or failed. */
static void check_rest(const struct world *now, void (*act)(struct world *world), bool good)
{
	struct world world = *now;

	/* Two commands of each of five phases, each with its timeouts, several starts. */
	for (unsigned int i = 0; i < 300; i++)
		act(&world);
	if (!at_rest(world.sm.state) || world.timer)
		fail_msg("%s/%s -> %s/%s", service_state_name(now->sm.state),
			service_step_name(now->sm.step), service_state_name(world.sm.state),
			service_step_name(world.sm.step));
	if (world.sm.wanted)
		assert_int_not_equal(world.sm.state, SERVICE_STATE_INACTIVE);
	else
		assert_int_not_equal(world.sm.state, SERVICE_STATE_ACTIVE);
	/* In a good world only what had gone wrong before, and has nobody to try again, fails; and a oneshot that is
	 * to do its work again and again meets the start limit. */
	if (good && world.sm.state == SERVICE_STATE_FAILED)
		assert_true(now->sm.state == SERVICE_STATE_FAILED ||
			    now->sm.state == SERVICE_STATE_STOPPING ||
			    (unit.type == UNIT_TYPE_ONESHOT &&
				    unit.restart == UNIT_RESTART_ON_SUCCESS));
}

static void walk(void)
{
	struct world world;

	memset(&world, 0, sizeof(world));
	random_state = 0x6b65656cULL + (uint64_t)unit.type * 3 + (uint64_t)unit.restart * 7 +
		       (uint64_t)unit.kill_mode * 11 + unit.command_count;
	for (unsigned int i = 0; i < 600; i++) {
		world_walk(&world);
		if (i % 32 == 0) {
			check_rest(&world, world_favour, true);
			check_rest(&world, world_hinder, false);
		}
	}
}

static void test_random_walks(void **state)
{
	(void)state;
	for_each_unit(walk);
}

/* ---- stories with names -------------------------------------------------------------------- */

/* The unit of a story: ExecStart= and what `set` adds. */
static void make_unit(enum unit_type type, enum unit_restart restart, unsigned int set)
{
	memset(&unit, 0, sizeof(unit));
	unit.type = type;
	unit.restart = restart;
	unit.send_sigkill = true;
	set_commands(set);
}

static struct sm active(void)
{
	return (struct sm){.state = SERVICE_STATE_ACTIVE, .wanted = true, .main = true};
}

static struct sm starting(void)
{
	return (struct sm){.state = SERVICE_STATE_STARTING,
		.step = SERVICE_STEP_START,
		.wanted = true,
		.main = true};
}

static unsigned int send(struct sm *sm, enum sm_event event)
{
	return sm_step(sm, &unit, event, (struct sm_facts){.end = SM_END_CLEAN});
}

static unsigned int send_exit(struct sm *sm, enum sm_end end)
{
	return sm_step(sm, &unit, SM_EVENT_EXITED, (struct sm_facts){.end = end});
}

static void test_notify_waits_for_ready(void **state)
{
	struct sm sm = {.state = SERVICE_STATE_INACTIVE};

	(void)state;
	make_unit(UNIT_TYPE_NOTIFY, UNIT_RESTART_NO, 0);
	assert_int_equal(send(&sm, SM_EVENT_WANT), SM_ACTION_CHECK_DEPS);
	assert_int_equal(send(&sm, SM_EVENT_DEPS_MET), SM_ACTION_SPAWN | SM_ACTION_ARM_START);
	assert_int_equal(send(&sm, SM_EVENT_EXECED), 0);
	assert_int_equal(sm.state, SERVICE_STATE_STARTING);
	assert_int_equal(send(&sm, SM_EVENT_READY), SM_ACTION_DISARM);
	assert_int_equal(sm.state, SERVICE_STATE_ACTIVE);
}

static void test_ready_means_nothing_to_other_types(void **state)
{
	struct sm sm = starting();

	(void)state;
	make_unit(UNIT_TYPE_EXEC, UNIT_RESTART_NO, 0);
	assert_int_equal(send(&sm, SM_EVENT_READY), 0);
	assert_int_equal(sm.state, SERVICE_STATE_STARTING);
	assert_int_equal(send(&sm, SM_EVENT_EXECED), SM_ACTION_DISARM);
	assert_int_equal(sm.state, SERVICE_STATE_ACTIVE);
}

/* A service that died once and came back is restarted like one that never died. */
static void test_restart_after_a_crash(void **state)
{
	struct sm sm = active();

	(void)state;
	make_unit(UNIT_TYPE_NOTIFY, UNIT_RESTART_ON_FAILURE, 0);
	assert_int_equal(send_exit(&sm, SM_END_SIGNAL), SM_ACTION_ARM_RESTART);
	assert_int_equal(sm.state, SERVICE_STATE_BACKOFF);
	assert_int_equal(sm.cause, SM_CAUSE_SIGNAL);
	assert_int_equal(send(&sm, SM_EVENT_TIMEOUT),
		SM_ACTION_CHECK_DEPS | SM_ACTION_COUNT_RESTART);
	(void)send(&sm, SM_EVENT_DEPS_MET);
	(void)send(&sm, SM_EVENT_READY);
	assert_int_equal(send(&sm, SM_EVENT_RESTART), SM_ACTION_TERMINATE | SM_ACTION_ARM_STOP);
	assert_int_equal(send_exit(&sm, SM_END_CLEAN), SM_ACTION_DISARM | SM_ACTION_CHECK_DEPS);
	assert_int_equal(sm.state, SERVICE_STATE_WAITING);
	assert_true(sm.wanted);
}

static void test_stop_escalates_and_gives_up(void **state)
{
	struct sm sm = active();

	(void)state;
	make_unit(UNIT_TYPE_EXEC, UNIT_RESTART_ALWAYS, 0);
	assert_int_equal(send(&sm, SM_EVENT_UNWANT), SM_ACTION_TERMINATE | SM_ACTION_ARM_STOP);
	assert_int_equal(send(&sm, SM_EVENT_TIMEOUT), SM_ACTION_KILL | SM_ACTION_ARM_STOP);
	assert_int_equal(send(&sm, SM_EVENT_TIMEOUT), SM_ACTION_DISARM);
	assert_int_equal(sm.state, SERVICE_STATE_FAILED);
	assert_int_equal(sm.cause, SM_CAUSE_UNKILLABLE);
	assert_int_equal(send(&sm, SM_EVENT_WANT), 0); /* not beside the stuck one */
	assert_int_equal(send_exit(&sm, SM_END_SIGNAL), 0);
	assert_int_equal(send(&sm, SM_EVENT_WANT), SM_ACTION_CHECK_DEPS);
}

static void test_start_timeout_follows_policy(void **state)
{
	struct sm sm = starting(), copy = sm;

	(void)state;
	make_unit(UNIT_TYPE_NOTIFY, UNIT_RESTART_NO, 0);
	assert_int_equal(send(&sm, SM_EVENT_TIMEOUT), SM_ACTION_TERMINATE | SM_ACTION_ARM_STOP);
	(void)send_exit(&sm, SM_END_CLEAN);
	assert_int_equal(sm.state, SERVICE_STATE_FAILED);
	assert_int_equal(sm.cause, SM_CAUSE_START_TIMEOUT);
	make_unit(UNIT_TYPE_NOTIFY, UNIT_RESTART_ON_FAILURE, 0);
	(void)send(&copy, SM_EVENT_TIMEOUT);
	(void)send_exit(&copy, SM_END_CLEAN); /* it obeyed the TERM: still a failure */
	assert_int_equal(copy.state, SERVICE_STATE_BACKOFF);
}

static void test_clean_end_is_no_outage(void **state)
{
	struct sm sm = active();

	(void)state;
	make_unit(UNIT_TYPE_SIMPLE, UNIT_RESTART_ON_FAILURE, 0);
	(void)send_exit(&sm, SM_END_CLEAN);
	assert_int_equal(sm.state, SERVICE_STATE_INACTIVE);
	assert_false(sm.wanted || sm.done);
}

/* systemd.service(5): one ExecStart= after the other; over when all are, unless RemainAfterExit=. */
static void test_oneshot(void **state)
{
	struct sm sm = starting(), failed = starting();

	(void)state;
	make_unit(UNIT_TYPE_ONESHOT, UNIT_RESTART_NO, 0);
	assert_int_equal(send_exit(&sm, SM_END_CLEAN), SM_ACTION_SPAWN | SM_ACTION_ARM_START);
	assert_int_equal(sm.index, 1);
	assert_int_equal(send_exit(&sm, SM_END_CLEAN), SM_ACTION_DISARM);
	assert_int_equal(sm.state, SERVICE_STATE_INACTIVE);
	assert_true(sm.done);
	(void)send(&sm, SM_EVENT_WANT);
	assert_false(sm.done);
	(void)send_exit(&failed, SM_END_STATUS);
	assert_int_equal(failed.state, SERVICE_STATE_FAILED);
	unit.remain_after_exit = true;
	sm = starting();
	(void)send_exit(&sm, SM_END_CLEAN);
	(void)send_exit(&sm, SM_END_CLEAN);
	assert_int_equal(sm.state, SERVICE_STATE_ACTIVE);
	assert_int_equal(send(&sm, SM_EVENT_RESTART), SM_ACTION_DISARM | SM_ACTION_CHECK_DEPS);
}

static void test_notify_that_ends_unready_has_failed(void **state)
{
	struct sm sm = starting();

	(void)state;
	make_unit(UNIT_TYPE_NOTIFY, UNIT_RESTART_NO, 0);
	(void)send_exit(&sm, SM_END_CLEAN);
	assert_int_equal(sm.state, SERVICE_STATE_FAILED);
	assert_int_equal(sm.cause, SM_CAUSE_PROTOCOL);
}

/* An exec that hangs (a dead disk) through SIGKILL and fails in the end must not block the name. */
static void test_hung_exec_that_fails_frees_the_name(void **state)
{
	struct sm sm = {.state = SERVICE_STATE_STOPPING,
		.step = SERVICE_STEP_STOP_KILL,
		.asked = true,
		.main = true};

	(void)state;
	make_unit(UNIT_TYPE_EXEC, UNIT_RESTART_NO, 0);
	(void)send(&sm, SM_EVENT_TIMEOUT);
	assert_int_equal(sm.cause, SM_CAUSE_UNKILLABLE);
	(void)send(&sm, SM_EVENT_SPAWN_FAILED);
	assert_int_equal(send(&sm, SM_EVENT_WANT), SM_ACTION_CHECK_DEPS);
}

static void test_start_limit(void **state)
{
	struct sm sm = active();

	(void)state;
	make_unit(UNIT_TYPE_EXEC, UNIT_RESTART_ALWAYS, 0);
	(void)sm_step(&sm, &unit, SM_EVENT_EXITED,
		(struct sm_facts){.end = SM_END_CLEAN, .limit_hit = true});
	assert_int_equal(sm.state, SERVICE_STATE_FAILED);
	assert_int_equal(sm.cause, SM_CAUSE_START_LIMIT);
	assert_int_equal(send(&sm, SM_EVENT_RESET), 0);
	assert_int_equal(sm.state, SERVICE_STATE_INACTIVE);
}

/* systemd.service(5), table "Exit causes and the effect of the Restart= settings". */
static void test_restart_table(void **state)
{
	enum { CLEAN, STATUS, SIGNAL, TIMEOUT, WATCHDOG, ENDS };
	static const bool again[][ENDS] = {
		[UNIT_RESTART_NO] = {false, false, false, false, false},
		[UNIT_RESTART_ON_SUCCESS] = {true, false, false, false, false},
		[UNIT_RESTART_ON_FAILURE] = {false, true, true, true, true},
		[UNIT_RESTART_ON_ABNORMAL] = {false, false, true, true, true},
		[UNIT_RESTART_ON_WATCHDOG] = {false, false, false, false, true},
		[UNIT_RESTART_ON_ABORT] = {false, false, true, false, false},
		[UNIT_RESTART_ALWAYS] = {true, true, true, true, true},
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(again) * ENDS; i++) {
		enum unit_restart restart = (enum unit_restart)(i / ENDS);
		struct sm sm = i % ENDS == TIMEOUT ? starting() : active();

		make_unit(UNIT_TYPE_NOTIFY, restart, 0);
		if (i % ENDS == TIMEOUT)
			(void)send(&sm, SM_EVENT_TIMEOUT);
		if (i % ENDS == WATCHDOG)
			(void)send(&sm, SM_EVENT_WATCHDOG);
		(void)send_exit(&sm, i % ENDS == STATUS   ? SM_END_STATUS
				     : i % ENDS == SIGNAL ? SM_END_SIGNAL
							  : SM_END_CLEAN);
		assert_int_equal(sm.state == SERVICE_STATE_BACKOFF, again[restart][i % ENDS]);
	}
}

static void test_prevented_restart(void **state)
{
	struct sm sm = active();

	(void)state;
	make_unit(UNIT_TYPE_EXEC, UNIT_RESTART_ALWAYS, 0);
	(void)sm_step(&sm, &unit, SM_EVENT_EXITED,
		(struct sm_facts){.end = SM_END_STATUS, .no_restart = true});
	assert_int_equal(sm.state, SERVICE_STATE_FAILED);
	assert_int_equal(sm.cause, SM_CAUSE_STATUS);
}

static void test_watchdog(void **state)
{
	struct sm sm = active();

	(void)state;
	make_unit(UNIT_TYPE_NOTIFY, UNIT_RESTART_ON_WATCHDOG, 0);
	assert_int_equal(send(&sm, SM_EVENT_WATCHDOG), SM_ACTION_ABORT | SM_ACTION_ARM_STOP);
	assert_int_equal(send(&sm, SM_EVENT_TIMEOUT), SM_ACTION_KILL | SM_ACTION_ARM_STOP);
	assert_int_equal(send_exit(&sm, SM_END_SIGNAL), SM_ACTION_ARM_RESTART);
	assert_int_equal(sm.cause, SM_CAUSE_WATCHDOG);
}

/* The whole life of a unit with two commands in every phase. */
static void test_every_phase(void **state)
{
	static const enum unit_phase expected[] = {UNIT_PHASE_START_PRE, UNIT_PHASE_START_PRE,
		UNIT_PHASE_START_POST, UNIT_PHASE_START_POST, UNIT_PHASE_RELOAD, UNIT_PHASE_RELOAD,
		UNIT_PHASE_STOP, UNIT_PHASE_STOP, UNIT_PHASE_STOP_POST, UNIT_PHASE_STOP_POST};
	struct sm sm = {.state = SERVICE_STATE_INACTIVE};
	unsigned int ran = 0;

	(void)state;
	make_unit(UNIT_TYPE_NOTIFY, UNIT_RESTART_NO, COMMAND_SETS - 1);
	(void)send(&sm, SM_EVENT_WANT);
	(void)send(&sm, SM_EVENT_DEPS_MET);
	for (unsigned int i = 0; i < 40 && sm.state != SERVICE_STATE_INACTIVE; i++) {
		if (sm.command) {
			assert_int_equal(unit.commands[sm.index].phase, expected[ran++]);
			(void)send(&sm, SM_EVENT_COMMAND_EXITED);
		} else if (sm.step == SERVICE_STEP_START) {
			(void)send(&sm, SM_EVENT_READY);
		} else if (sm.state == SERVICE_STATE_ACTIVE) {
			(void)send(&sm, ran < 6 ? SM_EVENT_RELOAD : SM_EVENT_UNWANT);
		} else {
			assert_int_equal(sm.step, SERVICE_STEP_STOP_SIGNAL);
			(void)send_exit(&sm, SM_END_CLEAN);
		}
	}
	assert_int_equal(sm.state, SERVICE_STATE_INACTIVE);
	assert_int_equal(ran, ARRAY_SIZE(expected));
}

static void test_failed_pre_command(void **state)
{
	struct sm sm = {.state = SERVICE_STATE_WAITING, .wanted = true};

	(void)state;
	make_unit(UNIT_TYPE_EXEC, UNIT_RESTART_ON_FAILURE, 1);
	assert_int_equal(send(&sm, SM_EVENT_DEPS_MET), SM_ACTION_RUN | SM_ACTION_ARM_START);
	assert_int_equal(sm_step(&sm, &unit, SM_EVENT_COMMAND_EXITED,
				 (struct sm_facts){.end = SM_END_STATUS}),
		SM_ACTION_ARM_RESTART);
	assert_int_equal(sm.state, SERVICE_STATE_BACKOFF);
	assert_int_equal(sm.cause, SM_CAUSE_COMMAND);
}

/* The group is waited for: a child that holds a port must be gone before the next instance. */
static void test_rest_of_the_group(void **state)
{
	struct sm sm = active(), mixed = active(), process = active();
	const struct sm_facts rest = {.end = SM_END_SIGNAL, .rest = true};

	(void)state;
	make_unit(UNIT_TYPE_EXEC, UNIT_RESTART_ALWAYS, 0);
	assert_int_equal(sm_step(&sm, &unit, SM_EVENT_EXITED, rest),
		SM_ACTION_TERMINATE | SM_ACTION_ARM_STOP);
	assert_int_equal(sm.step, SERVICE_STEP_STOP_SIGNAL);
	assert_int_equal(send(&sm, SM_EVENT_GROUP_EMPTY), SM_ACTION_ARM_RESTART);
	unit.kill_mode = UNIT_KILL_MIXED;
	assert_int_equal(sm_step(&mixed, &unit, SM_EVENT_EXITED, rest),
		SM_ACTION_KILL | SM_ACTION_ARM_STOP);
	unit.kill_mode = UNIT_KILL_PROCESS;
	assert_int_equal(sm_step(&process, &unit, SM_EVENT_EXITED, rest), SM_ACTION_ARM_RESTART);
}

static void test_reload_by_signal(void **state)
{
	struct sm sm = active();

	(void)state;
	make_unit(UNIT_TYPE_NOTIFY_RELOAD, UNIT_RESTART_NO, 0);
	assert_true(unit_can_reload(&unit));
	assert_int_equal(send(&sm, SM_EVENT_RELOAD), SM_ACTION_RELOAD_SIGNAL | SM_ACTION_ARM_START);
	assert_int_equal(send(&sm, SM_EVENT_RELOADING), 0);
	assert_int_equal(sm.state, SERVICE_STATE_RELOADING);
	assert_int_equal(send(&sm, SM_EVENT_READY), SM_ACTION_DISARM);
	assert_int_equal(sm.state, SERVICE_STATE_ACTIVE);
	(void)send(&sm, SM_EVENT_RELOADING);
	assert_int_equal(send(&sm, SM_EVENT_TIMEOUT), SM_ACTION_NOTE_RELOAD);
	assert_int_equal(sm.state, SERVICE_STATE_ACTIVE);
	make_unit(UNIT_TYPE_EXEC, UNIT_RESTART_NO, 3);
	assert_true(unit_can_reload(&unit));
	make_unit(UNIT_TYPE_EXEC, UNIT_RESTART_NO, 0);
	assert_false(unit_can_reload(&unit));
	assert_int_equal(send(&sm, SM_EVENT_RELOAD), 0);
}

/* STOPPING=1: it goes by itself, is not signalled, and the policy has the last word. */
static void test_stops_by_itself(void **state)
{
	struct sm sm = active();

	(void)state;
	make_unit(UNIT_TYPE_NOTIFY, UNIT_RESTART_ALWAYS, 0);
	assert_int_equal(send(&sm, SM_EVENT_STOPPING), SM_ACTION_ARM_STOP);
	assert_int_equal(send_exit(&sm, SM_END_CLEAN), SM_ACTION_ARM_RESTART);
	assert_int_equal(sm.state, SERVICE_STATE_BACKOFF);
	sm = active();
	(void)send(&sm, SM_EVENT_STOPPING);
	assert_int_equal(send(&sm, SM_EVENT_TIMEOUT), SM_ACTION_TERMINATE | SM_ACTION_ARM_STOP);
}

static void test_no_sigkill(void **state)
{
	struct sm sm = active();

	(void)state;
	make_unit(UNIT_TYPE_EXEC, UNIT_RESTART_NO, 0);
	unit.send_sigkill = false;
	(void)send(&sm, SM_EVENT_UNWANT);
	assert_int_equal(send(&sm, SM_EVENT_TIMEOUT), SM_ACTION_DISARM);
	assert_int_equal(sm.cause, SM_CAUSE_UNKILLABLE);
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
	cmocka_unit_test(test_oneshot),
	cmocka_unit_test(test_notify_that_ends_unready_has_failed),
	cmocka_unit_test(test_hung_exec_that_fails_frees_the_name),
	cmocka_unit_test(test_start_limit),
	cmocka_unit_test(test_restart_table),
	cmocka_unit_test(test_prevented_restart),
	cmocka_unit_test(test_watchdog),
	cmocka_unit_test(test_every_phase),
	cmocka_unit_test(test_failed_pre_command),
	cmocka_unit_test(test_rest_of_the_group),
	cmocka_unit_test(test_reload_by_signal),
	cmocka_unit_test(test_stops_by_itself),
	cmocka_unit_test(test_no_sigkill),
};

UNIT_TEST_MAIN(tests)
