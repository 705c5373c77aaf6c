/* SPDX-License-Identifier: MIT
 *
 * service_sm.c - see service_sm.h. One function per state; every switch names every event. The way down is
 * service_sm_stop.c.
 *
 *   INACTIVE --want--> WAITING --deps--> STARTING --ready--> ACTIVE <--> RELOADING
 *       ^                 ^                 | died, timeout     | died, watchdog, unwanted
 *       |                 |                 v                   v
 *       |                 |              STOPPING: ExecStop= → signal → SIGKILL → ExecStopPost=
 *       |                 |                          |
 *       +---unwanted--- BACKOFF <--- policy: again --+-- no --> FAILED or INACTIVE
 *
 * STOPPING is skipped when nothing is left to stop: a service that died alone is in BACKOFF at once.
 */
#include "init/service_sm.h"

#include "init/service_sm_stop.h"

static bool notifies(const struct unit *unit)
{
	return unit->type == UNIT_TYPE_NOTIFY || unit->type == UNIT_TYPE_NOTIFY_RELOAD;
}

bool unit_can_reload(const struct unit *unit)
{
	return unit->type == UNIT_TYPE_NOTIFY_RELOAD ||
	       unit_next_command(unit, UNIT_PHASE_RELOAD, 0) >= 0;
}

/* ---- down and waiting ----------------------------------------------------------------------- */

/* INACTIVE and FAILED: nothing runs, nothing is armed. */
static unsigned int step_down(struct sm *sm, enum sm_event event)
{
	switch (event) {
	case SM_EVENT_WANT:
	case SM_EVENT_RESTART:
		return sm_wait_for_deps(sm, 0);
	case SM_EVENT_UNWANT:
		sm->wanted = false;
		return 0;
	case SM_EVENT_RESET:
		sm->wanted = sm->done = false;
		sm->cause = SM_CAUSE_NONE;
		return sm_enter(sm, SERVICE_STATE_INACTIVE, SERVICE_STEP_NONE, 0);
	case SM_EVENT_RELOAD:
	case SM_EVENT_DEPS_MET:
	case SM_EVENT_EXECED:
	case SM_EVENT_SPAWN_FAILED:
	case SM_EVENT_READY:
	case SM_EVENT_RELOADING:
	case SM_EVENT_STOPPING:
	case SM_EVENT_EXITED:
	case SM_EVENT_COMMAND_EXITED:
	case SM_EVENT_GROUP_EMPTY:
	case SM_EVENT_TIMEOUT:
	case SM_EVENT_WATCHDOG:
	case SM_EVENT_COUNT:
		break;
	}
	return 0;
}

static unsigned int spawn_main(struct sm *sm, const struct unit *unit, unsigned int from)
{
	int index = unit_next_command(unit, UNIT_PHASE_START, from);

	/* There is one: the parser and the callers see to it. */
	sm->index = index < 0 ? 0 : (unsigned int)index;
	sm->main = true;
	return sm_enter(sm, SERVICE_STATE_STARTING, SERVICE_STEP_START,
		SM_ACTION_SPAWN | SM_ACTION_ARM_START);
}

static unsigned int step_waiting(struct sm *sm, const struct unit *unit, enum sm_event event)
{
	switch (event) {
	case SM_EVENT_DEPS_MET:
		if (sm_run_next(sm, unit, UNIT_PHASE_START_PRE, 0))
			return sm_enter(sm, SERVICE_STATE_STARTING, SERVICE_STEP_START_PRE,
				SM_ACTION_RUN | SM_ACTION_ARM_START);
		return spawn_main(sm, unit, 0);
	case SM_EVENT_UNWANT:
		sm->wanted = false;
		return sm_enter(sm, SERVICE_STATE_INACTIVE, SERVICE_STEP_NONE, 0);
	case SM_EVENT_WANT:
	case SM_EVENT_RESTART:
	case SM_EVENT_RELOAD:
	case SM_EVENT_EXECED:
	case SM_EVENT_SPAWN_FAILED:
	case SM_EVENT_READY:
	case SM_EVENT_RELOADING:
	case SM_EVENT_STOPPING:
	case SM_EVENT_EXITED:
	case SM_EVENT_COMMAND_EXITED:
	case SM_EVENT_GROUP_EMPTY:
	case SM_EVENT_TIMEOUT:
	case SM_EVENT_WATCHDOG:
	case SM_EVENT_RESET:
	case SM_EVENT_COUNT:
		break;
	}
	return 0;
}

static unsigned int step_backoff(struct sm *sm, enum sm_event event)
{
	switch (event) {
	case SM_EVENT_TIMEOUT:
		return sm_wait_for_deps(sm, SM_ACTION_COUNT_RESTART);
	case SM_EVENT_WANT:
	case SM_EVENT_RESTART:
		return sm_wait_for_deps(sm, SM_ACTION_DISARM);
	case SM_EVENT_UNWANT:
		sm->wanted = false;
		sm->cause = SM_CAUSE_NONE;
		return sm_enter(sm, SERVICE_STATE_INACTIVE, SERVICE_STEP_NONE, SM_ACTION_DISARM);
	case SM_EVENT_RELOAD:
	case SM_EVENT_DEPS_MET:
	case SM_EVENT_EXECED:
	case SM_EVENT_SPAWN_FAILED:
	case SM_EVENT_READY:
	case SM_EVENT_RELOADING:
	case SM_EVENT_STOPPING:
	case SM_EVENT_EXITED:
	case SM_EVENT_COMMAND_EXITED:
	case SM_EVENT_GROUP_EMPTY:
	case SM_EVENT_WATCHDOG:
	case SM_EVENT_RESET:
	case SM_EVENT_COUNT:
		break;
	}
	return 0;
}

/* ---- starting ------------------------------------------------------------------------------- */

/* The start has succeeded. A oneshot is over with that, unless it is to count as active from now on. */
static unsigned int started(struct sm *sm, const struct unit *unit, struct sm_facts facts)
{
	if (unit->type == UNIT_TYPE_ONESHOT && !unit->remain_after_exit) {
		sm->cause = SM_CAUSE_CLEAN;
		return sm_stop_started(sm, unit, facts);
	}
	return sm_enter(sm, SERVICE_STATE_ACTIVE, SERVICE_STEP_NONE, SM_ACTION_DISARM);
}

static unsigned int start_post(struct sm *sm, const struct unit *unit, struct sm_facts facts)
{
	if (!sm_run_next(sm, unit, UNIT_PHASE_START_POST, 0))
		return started(sm, unit, facts);
	return sm_enter(sm, SERVICE_STATE_STARTING, SERVICE_STEP_START_POST,
		SM_ACTION_RUN | SM_ACTION_ARM_START);
}

static unsigned int start_exited(struct sm *sm, const struct unit *unit, struct sm_facts facts)
{
	bool clean = facts.end == SM_END_CLEAN;

	sm->main = false;
	if (unit->type == UNIT_TYPE_ONESHOT && clean) {
		if (unit_next_command(unit, UNIT_PHASE_START, sm->index + 1) >= 0)
			return spawn_main(sm, unit, sm->index + 1);
		return start_post(sm, unit, facts);
	}
	sm->no_restart = facts.no_restart;
	/* It promised a READY=1. */
	if (notifies(unit) && sm->step == SERVICE_STEP_START && clean)
		return sm_fail(sm, unit, SM_CAUSE_PROTOCOL, facts);
	return sm_fail(sm, unit, sm_cause_of(facts.end), facts);
}

static unsigned int start_command_exited(struct sm *sm, const struct unit *unit,
	struct sm_facts facts)
{
	enum unit_phase phase =
		sm->step == SERVICE_STEP_START_PRE ? UNIT_PHASE_START_PRE : UNIT_PHASE_START_POST;

	sm->command = false;
	if (facts.end != SM_END_CLEAN)
		return sm_fail(sm, unit, SM_CAUSE_COMMAND, facts);
	if (sm_run_next(sm, unit, phase, sm->index + 1))
		return SM_ACTION_RUN | SM_ACTION_ARM_START;
	return phase == UNIT_PHASE_START_PRE ? spawn_main(sm, unit, 0) : started(sm, unit, facts);
}

static unsigned int step_starting(struct sm *sm, const struct unit *unit, enum sm_event event,
	struct sm_facts facts)
{
	switch (event) {
	case SM_EVENT_EXECED:
		if (sm->step == SERVICE_STEP_START &&
			(unit->type == UNIT_TYPE_SIMPLE || unit->type == UNIT_TYPE_EXEC))
			return start_post(sm, unit, facts);
		return 0;
	case SM_EVENT_READY:
		return sm->step == SERVICE_STEP_START && notifies(unit)
			       ? start_post(sm, unit, facts)
			       : 0;
	case SM_EVENT_SPAWN_FAILED:
		sm->main = false;
		return sm_fail(sm, unit, SM_CAUSE_SPAWN_FAILED, facts);
	case SM_EVENT_EXITED:
		return start_exited(sm, unit, facts);
	case SM_EVENT_COMMAND_EXITED:
		return start_command_exited(sm, unit, facts);
	case SM_EVENT_TIMEOUT:
		return sm_fail(sm, unit, SM_CAUSE_START_TIMEOUT, facts);
	case SM_EVENT_UNWANT:
	case SM_EVENT_RESTART:
		return sm_ask_stop(sm, event == SM_EVENT_RESTART) | sm_stop_signal(sm, unit, facts);
	case SM_EVENT_WANT:
	case SM_EVENT_RELOAD:
	case SM_EVENT_DEPS_MET:
	case SM_EVENT_RELOADING:
	case SM_EVENT_STOPPING:
	case SM_EVENT_GROUP_EMPTY:
	case SM_EVENT_WATCHDOG:
	case SM_EVENT_RESET:
	case SM_EVENT_COUNT:
		break;
	}
	return 0;
}

/* ---- up ------------------------------------------------------------------------------------- */

static unsigned int reload(struct sm *sm, const struct unit *unit)
{
	if (sm_run_next(sm, unit, UNIT_PHASE_RELOAD, 0))
		return sm_enter(sm, SERVICE_STATE_RELOADING, SERVICE_STEP_RELOAD,
			SM_ACTION_RUN | SM_ACTION_ARM_START);
	if (unit->type != UNIT_TYPE_NOTIFY_RELOAD || !sm->main)
		return 0;
	return sm_enter(sm, SERVICE_STATE_RELOADING, SERVICE_STEP_RELOAD_NOTIFY,
		SM_ACTION_RELOAD_SIGNAL | SM_ACTION_ARM_START);
}

/* The main process ended by itself. ExecStop= belongs to a good end only (systemd.service(5)). */
static unsigned int died(struct sm *sm, const struct unit *unit, struct sm_facts facts)
{
	sm->main = false;
	sm->cause = sm_cause_of(facts.end);
	sm->no_restart = facts.no_restart;
	return sm->cause == SM_CAUSE_CLEAN ? sm_stop_started(sm, unit, facts)
					   : sm_stop_signal(sm, unit, facts);
}

/* ACTIVE, and what RELOADING has in common with it. */
static unsigned int step_up(struct sm *sm, const struct unit *unit, enum sm_event event,
	struct sm_facts facts)
{
	/* A command that reloads is of no use to a service that goes down. */
	unsigned int drop = sm->command ? SM_ACTION_DROP_COMMAND : 0;

	switch (event) {
	case SM_EVENT_EXITED:
		sm->command = false;
		return drop | died(sm, unit, facts);
	case SM_EVENT_SPAWN_FAILED:
		sm->main = sm->command = false;
		return drop | sm_fail(sm, unit, SM_CAUSE_SPAWN_FAILED, facts);
	case SM_EVENT_UNWANT:
	case SM_EVENT_RESTART:
		sm->command = false;
		return drop | sm_ask_stop(sm, event == SM_EVENT_RESTART) |
		       sm_stop_started(sm, unit, facts);
	case SM_EVENT_WATCHDOG:
		if (!sm->main)
			return 0;
		sm->command = false;
		sm->cause = SM_CAUSE_WATCHDOG;
		return sm_enter(sm, SERVICE_STATE_STOPPING, SERVICE_STEP_STOP_SIGNAL,
			drop | SM_ACTION_ABORT | SM_ACTION_ARM_STOP);
	case SM_EVENT_STOPPING:
		if (!sm->main)
			return 0;
		sm->command = false;
		return sm_enter(sm, SERVICE_STATE_STOPPING, SERVICE_STEP_STOP_NOTIFIED,
			drop | SM_ACTION_ARM_STOP);
	case SM_EVENT_WANT:
	case SM_EVENT_RELOAD:
	case SM_EVENT_DEPS_MET:
	case SM_EVENT_EXECED:
	case SM_EVENT_READY:
	case SM_EVENT_RELOADING:
	case SM_EVENT_COMMAND_EXITED:
	case SM_EVENT_GROUP_EMPTY:
	case SM_EVENT_TIMEOUT:
	case SM_EVENT_RESET:
	case SM_EVENT_COUNT:
		break;
	}
	return 0;
}

static unsigned int step_active(struct sm *sm, const struct unit *unit, enum sm_event event,
	struct sm_facts facts)
{
	if (event == SM_EVENT_RELOAD)
		return reload(sm, unit);
	if (event == SM_EVENT_RELOADING && sm->main)
		return sm_enter(sm, SERVICE_STATE_RELOADING, SERVICE_STEP_RELOAD_NOTIFY,
			SM_ACTION_ARM_START);
	return step_up(sm, unit, event, facts);
}

static unsigned int step_reloading(struct sm *sm, const struct unit *unit, enum sm_event event,
	struct sm_facts facts)
{
	if (event == SM_EVENT_READY && sm->step == SERVICE_STEP_RELOAD_NOTIFY)
		return sm_enter(sm, SERVICE_STATE_ACTIVE, SERVICE_STEP_NONE, SM_ACTION_DISARM);
	if (event == SM_EVENT_TIMEOUT) {
		unsigned int drop = sm->command ? SM_ACTION_DROP_COMMAND : 0;

		sm->command = false;
		return sm_enter(sm, SERVICE_STATE_ACTIVE, SERVICE_STEP_NONE,
			drop | SM_ACTION_NOTE_RELOAD);
	}
	if (event != SM_EVENT_COMMAND_EXITED)
		return step_up(sm, unit, event, facts);
	sm->command = false;
	if (facts.end == SM_END_CLEAN && sm_run_next(sm, unit, UNIT_PHASE_RELOAD, sm->index + 1))
		return SM_ACTION_RUN | SM_ACTION_ARM_START;
	if (facts.end == SM_END_CLEAN && unit->type == UNIT_TYPE_NOTIFY_RELOAD && sm->main)
		return sm_enter(sm, SERVICE_STATE_RELOADING, SERVICE_STEP_RELOAD_NOTIFY,
			SM_ACTION_RELOAD_SIGNAL | SM_ACTION_ARM_START);
	return sm_enter(sm, SERVICE_STATE_ACTIVE, SERVICE_STEP_NONE,
		SM_ACTION_DISARM | (facts.end == SM_END_CLEAN ? 0 : SM_ACTION_NOTE_RELOAD));
}

unsigned int sm_step(struct sm *sm, const struct unit *unit, enum sm_event event,
	struct sm_facts facts)
{
	/* Only what exists can run or end. */
	if (!sm->main && (event == SM_EVENT_EXECED || event == SM_EVENT_SPAWN_FAILED ||
				 event == SM_EVENT_EXITED))
		return 0;
	if (!sm->command && event == SM_EVENT_COMMAND_EXITED)
		return 0;
	switch (sm->state) {
	case SERVICE_STATE_INACTIVE:
	case SERVICE_STATE_FAILED:
		/* An unkillable process that dies after all, or whose exec hung and failed, frees the
		 * name for a new start. */
		if (event == SM_EVENT_EXITED || event == SM_EVENT_SPAWN_FAILED)
			sm->main = false;
		if (sm->main)
			return 0;
		return step_down(sm, event);
	case SERVICE_STATE_WAITING:
		return step_waiting(sm, unit, event);
	case SERVICE_STATE_STARTING:
		return step_starting(sm, unit, event, facts);
	case SERVICE_STATE_ACTIVE:
		return step_active(sm, unit, event, facts);
	case SERVICE_STATE_RELOADING:
		return step_reloading(sm, unit, event, facts);
	case SERVICE_STATE_STOPPING:
		return sm_step_stopping(sm, unit, event, facts);
	case SERVICE_STATE_BACKOFF:
		return step_backoff(sm, event);
	}
	return 0;
}
