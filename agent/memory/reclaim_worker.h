/* SPDX-License-Identifier: MIT
 *
 * reclaim_worker.h - does one step at a time in a child of the runner (runner.h), because writing memory.reclaim, compact_memory or drop_caches
 * blocks until it is done. One child a step: its exit status is the result, its end the only message, and it can be killed at
 * any time, which the kernel's reclaim and compaction obey at once. Flushing does not: at its deadline it is left behind. It
 * ends with the agent.
 *
 * It is in a control group of its own, base/reclaim, with little weight: it has to wait for containers, not they for it.
 *
 * While a step takes from a group that has others below it which are not meant, those have memory.low = max: the
 * kernel then passes them by (cgroup-v2.rst). The agent itself sets that and takes it back after the step, however it
 * ended. What an agent that was killed left behind is put right at the next start: "max" becomes 0.
 * Containers with a memory.low of their own (docker run --memory-reservation) keep it.
 */
#pragma once

#include "agent/memory/memory_gather.h"
#include "agent/memory/reclaim_policy.h"
#include "lib/base.h"
#include "lib/loop.h"

/* `took` of the result is not filled in. */
typedef void reclaim_worker_fn(void *ctx, const struct reclaim_result *result);

#define RECLAIM_WORKER_SLICES 5

struct reclaim_worker {
	struct loop *loop;
	const struct memory_paths *paths;
	const char *data; /* a path on the file system that FLUSH writes out */
	reclaim_worker_fn *fn;
	void *ctx;
	struct loop_source exit;
	struct loop_timer deadline;
	pid_t pid;       /* 0: no step is under way */
	pid_t left_pid;  /* of a FLUSH that did not end in time, 0: none */
	uint64_t cpu_us; /* of the attempts of this step so far */
	struct reclaim_step step;
	enum reclaim_class class;
	char name[MEMORY_NAME_MAX];
	/* This attempt does without swappiness=: meanwhile base/containers and base/engine may swap no more than they do. */
	bool plain;
	bool no_swappiness; /* the kernel refused it once, and took the same without */
	/* What was there before the step, "" for what was not changed. */
	char low[RECLAIM_WORKER_SLICES][24], swap_max[RECLAIM_WORKER_SLICES][24];
};

/* Nothing is made or changed yet; `paths` must be open before the first step. */
void reclaim_worker_init(struct reclaim_worker *worker, struct loop *loop,
	const struct memory_paths *paths, reclaim_worker_fn *fn, void *ctx);
/* 0, then `fn` is called from the loop; -EBUSY; -EINPROGRESS: an earlier FLUSH still writes; -errno. `name`: of the group
 * below the base. */
int reclaim_worker_start(struct reclaim_worker *worker, const struct reclaim_step *step,
	enum reclaim_class class, const char *name) MUST_CHECK;
bool reclaim_worker_is_busy(const struct reclaim_worker *worker);
/* The step ends soon, with -ECANCELED. */
void reclaim_worker_interrupt(struct reclaim_worker *worker);
/* Ends a step that is under way; nobody is told. */
void reclaim_worker_stop(struct reclaim_worker *worker);
/* Puts right what a killed agent left: memory.low of containers, memory.swap.max. `swap`: containers may use it. The
 * slices' own memory.low comes back with memory_limits_apply. */
void reclaim_worker_recover(const struct memory_paths *paths, bool swap);
