/* SPDX-License-Identifier: MIT
 *
 * service_sm.h - the life of one service as a pure function: (state, event) -> (state, actions).
 *
 * No clock, no process, no I/O: service.c carries the actions out and feeds the events in. Desired
 * state (`wanted`) and actual state (`state`) are apart. What holds for every state is in
 * tests/unit/test_service_sm.c, consistent().
 */
#pragma once

#include "init/unit.h"

enum sm_event {
	SM_EVENT_WANT,           /* somebody wants it up */
	SM_EVENT_UNWANT,         /* somebody wants it down */
	SM_EVENT_RESTART,        /* down, then up again */
	SM_EVENT_RELOAD,         /* somebody wants it to read its configuration again */
	SM_EVENT_DEPS_MET,       /* everything it waits for is there */
	SM_EVENT_EXECED,         /* the new main process runs its own program */
	SM_EVENT_SPAWN_FAILED,   /* no main process came to be, or its exec failed */
	SM_EVENT_READY,          /* READY=1 */
	SM_EVENT_RELOADING,      /* RELOADING=1 */
	SM_EVENT_STOPPING,       /* STOPPING=1: it ends by its own will */
	SM_EVENT_EXITED,         /* the main process is gone */
	SM_EVENT_COMMAND_EXITED, /* the command (ExecStartPre= and its like) is gone, or never was */
	SM_EVENT_GROUP_EMPTY,    /* no process is left in its control group */
	SM_EVENT_TIMEOUT,        /* the armed timer ran out */
	SM_EVENT_WATCHDOG,       /* no WATCHDOG=1 in time, or WATCHDOG=trigger */
	SM_EVENT_RESET,          /* somebody wants it forgotten that it failed */
	SM_EVENT_COUNT,
};

/* How a process ended: systemd.service(5), table of Restart=. */
enum sm_end { SM_END_CLEAN, SM_END_STATUS, SM_END_SIGNAL };

/* What the event's sender knows beside the event. */
struct sm_facts {
	enum sm_end end; /* EXITED; COMMAND_EXITED: CLEAN or not */
	bool no_restart; /* EXITED: a status of RestartPreventExitStatus= */
	bool rest;       /* beside main process and command there are others in its group */
	bool limit_hit;  /* this would be one start too many within the start limit */
};

/* Bits, in the order in which they are carried out. */
enum sm_action {
	SM_ACTION_COUNT_RESTART = 1 << 0,
	SM_ACTION_CHECK_DEPS = 1 << 1,   /* send DEPS_MET as soon as it is true */
	SM_ACTION_DROP_COMMAND = 1 << 2, /* SIGKILL to the command, which is no longer waited for */
	SM_ACTION_DISARM = 1 << 3,
	SM_ACTION_ARM_START = 1 << 4,   /* timer: TimeoutStartSec */
	SM_ACTION_ARM_STOP = 1 << 5,    /* timer: TimeoutStopSec */
	SM_ACTION_ARM_RESTART = 1 << 6, /* timer: RestartSec with backoff */
	SM_ACTION_TERMINATE = 1 << 7,   /* KillSignal=, to whom KillMode= says */
	SM_ACTION_ABORT = 1 << 8,       /* WatchdogSignal=, likewise */
	SM_ACTION_KILL = 1 << 9,        /* SIGKILL, likewise */
	SM_ACTION_KILL_REST = 1 << 10,  /* SIGKILL to what is left in the group */
	SM_ACTION_RELOAD_SIGNAL = 1 << 11,
	SM_ACTION_NOTE_RELOAD = 1 << 12, /* the reload failed; the service goes on */
	/* The last two may fail at once and send the next event. */
	SM_ACTION_RUN = 1 << 13,   /* the command `index` */
	SM_ACTION_SPAWN = 1 << 14, /* the command `index` as main process */
};

/* Why a state was entered; service_text.c makes the sentence. */
enum sm_cause {
	SM_CAUSE_NONE,
	SM_CAUSE_CLEAN,    /* it ended by itself, well */
	SM_CAUSE_STATUS,   /* by itself, with a bad exit status */
	SM_CAUSE_SIGNAL,   /* killed by a signal */
	SM_CAUSE_PROTOCOL, /* ended before its READY=1 */
	SM_CAUSE_SPAWN_FAILED,
	SM_CAUSE_COMMAND,       /* ExecStartPre= or ExecStartPost= failed */
	SM_CAUSE_START_TIMEOUT, /* not ready in time */
	SM_CAUSE_WATCHDOG,
	SM_CAUSE_START_LIMIT, /* died too often */
	SM_CAUSE_UNKILLABLE,  /* SIGKILL did not end it in time */
};

struct sm {
	enum service_state state;
	enum service_step step;
	enum sm_cause cause; /* of BACKOFF, FAILED and of a STOPPING that will end in one of them */
	bool wanted;
	bool main;          /* a main process exists (or is being made) */
	bool command;       /* the command `index` runs */
	bool asked;         /* STOPPING: somebody asked for it, the restart policy has no say */
	bool no_restart;    /* STOPPING: its exit status forbids a restart */
	bool done;          /* INACTIVE: a oneshot whose work is done */
	unsigned int index; /* of unit->commands */
};

/* Applies the event to *sm and returns the actions. An event that means nothing in a state changes nothing
 * and returns 0. RELOAD is for units that unit_can_reload(). */
unsigned int sm_step(struct sm *sm, const struct unit *unit, enum sm_event event,
	struct sm_facts facts);

bool unit_can_reload(const struct unit *unit);
