/* SPDX-License-Identifier: MIT
 *
 * memory.h - the agent's part in memory: hears that something ended, asks the policy, has its steps done, keeps what
 * documents show. Decisions: reclaim_policy.c.
 */
#pragma once

#include "agent/common/facts.h"
#include "agent/memory/memory_gather.h"
#include "agent/memory/memory_watch.h"
#include "agent/memory/reclaim_policy.h"
#include "agent/memory/reclaim_worker.h"
#include "lib/base.h"
#include "lib/loop.h"

struct memory_options {
	enum memory_mode mode;
	struct reclaim_limits limits;
	uint64_t target;           /* bytes, 0: none */
	uint64_t reserve;          /* bytes, 0: by the size of the VM (lib/memory_limits.h) */
	unsigned int zram_percent; /* of memory; its room is added to the reserve */
	bool swap;                 /* containers may use it */
};

/* What a request achieved. */
struct memory_answer {
	uint64_t reclaimed; /* bytes that the groups lost */
	uint64_t free_before, free_after;
	/* Why it ended: DONE, NOTHING, REFAULTS, PRESSURE, TIME, OFF, RUNNING, IMPOSSIBLE. */
	enum reclaim_reason reason;
	uint64_t took_us;
};

typedef void memory_answer_fn(void *ctx, const struct memory_answer *answer);

/* One that waits; embedded in its owner. */
struct memory_request {
	uint64_t bytes; /* UINT64_MAX: all; else > 0 */
	uint64_t until_us;
	memory_answer_fn *fn;
	void *ctx;
};

typedef void memory_change_fn(void *ctx);

struct memory {
	struct loop *loop;
	struct facts *facts; /* facts->memory_seen is ours to fill in */
	struct memory_options options;
	struct memory_paths paths;
	struct memory_watch watch;
	struct reclaim_worker worker;
	struct reclaim_facts now;
	struct reclaim_state state;
	struct memory_names names;
	struct loop_timer again, event, overdue;
	bool started;
	unsigned int
		pending;   /* events that the policy has not heard of: bits by enum reclaim_event */
	uint64_t ended_us; /* when it last heard that something had ended */
	uint64_t sized;    /* the size that the limits were set for */
	bool oom_recent;   /* at the last look (health.h) */
	/* The step under way: whose, and what there was before. */
	struct reclaim_step step;
	uint64_t step_id, step_before;
	bool disowned; /* the policy that asked for it was forgotten meanwhile */
	/* The episode: sums when it began. */
	uint64_t episode_reclaimed, episode_steps, episode_cpu_us;
	struct memory_request *request; /* the one that is worked on, NULL: none */
	uint64_t request_us, request_free, request_reclaimed; /* when it began */
	memory_change_fn *changed; /* something that the host is to hear of: a mode, an ability */
	void *ctx;
};

void memory_init(struct memory *memory, struct loop *loop, const struct memory_options *options,
	struct facts *facts, memory_change_fn *changed, void *ctx);
void memory_start(struct memory *memory);
/* Something ended in the engine (its event stream), or the engine has just come. */
void memory_event(struct memory *memory);
/* The agent is awake anyway: takes a sample. */
void memory_tick(struct memory *memory);
/* Somebody asks: what is told is to be fresh. */
void memory_look(struct memory *memory);
void memory_set_mode(struct memory *memory, enum memory_mode mode);
void memory_set_target(struct memory *memory, uint64_t bytes);
/* 0, then request->fn is called once, from the loop; -EBUSY: another one is under way. */
int memory_submit(struct memory *memory, struct memory_request *request) MUST_CHECK;
/* Nobody waits for the answer any more: nothing is called, and what is done for it ends. */
void memory_ignore(struct memory *memory, const struct memory_request *request);
void memory_stop(struct memory *memory);
