/* SPDX-License-Identifier: MIT
 *
 * service_sm_stop.h - what the two halves of the state machine share; for service_sm.c only. Each function changes
 * *sm and returns the actions.
 */
#pragma once

#include "init/service_sm.h"

unsigned int sm_enter(struct sm *sm, enum service_state state, enum service_step step,
	unsigned int actions);
/* The next command of a phase at or after `from` is to run. False if there is none. */
bool sm_run_next(struct sm *sm, const struct unit *unit, enum unit_phase phase, unsigned int from);
/* Wanted, and everything about the last life forgotten. */
unsigned int sm_wait_for_deps(struct sm *sm, unsigned int actions);
/* On request; the caller stops it. */
unsigned int sm_ask_stop(struct sm *sm, bool wanted);
/* Signals what is left of it, or goes on when nothing is. */
unsigned int sm_stop_signal(struct sm *sm, const struct unit *unit, struct sm_facts facts);
/* The same, after ExecStop=, which is for a service that had started. */
unsigned int sm_stop_started(struct sm *sm, const struct unit *unit, struct sm_facts facts);
unsigned int sm_fail(struct sm *sm, const struct unit *unit, enum sm_cause cause,
	struct sm_facts facts);
unsigned int sm_step_stopping(struct sm *sm, const struct unit *unit, enum sm_event event,
	struct sm_facts facts);
enum sm_cause sm_cause_of(enum sm_end end);
