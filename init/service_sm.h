/* SPDX-License-Identifier: MIT
 *
 * service_sm.h - the life of one service as a pure function: (state, event) -> (state, actions).
 *
 * No clock, no process, no I/O: service.c carries the actions out and feeds the events in. Desired
 * state (`wanted`) and actual state (`state`) are apart.
 */
#pragma once

#include "init/unit.h"

enum sm_event {
	SM_EVENT_WANT,         /* somebody wants it up */
	SM_EVENT_UNWANT,       /* somebody wants it down */
	SM_EVENT_RESTART,      /* down, then up again */
	SM_EVENT_DEPS_MET,     /* everything it waits for is there */
	SM_EVENT_EXECED,       /* the new process runs its own program */
	SM_EVENT_SPAWN_FAILED, /* no process came to be, or its exec failed */
	SM_EVENT_READY,        /* READY=1 */
	SM_EVENT_EXITED,       /* the main process is gone */
	SM_EVENT_TIMEOUT,      /* the armed timer ran out */
	SM_EVENT_COUNT,
};

/* What the event's sender knows beside the event. */
struct sm_facts {
	bool clean;     /* EXITED: status 0, or the signal we stopped it with */
	bool limit_hit; /* this would be one start too many within the start limit */
};

enum sm_action {
	SM_ACTION_COUNT_RESTART = 1 << 0,
	SM_ACTION_CHECK_DEPS = 1 << 1, /* send DEPS_MET as soon as it is true */
	SM_ACTION_KILL_REST =
		1 << 2, /* SIGKILL to what the dead main process left, unless KillMode=process */
	SM_ACTION_DISARM = 1 << 3,
	SM_ACTION_ARM_START = 1 << 4,   /* timer: TimeoutStartSec */
	SM_ACTION_ARM_STOP = 1 << 5,    /* timer: TimeoutStopSec */
	SM_ACTION_ARM_RESTART = 1 << 6, /* timer: RestartSec with backoff */
	SM_ACTION_TERMINATE = 1 << 7,   /* KillSignal to the main process */
	SM_ACTION_KILL =
		1 << 8, /* SIGKILL to the whole cgroup, or the main process only (KillMode) */
	SM_ACTION_SPAWN = 1 << 9, /* last: it may fail at once and send the next event */
};

/* Why a state was entered; service.c makes the sentence. */
enum sm_cause {
	SM_CAUSE_NONE,
	SM_CAUSE_EXITED, /* it ended by itself */
	SM_CAUSE_SPAWN_FAILED,
	SM_CAUSE_START_TIMEOUT, /* not ready in time */
	SM_CAUSE_START_LIMIT,   /* died too often */
	SM_CAUSE_UNKILLABLE,    /* SIGKILL did not end it in time */
};

struct sm {
	enum service_state state;
	bool wanted;
	bool process; /* a main process exists (or is being made) */
	bool killed;  /* STOPPING: SIGKILL was sent */
	enum sm_cause
		cause; /* of BACKOFF, FAILED and of a STOPPING that will end in one of them, else NONE */
};

/* Applies the event to *sm and returns the actions (bits of enum sm_action), to be carried out in the
 * order of the bits. An event that means nothing in a state changes nothing and returns 0. */
unsigned int sm_step(struct sm *sm, const struct unit *unit, enum sm_event event,
	struct sm_facts facts);
