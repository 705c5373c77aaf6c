/* SPDX-License-Identifier: MIT
 *
 * engine.h - watches dockerd and containerd: asks, judges by engine_policy, has PID 1 restart what is hung.
 *
 * When: at once when a service becomes active; soon when somebody asks for health or could not reach
 * dockerd (engine_kick); else every `calm_us`, both daemons in one wake-up. After a missed
 * probe ever later from 0.25 s up. Never while the service is not active.
 */
#pragma once

#include "agent/common/facts.h"
#include "agent/engine_probe.h"
#include "lib/base.h"
#include "lib/config.h"
#include "lib/loop.h"

/* Called when the engine facts changed; not from inside engine_update. */
typedef void engine_change_fn(void *ctx);
/* Asks PID 1 to restart a unit: 0 when it was sent, -errno. */
typedef int engine_restart_fn(void *ctx, const char *unit);

struct engine_options {
	struct address address[ENGINE_DAEMONS];
	struct engine_policy policy; /* restarts_per_hour <= CONFIG_ENGINE_RESTARTS_MAX */
};

struct engine;

struct engine_daemon {
	struct engine *engine;
	enum engine_daemon_id id;
	struct engine_probe probe;
	struct engine_policy_facts seen;
	uint64_t
		life_us; /* the service's ready_us: another life has another; 0: it is not active */
	uint64_t begun_us;                                /* the probe under way */
	uint64_t due_us;                                  /* the next probe, 0: none */
	uint64_t restarts_us[CONFIG_ENGINE_RESTARTS_MAX]; /* a ring */
	char answer[CONTROL_REASON_MAX];                  /* why the last probe was missed */
};

struct engine {
	struct loop *loop;
	struct facts *facts;
	struct engine_policy policy;
	struct engine_daemon daemons[ENGINE_DAEMONS];
	struct loop_timer timer; /* the next probe of any daemon */
	bool updating;
	engine_change_fn *changed;
	engine_restart_fn *restart;
	engine_change_fn
		*tick; /* the engine is awake to ask; others may use the wake-up. NULL: nobody */
	void *ctx;
};

void engine_init(struct engine *engine, struct loop *loop, const struct engine_options *options,
	struct facts *facts, engine_change_fn *changed, engine_restart_fn *restart, void *ctx);
/* dockerd is asked through a connection that `dial` makes, not at its address. */
void engine_ask_through(struct engine *engine, engine_dial_fn *dial, void *ctx);
/* The records of the services or of the boot have changed. */
void engine_update(struct engine *engine);
/* Somebody wants to know, or met a dead end: asks again unless the last answer is fresh. */
void engine_kick(struct engine *engine);
void engine_stop(struct engine *engine);
