/* SPDX-License-Identifier: MIT
 *
 * clock_keeper.h - looks after the guest's wall clock: hears when it is set or the machine slept, compares it with a
 * clock outside of the guest where there is one, takes the host's word, and puts it right. What is done about an
 * offset is clock_policy.h's; docs/clock.md says why.
 *
 * Wakes when the clock is set, when the machine resumes (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET), and, only where there
 * is a clock to compare with, every CLOCK_LOOK_US: a machine that its host paused gets no event, all of its own clocks
 * stood still. Where the agent may not set the clock, or is told not to, nothing wakes it but events.
 */
#pragma once

#include "agent/clock_effects.h"
#include "agent/common/clock_edge.h"
#include "agent/common/clock_facts.h"
#include "agent/common/clock_policy.h"
#include "agent/events.h"
#include "lib/base.h"
#include "lib/loop.h"

/* After a pause: one period until it is noticed, and with the real-time clock up to one second until its edge. */
#define CLOCK_LOOK_US (800 * USEC_PER_MSEC)
/* How often the real-time clock is read while its edge is waited for, and for how long at most. */
#define CLOCK_HUNT_US     (10 * USEC_PER_MSEC)
#define CLOCK_HUNT_MAX_US (5 * USEC_PER_SEC)
/* The real-time clock is measured exactly so often, to slew by. */
#define CLOCK_EXACT_US (15 * 60 * USEC_PER_SEC)
/* So long the host's word is worth more than what the guest sees itself: Hyper-V's PTP clock goes by a sample that the host
 * sends every 5 s, and so knows of a sleep later (drivers/hv/hv_util.c). */
#define CLOCK_HOST_TRUST_US (15 * USEC_PER_SEC)
/* Less is not a sleep, or somebody's setting: clocks are read one after the other, so often. */
#define CLOCK_READINGS     3
#define CLOCK_SLEEP_MIN_US (20 * USEC_PER_MSEC)
#define CLOCK_JUMP_MIN_US  (2 * USEC_PER_MSEC)
/* Found ahead by so much without anybody having set ours: we were paused. */
#define CLOCK_PAUSE_MIN_US (1 * USEC_PER_SEC)

/* A fact has changed that is worth telling; `resumed`: the machine slept, and what was known may be old. */
typedef void clock_keeper_fn(void *ctx, bool resumed);

struct clock_keeper {
	struct loop *loop;
	const struct clock_effects *effects;
	struct clock_limits limits;
	bool with_rtc;
	struct clock_seen *seen;
	struct events *events; /* NULL: nobody is told */
	clock_keeper_fn *fn;
	void *ctx;
	struct loop_source set_watch; /* a timerfd that is cancelled when the clock is set */
	struct loop_timer timer;
	struct clock_reference reference;
	struct clock_budget budget;
	int64_t set_base; /* CLOCK_REALTIME - CLOCK_BOOTTIME: changes when the clock is set, and never else */
	int64_t sleep_base; /* CLOCK_BOOTTIME - CLOCK_MONOTONIC: grows while the machine is suspended */
	uint64_t other_us; /* when another's discipline was seen last */
	uint64_t trust_us; /* until then the host's word holds */
	struct {
		bool hunting;
		bool known;        /* `bias` is */
		int64_t bias;      /* what it is ahead of the right time */
		uint64_t due_us;   /* the next exact measurement */
		uint64_t until_us; /* of this hunt */
		struct clock_edge edge;
	} rtc;
};

/* `with_rtc`: it may be compared with a real-time clock, because the kernel is a virtual machine's, and ours. */
void clock_keeper_init(struct clock_keeper *keeper, struct loop *loop,
	const struct clock_effects *effects, const struct clock_limits *limits, bool with_rtc,
	struct clock_seen *seen, struct events *events, clock_keeper_fn *fn, void *ctx);
void clock_keeper_start(struct clock_keeper *keeper);
void clock_keeper_stop(struct clock_keeper *keeper);
/* Modules were loaded: there may be another clock to compare with. */
void clock_keeper_search(struct clock_keeper *keeper);
/* The host says what time it is now. What was done about it, and what is left of the offset. */
void clock_keeper_take_host(struct clock_keeper *keeper, int64_t realtime_us,
	uint64_t uncertainty_us, struct clock_decision *decision, int64_t *after_us);
/* Fresh facts for who asks; never sets the clock. */
void clock_keeper_look(struct clock_keeper *keeper);
