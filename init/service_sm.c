/* SPDX-License-Identifier: MIT
 *
 * service_sm.c - see service_sm.h. One function per state; every switch names every event.
 *
 *   INACTIVE --want--> WAITING --deps--> STARTING --ready--> ACTIVE
 *       ^                 ^                 | exited, timeout   | exited
 *       |                 |                 v                   v
 *       +---unwanted--- BACKOFF <------ (policy: again?) --no--> FAILED or INACTIVE
 *   STOPPING is between a TERM and the exit that follows; after it the policy decides likewise.
 */
#include "init/service_sm.h"

static unsigned int enter(struct sm *sm, enum service_state state, unsigned int actions)
{
	sm->state = state;
	return actions;
}

static unsigned int start(struct sm *sm)
{
	sm->wanted = true;
	sm->cause = SM_CAUSE_NONE;
	return enter(sm, SERVICE_STATE_WAITING, SM_ACTION_CHECK_DEPS);
}

static bool notifies(const struct unit *unit)
{
	return unit->type == UNIT_TYPE_NOTIFY || unit->type == UNIT_TYPE_NOTIFY_RELOAD;
}

static bool restarts(const struct unit *unit, enum sm_cause cause, bool clean)
{
	switch (unit->restart) {
	case UNIT_RESTART_NO:
		return false;
	case UNIT_RESTART_ON_SUCCESS:
		return clean;
	case UNIT_RESTART_ON_ABNORMAL:
	case UNIT_RESTART_ON_WATCHDOG:
	case UNIT_RESTART_ON_ABORT:
	case UNIT_RESTART_ON_FAILURE:
		return !clean || cause != SM_CAUSE_EXITED;
	case UNIT_RESTART_ALWAYS:
		return true;
	}
	return false;
}

/* The process is gone (or never was): what now? */
static unsigned int ended(struct sm *sm, const struct unit *unit, enum sm_cause cause,
	struct sm_facts facts)
{
	bool clean = facts.clean && cause == SM_CAUSE_EXITED;

	sm->process = false;
	sm->killed = false;
	sm->cause = cause;
	if (!sm->wanted) {
		sm->cause = SM_CAUSE_NONE;
		return enter(sm, SERVICE_STATE_INACTIVE, SM_ACTION_KILL_REST | SM_ACTION_DISARM);
	}
	if (!restarts(unit, cause, clean)) {
		/* An ended program without Restart= is what its unit asked for, not an outage. */
		if (clean) {
			sm->wanted = false;
			sm->cause = SM_CAUSE_NONE;
		}
		return enter(sm, clean ? SERVICE_STATE_INACTIVE : SERVICE_STATE_FAILED,
			SM_ACTION_KILL_REST | SM_ACTION_DISARM);
	}
	if (facts.limit_hit) {
		sm->cause = SM_CAUSE_START_LIMIT;
		return enter(sm, SERVICE_STATE_FAILED, SM_ACTION_KILL_REST | SM_ACTION_DISARM);
	}
	return enter(sm, SERVICE_STATE_BACKOFF, SM_ACTION_KILL_REST | SM_ACTION_ARM_RESTART);
}

static unsigned int stop(struct sm *sm, bool wanted, enum sm_cause cause)
{
	sm->wanted = wanted;
	sm->killed = false;
	sm->cause = cause;
	return enter(sm, SERVICE_STATE_STOPPING, SM_ACTION_TERMINATE | SM_ACTION_ARM_STOP);
}

/* INACTIVE and FAILED: nothing runs, nothing is armed. */
static unsigned int step_down(struct sm *sm, enum sm_event event)
{
	switch (event) {
	case SM_EVENT_WANT:
	case SM_EVENT_RESTART:
		return start(sm);
	case SM_EVENT_UNWANT:
		sm->wanted = false;
		return 0;
	case SM_EVENT_DEPS_MET:
	case SM_EVENT_EXECED:
	case SM_EVENT_SPAWN_FAILED:
	case SM_EVENT_READY:
	case SM_EVENT_EXITED:
	case SM_EVENT_TIMEOUT:
	case SM_EVENT_COUNT:
		break;
	}
	return 0;
}

static unsigned int step_waiting(struct sm *sm, enum sm_event event)
{
	switch (event) {
	case SM_EVENT_DEPS_MET:
		sm->process = true;
		return enter(sm, SERVICE_STATE_STARTING, SM_ACTION_SPAWN | SM_ACTION_ARM_START);
	case SM_EVENT_UNWANT:
		sm->wanted = false;
		return enter(sm, SERVICE_STATE_INACTIVE, 0);
	case SM_EVENT_WANT:
	case SM_EVENT_RESTART:
	case SM_EVENT_EXECED:
	case SM_EVENT_SPAWN_FAILED:
	case SM_EVENT_READY:
	case SM_EVENT_EXITED:
	case SM_EVENT_TIMEOUT:
	case SM_EVENT_COUNT:
		break;
	}
	return 0;
}

static unsigned int step_starting(struct sm *sm, const struct unit *unit, enum sm_event event,
	struct sm_facts facts)
{
	switch (event) {
	case SM_EVENT_EXECED:
		if (unit->type == UNIT_TYPE_SIMPLE || unit->type == UNIT_TYPE_EXEC)
			return enter(sm, SERVICE_STATE_ACTIVE, SM_ACTION_DISARM);
		return 0;
	case SM_EVENT_READY:
		if (notifies(unit))
			return enter(sm, SERVICE_STATE_ACTIVE, SM_ACTION_DISARM);
		return 0;
	case SM_EVENT_SPAWN_FAILED:
		return ended(sm, unit, SM_CAUSE_SPAWN_FAILED, facts);
	case SM_EVENT_EXITED:
		/* A oneshot that did its work stays "active" without a process: dependents may start. */
		if (unit->type == UNIT_TYPE_ONESHOT && facts.clean) {
			sm->process = false;
			return enter(sm, SERVICE_STATE_ACTIVE,
				SM_ACTION_KILL_REST | SM_ACTION_DISARM);
		}
		/* It promised a READY=1 (systemd calls this result "protocol"). */
		if (notifies(unit))
			facts.clean = false;
		return ended(sm, unit, SM_CAUSE_EXITED, facts);
	case SM_EVENT_TIMEOUT:
		return stop(sm, sm->wanted, SM_CAUSE_START_TIMEOUT);
	case SM_EVENT_UNWANT:
		return stop(sm, false, SM_CAUSE_NONE);
	case SM_EVENT_RESTART:
		return stop(sm, true, SM_CAUSE_NONE);
	case SM_EVENT_WANT:
	case SM_EVENT_DEPS_MET:
	case SM_EVENT_COUNT:
		break;
	}
	return 0;
}

static unsigned int step_active(struct sm *sm, const struct unit *unit, enum sm_event event,
	struct sm_facts facts)
{
	switch (event) {
	case SM_EVENT_EXITED:
		return ended(sm, unit, SM_CAUSE_EXITED, facts);
	case SM_EVENT_SPAWN_FAILED:
		return ended(sm, unit, SM_CAUSE_SPAWN_FAILED, facts);
	case SM_EVENT_UNWANT:
		if (sm->process)
			return stop(sm, false, SM_CAUSE_NONE);
		sm->wanted = false;
		return enter(sm, SERVICE_STATE_INACTIVE, 0);
	case SM_EVENT_RESTART:
		return sm->process ? stop(sm, true, SM_CAUSE_NONE) : start(sm);
	case SM_EVENT_WANT:
	case SM_EVENT_DEPS_MET:
	case SM_EVENT_EXECED:
	case SM_EVENT_READY:
	case SM_EVENT_TIMEOUT:
	case SM_EVENT_COUNT:
		break;
	}
	return 0;
}

static unsigned int step_stopping(struct sm *sm, const struct unit *unit, enum sm_event event,
	struct sm_facts facts)
{
	switch (event) {
	case SM_EVENT_EXITED:
	case SM_EVENT_SPAWN_FAILED:
		/* Stopped because it never became ready: its policy decides. On request and wanted
		 * again: up at once, that is what "restart" means. */
		if (sm->cause != SM_CAUSE_NONE || !sm->wanted)
			return ended(sm, unit, sm->cause, facts);
		sm->process = false;
		sm->killed = false;
		return enter(sm, SERVICE_STATE_WAITING,
			SM_ACTION_KILL_REST | SM_ACTION_DISARM | SM_ACTION_CHECK_DEPS);
	case SM_EVENT_TIMEOUT:
		if (sm->killed) {
			/* In uninterruptible sleep. It is no longer waited for, and not started twice. */
			sm->wanted = false;
			sm->killed = false;
			sm->cause = SM_CAUSE_UNKILLABLE;
			return enter(sm, SERVICE_STATE_FAILED, SM_ACTION_DISARM);
		}
		sm->killed = true;
		return SM_ACTION_KILL | SM_ACTION_ARM_STOP;
	case SM_EVENT_UNWANT:
		sm->wanted = false;
		sm->cause = SM_CAUSE_NONE;
		return 0;
	case SM_EVENT_WANT:
	case SM_EVENT_RESTART:
		sm->wanted = true;
		sm->cause = SM_CAUSE_NONE;
		return 0;
	case SM_EVENT_DEPS_MET:
	case SM_EVENT_EXECED:
	case SM_EVENT_READY:
	case SM_EVENT_COUNT:
		break;
	}
	return 0;
}

static unsigned int step_backoff(struct sm *sm, enum sm_event event)
{
	switch (event) {
	case SM_EVENT_TIMEOUT:
		return start(sm) | SM_ACTION_COUNT_RESTART;
	case SM_EVENT_WANT:
	case SM_EVENT_RESTART:
		return start(sm) | SM_ACTION_DISARM;
	case SM_EVENT_UNWANT:
		sm->wanted = false;
		sm->cause = SM_CAUSE_NONE;
		return enter(sm, SERVICE_STATE_INACTIVE, SM_ACTION_DISARM);
	case SM_EVENT_DEPS_MET:
	case SM_EVENT_EXECED:
	case SM_EVENT_SPAWN_FAILED:
	case SM_EVENT_READY:
	case SM_EVENT_EXITED:
	case SM_EVENT_COUNT:
		break;
	}
	return 0;
}

unsigned int sm_step(struct sm *sm, const struct unit *unit, enum sm_event event,
	struct sm_facts facts)
{
	/* Only what exists can run or end. */
	if (!sm->process && (event == SM_EVENT_EXECED || event == SM_EVENT_SPAWN_FAILED ||
				    event == SM_EVENT_EXITED))
		return 0;
	switch (sm->state) {
	case SERVICE_STATE_INACTIVE:
	case SERVICE_STATE_FAILED:
		/* An unkillable process that dies after all, or whose exec hung and failed, frees the
		 * name for a new start. */
		if (event == SM_EVENT_EXITED || event == SM_EVENT_SPAWN_FAILED)
			sm->process = false;
		if (sm->process)
			return 0;
		return step_down(sm, event);
	case SERVICE_STATE_WAITING:
		return step_waiting(sm, event);
	case SERVICE_STATE_STARTING:
		return step_starting(sm, unit, event, facts);
	case SERVICE_STATE_ACTIVE:
	case SERVICE_STATE_RELOADING:
		return step_active(sm, unit, event, facts);
	case SERVICE_STATE_STOPPING:
		return step_stopping(sm, unit, event, facts);
	case SERVICE_STATE_BACKOFF:
		return step_backoff(sm, event);
	}
	return 0;
}
