/* SPDX-License-Identifier: MIT
 *
 * service_sm_stop.c - the way down of a service, and what comes after it. Pure; part of service_sm.c, which says how
 * the states hang together.
 *
 *   ExecStop= (if it had started) -> KillSignal= -> SIGKILL -> ExecStopPost= -> up again, backoff, failed or inactive
 */
#include "init/service_sm_stop.h"

unsigned int sm_enter(struct sm *sm, enum service_state state, enum service_step step,
	unsigned int actions)
{
	sm->state = state;
	sm->step = step;
	return actions;
}

/* Runs the next command of a phase at or after `from`. False if there is none. */
bool sm_run_next(struct sm *sm, const struct unit *unit, enum unit_phase phase, unsigned int from)
{
	int index = unit_next_command(unit, phase, from);

	if (index < 0)
		return false;
	sm->index = (unsigned int)index;
	sm->command = true;
	return true;
}

/* ---- what comes after an end ---------------------------------------------------------------- */

/* systemd.service(5), table "Exit causes and the effect of the Restart= settings". */
static bool restarts(const struct sm *sm, const struct unit *unit)
{
	bool clean = sm->cause == SM_CAUSE_CLEAN;
	bool abnormal = sm->cause == SM_CAUSE_SIGNAL || sm->cause == SM_CAUSE_START_TIMEOUT ||
			sm->cause == SM_CAUSE_WATCHDOG;

	if (sm->no_restart)
		return false;
	switch (unit->restart) {
	case UNIT_RESTART_NO:
		return false;
	case UNIT_RESTART_ON_SUCCESS:
		return clean;
	case UNIT_RESTART_ON_FAILURE:
		return !clean;
	case UNIT_RESTART_ON_ABNORMAL:
		return abnormal;
	case UNIT_RESTART_ON_WATCHDOG:
		return sm->cause == SM_CAUSE_WATCHDOG;
	case UNIT_RESTART_ON_ABORT:
		return sm->cause == SM_CAUSE_SIGNAL;
	case UNIT_RESTART_ALWAYS:
		return true;
	}
	return false;
}

unsigned int sm_wait_for_deps(struct sm *sm, unsigned int actions)
{
	sm->wanted = true;
	sm->asked = sm->no_restart = sm->done = false;
	sm->cause = SM_CAUSE_NONE;
	return sm_enter(sm, SERVICE_STATE_WAITING, SERVICE_STEP_NONE,
		actions | SM_ACTION_CHECK_DEPS);
}

/* Nothing of it runs any more: what now? */
static unsigned int decide(struct sm *sm, const struct unit *unit, struct sm_facts facts)
{
	unsigned int actions = facts.rest && unit->kill_mode != UNIT_KILL_PROCESS &&
					       unit->kill_mode != UNIT_KILL_NONE
				       ? SM_ACTION_KILL_REST
				       : 0;
	bool again = sm->wanted && !sm->asked && restarts(sm, unit);
	bool clean = sm->cause == SM_CAUSE_CLEAN;

	if (sm->wanted && sm->asked)
		return sm_wait_for_deps(sm, actions | SM_ACTION_DISARM);
	sm->asked = sm->no_restart = false;
	if (again && !facts.limit_hit)
		return sm_enter(sm, SERVICE_STATE_BACKOFF, SERVICE_STEP_NONE,
			actions | SM_ACTION_ARM_RESTART);
	if (again)
		sm->cause = SM_CAUSE_START_LIMIT;
	/* An ended program without Restart= is what its unit asked for, not an outage. */
	if (!sm->wanted || (clean && !again)) {
		sm->done = clean && unit->type == UNIT_TYPE_ONESHOT;
		sm->wanted = false;
		sm->cause = SM_CAUSE_NONE;
		return sm_enter(sm, SERVICE_STATE_INACTIVE, SERVICE_STEP_NONE,
			actions | SM_ACTION_DISARM);
	}
	return sm_enter(sm, SERVICE_STATE_FAILED, SERVICE_STEP_NONE, actions | SM_ACTION_DISARM);
}

/* ---- the way down --------------------------------------------------------------------------- */

static unsigned int stop_post(struct sm *sm, const struct unit *unit, struct sm_facts facts)
{
	if (!sm_run_next(sm, unit, UNIT_PHASE_STOP_POST, 0))
		return decide(sm, unit, facts);
	return sm_enter(sm, SERVICE_STATE_STOPPING, SERVICE_STEP_STOP_POST,
		SM_ACTION_RUN | SM_ACTION_ARM_STOP);
}

/* Signals what is left of it, or goes on when nothing is. */
unsigned int sm_stop_signal(struct sm *sm, const struct unit *unit, struct sm_facts facts)
{
	bool rest = facts.rest && (unit->kill_mode == UNIT_KILL_CONTROL_GROUP ||
					  unit->kill_mode == UNIT_KILL_MIXED);

	if (sm->main || sm->command)
		return sm_enter(sm, SERVICE_STATE_STOPPING, SERVICE_STEP_STOP_SIGNAL,
			SM_ACTION_TERMINATE | SM_ACTION_ARM_STOP);
	if (!rest)
		return stop_post(sm, unit, facts);
	if (unit->kill_mode == UNIT_KILL_MIXED)
		return sm_enter(sm, SERVICE_STATE_STOPPING, SERVICE_STEP_STOP_KILL,
			SM_ACTION_KILL | SM_ACTION_ARM_STOP);
	return sm_enter(sm, SERVICE_STATE_STOPPING, SERVICE_STEP_STOP_SIGNAL,
		SM_ACTION_TERMINATE | SM_ACTION_ARM_STOP);
}

/* ExecStop= is for a service that had started. */
unsigned int sm_stop_started(struct sm *sm, const struct unit *unit, struct sm_facts facts)
{
	if (!sm_run_next(sm, unit, UNIT_PHASE_STOP, 0))
		return sm_stop_signal(sm, unit, facts);
	return sm_enter(sm, SERVICE_STATE_STOPPING, SERVICE_STEP_STOP,
		SM_ACTION_RUN | SM_ACTION_ARM_STOP);
}

/* On request. */
unsigned int sm_ask_stop(struct sm *sm, bool wanted)
{
	sm->wanted = wanted;
	sm->asked = true;
	sm->no_restart = false;
	sm->cause = SM_CAUSE_NONE;
	return 0;
}

unsigned int sm_fail(struct sm *sm, const struct unit *unit, enum sm_cause cause,
	struct sm_facts facts)
{
	sm->cause = cause;
	return sm_stop_signal(sm, unit, facts);
}

enum sm_cause sm_cause_of(enum sm_end end)
{
	switch (end) {
	case SM_END_CLEAN:
		return SM_CAUSE_CLEAN;
	case SM_END_STATUS:
		return SM_CAUSE_STATUS;
	case SM_END_SIGNAL:
		return SM_CAUSE_SIGNAL;
	}
	return SM_CAUSE_SIGNAL;
}

/* Nobody can end it: it keeps its name, so that nothing is started beside it. What is left of its group or a
 * command in that condition is forgotten, as systemd does. */
static unsigned int give_up(struct sm *sm, const struct unit *unit, struct sm_facts facts)
{
	unsigned int actions = sm->command ? SM_ACTION_DROP_COMMAND : 0;

	sm->command = false;
	if (!sm->main) {
		facts.rest = false;
		return actions | stop_post(sm, unit, facts);
	}
	sm->wanted = sm->asked = sm->no_restart = false;
	sm->cause = SM_CAUSE_UNKILLABLE;
	return sm_enter(sm, SERVICE_STATE_FAILED, SERVICE_STEP_NONE, actions | SM_ACTION_DISARM);
}

static unsigned int stop_timeout(struct sm *sm, const struct unit *unit, struct sm_facts facts)
{
	unsigned int actions = sm->command ? SM_ACTION_DROP_COMMAND : 0;

	switch (sm->step) {
	case SERVICE_STEP_STOP:
		sm->command = false;
		return actions | sm_stop_signal(sm, unit, facts);
	case SERVICE_STEP_STOP_NOTIFIED:
		return sm_stop_signal(sm, unit, facts);
	case SERVICE_STEP_STOP_SIGNAL:
		if (!unit->send_sigkill)
			return give_up(sm, unit, facts);
		return sm_enter(sm, SERVICE_STATE_STOPPING, SERVICE_STEP_STOP_KILL,
			SM_ACTION_KILL | SM_ACTION_ARM_STOP);
	case SERVICE_STEP_STOP_KILL:
		return give_up(sm, unit, facts);
	case SERVICE_STEP_STOP_POST:
		sm->command = false;
		return actions | decide(sm, unit, facts);
	case SERVICE_STEP_NONE:
	case SERVICE_STEP_START_PRE:
	case SERVICE_STEP_START:
	case SERVICE_STEP_START_POST:
	case SERVICE_STEP_RELOAD:
	case SERVICE_STEP_RELOAD_NOTIFY:
		break; /* not of STOPPING */
	}
	return 0;
}

/* Something of it is gone: is that all, and what is next? */
static unsigned int stop_went_on(struct sm *sm, const struct unit *unit, struct sm_facts facts)
{
	switch (sm->step) {
	case SERVICE_STEP_STOP:
		if (sm->command)
			return 0;
		if (sm_run_next(sm, unit, UNIT_PHASE_STOP, sm->index + 1))
			return SM_ACTION_RUN | SM_ACTION_ARM_STOP;
		return sm_stop_signal(sm, unit, facts);
	case SERVICE_STEP_STOP_NOTIFIED:
		return sm->main ? 0 : sm_stop_signal(sm, unit, facts);
	case SERVICE_STEP_STOP_SIGNAL:
	case SERVICE_STEP_STOP_KILL:
		if (sm->main || sm->command)
			return 0;
		if (facts.rest && unit->kill_mode == UNIT_KILL_MIXED &&
			sm->step == SERVICE_STEP_STOP_SIGNAL)
			return sm_stop_signal(sm, unit, facts);
		if (facts.rest && (unit->kill_mode == UNIT_KILL_CONTROL_GROUP ||
					  unit->kill_mode == UNIT_KILL_MIXED))
			return 0; /* GROUP_EMPTY will come, or the timer */
		return stop_post(sm, unit, facts);
	case SERVICE_STEP_STOP_POST:
		if (sm->command)
			return 0;
		if (sm_run_next(sm, unit, UNIT_PHASE_STOP_POST, sm->index + 1))
			return SM_ACTION_RUN | SM_ACTION_ARM_STOP;
		return decide(sm, unit, facts);
	case SERVICE_STEP_NONE:
	case SERVICE_STEP_START_PRE:
	case SERVICE_STEP_START:
	case SERVICE_STEP_START_POST:
	case SERVICE_STEP_RELOAD:
	case SERVICE_STEP_RELOAD_NOTIFY:
		break; /* not of STOPPING */
	}
	return 0;
}

unsigned int sm_step_stopping(struct sm *sm, const struct unit *unit, enum sm_event event,
	struct sm_facts facts)
{
	switch (event) {
	case SM_EVENT_EXITED:
	case SM_EVENT_SPAWN_FAILED:
		sm->main = false;
		if (!sm->asked && sm->cause == SM_CAUSE_NONE) {
			sm->cause = event == SM_EVENT_EXITED ? sm_cause_of(facts.end)
							     : SM_CAUSE_SPAWN_FAILED;
			sm->no_restart = facts.no_restart;
		}
		return stop_went_on(sm, unit, facts);
	case SM_EVENT_COMMAND_EXITED:
		sm->command = false;
		return stop_went_on(sm, unit, facts);
	case SM_EVENT_GROUP_EMPTY:
		facts.rest = false;
		return stop_went_on(sm, unit, facts);
	case SM_EVENT_TIMEOUT:
		return stop_timeout(sm, unit, facts);
	case SM_EVENT_UNWANT:
		return sm_ask_stop(sm, false);
	case SM_EVENT_WANT:
	case SM_EVENT_RESTART:
		return sm_ask_stop(sm, true);
	case SM_EVENT_RELOAD:
	case SM_EVENT_DEPS_MET:
	case SM_EVENT_EXECED:
	case SM_EVENT_READY:
	case SM_EVENT_RELOADING:
	case SM_EVENT_STOPPING:
	case SM_EVENT_WATCHDOG:
	case SM_EVENT_RESET:
	case SM_EVENT_COUNT:
		break;
	}
	return 0;
}
