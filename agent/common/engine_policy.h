/* SPDX-License-Identifier: MIT
 *
 * engine_policy.h - what to think of containerd or dockerd and what to do about it. Pure: facts about one
 * daemon in, a state and an action out; no clock, no I/O. Caller: agent/engine.c.
 *
 * A daemon is hung when ENGINE_POLICY_MISSES probes in a row were missed and nothing was heard for the
 * configured time. One missed probe is never a reason to restart it. Patience is longer for a daemon that has
 * not answered since its start (it may be reading thousands of containers) and much longer for one
 * that waits for CPU, memory or disk itself: a restart makes a slow machine slower.
 */
#pragma once

#include "lib/base.h"
#include "lib/control.h"

#define ENGINE_POLICY_MISSES         3
#define ENGINE_POLICY_FIRST_PATIENCE 2  /* times hung_after, until the first answer */
#define ENGINE_POLICY_STALL_PATIENCE 10 /* times hung_after, while it is stalled */
#define ENGINE_POLICY_RETRY_US       (UINT64_C(250) * 1000) /* after the first miss; doubles */

enum daemon_state {
	DAEMON_STATE_DOWN,     /* its service is not up */
	DAEMON_STATE_STARTING, /* its service starts, or it has not answered yet */
	DAEMON_STATE_READY,    /* the last probe was answered */
	DAEMON_STATE_SLOW,     /* the last probe was missed */
	DAEMON_STATE_HUNG,     /* so many, for so long, that waiting is no use */
	DAEMON_STATE_FAILED,   /* PID 1 has given it up */
};

enum engine_action {
	ENGINE_ACTION_NONE,
	ENGINE_ACTION_PROBE,   /* at `at_us` */
	ENGINE_ACTION_RESTART, /* its unit, now */
};

struct engine_policy {
	bool restart;                   /* may restart at all */
	unsigned int restarts_per_hour; /* ... so often */
	uint64_t hung_after_us, calm_us;
};

struct engine_policy_facts {
	uint8_t unit;          /* enum service_state */
	bool stopping;         /* the guest or the agent is going down */
	bool probing;          /* a probe is under way */
	bool stalled;          /* the daemon's own processes wait for CPU, memory or disk */
	bool answered;         /* at least once since its service became active */
	unsigned int misses;   /* in a row */
	uint64_t probed_us;    /* end of the last probe, 0: none since its service became active */
	uint64_t silent_us;    /* begin of the first of those missed */
	uint64_t restarted_us; /* its restart was asked for, 0: not since it became active */
	unsigned int recent_restarts; /* within an hour */
};

struct engine_verdict {
	enum daemon_state state;
	enum engine_action action;
	uint64_t at_us;
};

struct engine_verdict engine_policy(const struct engine_policy *policy,
	const struct engine_policy_facts *facts, uint64_t now_us) MUST_CHECK;
const char *daemon_state_name(enum daemon_state state);
