/* SPDX-License-Identifier: MIT
 *
 * reclaim_worker.h - does one step at a time in a child, because writing memory.reclaim, compact_memory or drop_caches
 * blocks until it is done. The child lives as long as an episode; it is in the agent's own control group, whose pressure
 * is not looked at. It ends with the agent.
 *
 * While a step takes from a group that has others below it which are not meant, those have memory.low = max: the
 * kernel then passes them by (cgroup-v2.rst). The value that was there before comes back after the step, also when
 * it was interrupted; what an agent that was killed left behind is put right at the next start: "max" becomes 0.
 * Groups with a memory.low of their own (docker run --memory-reservation) keep it.
 */
#pragma once

#include "agent/memory/memory_gather.h"
#include "agent/memory/reclaim_policy.h"
#include "lib/base.h"
#include "lib/loop.h"

typedef void reclaim_worker_fn(void *ctx, const struct reclaim_result *result);

struct reclaim_worker {
	struct loop *loop;
	const struct memory_paths *paths;
	struct loop_source source;
	struct loop_timer deadline;
	int fd;    /* to the child, -1: none */
	pid_t pid; /* 0: none */
	bool busy;
	bool no_swappiness; /* the kernel refused it: base/containers and base/engine get memory.swap.max = what they use */
	reclaim_worker_fn *fn;
	void *ctx;
};

void reclaim_worker_init(struct reclaim_worker *worker, struct loop *loop,
	const struct memory_paths *paths, reclaim_worker_fn *fn, void *ctx);
/* 0, then `fn` is called; -EBUSY; -errno. `name`: of the group below the base. */
int reclaim_worker_start(struct reclaim_worker *worker, const struct reclaim_step *step,
	enum reclaim_class class, const char *name) MUST_CHECK;
/* The step ends soon, with -ECANCELED. */
void reclaim_worker_interrupt(struct reclaim_worker *worker);
/* The episode is over: the child goes. */
void reclaim_worker_stop(struct reclaim_worker *worker);
/* memory.low = max that a killed agent left behind. */
void reclaim_worker_recover(const struct memory_paths *paths);
