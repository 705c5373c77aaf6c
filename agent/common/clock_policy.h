/* SPDX-License-Identifier: MIT
 *
 * clock_policy.h - what is done about a clock that is off: a pure function of what was measured. docs/clock.md says why.
 *
 * Whoever asks for it, no decision leads to a time before 2020 or after 2100, and there are at most
 * CLOCK_STEPS_MAX steps at once and one in CLOCK_STEP_REFILL_US on average.
 */
#pragma once

#include "agent/common/clock_facts.h"
#include "lib/base.h"
#include "lib/clock.h"

#define CLOCK_EARLIEST_US (INT64_C(1577836800) * INT64_C(1000000)) /* 2020-01-01 UTC */
#define CLOCK_LATEST_US   (INT64_C(4102444800) * INT64_C(1000000)) /* 2100-01-01 UTC */

#define CLOCK_STEPS_MAX      8
#define CLOCK_STEP_REFILL_US (10 * USEC_PER_SEC)

/* A daemon that said "synchronised" so long ago that its error may have grown beyond this does it no more. The kernel
 * adds 500 ppm (kernel/time/ntp.c, MAXFREQ) and says "not synchronised" itself at 16 s only, after 9 h. */
#define CLOCK_OTHER_ERROR_US (2 * USEC_PER_SEC)
/* After a step the kernel says "not synchronised" until the daemon's next word, which may take so long. */
#define CLOCK_OTHER_MEMORY_US (20 * 60 * USEC_PER_SEC)

struct clock_limits {
	enum clock_manage manage;
	uint64_t step_us;  /* from here on the clock is stepped, below it is slewed */
	uint64_t dead_us;  /* up to here it is left alone */
	uint64_t other_us; /* what another's discipline may be off before keel steps in */
};

/* A bucket of steps: `left` at `at_us`. Zeroed with at_us 0 it is full. */
struct clock_budget {
	unsigned int left;
	uint64_t at_us;
};

struct clock_question {
	int64_t realtime_us; /* our clock, microseconds since 1970 */
	int64_t offset_us;
	uint64_t uncertainty_us;
	bool other;    /* somebody else keeps it */
	bool may_set;  /* CAP_SYS_TIME */
	bool may_step; /* the budget allows it */
};

/* What is to be done, STEPPED or SLEWED by the whole offset. */
void clock_policy_decide(const struct clock_limits *limits, const struct clock_question *question,
	enum clock_action *action, enum clock_reason *reason);

/* Fills the bucket up as time went by; true if there is a step in it. */
bool clock_budget_has(struct clock_budget *budget, uint64_t now_us);
void clock_budget_take(struct clock_budget *budget);

/* Does somebody else discipline the clock? By the kernel's words now and at the last look, and when it was last so
 * (*other_us, which is kept up to date). keel never sets frequency or tick, so whoever changes them is another;
 * chronyd without `rtcsync` shows itself in no other way. */
bool clock_policy_other(const struct clock_kernel *before, const struct clock_kernel *now,
	uint64_t now_us, uint64_t *other_us);

/* The offset that whole seconds of a real-time clock admit: it shows `seconds`, and its edge may be anywhere in them.
 * 0 if ours is one of those times; else the least offset. */
int64_t clock_policy_coarse(int64_t seconds, int64_t realtime_us);

const char *clock_manage_name(enum clock_manage manage);
const char *clock_source_name(enum clock_source source);
const char *clock_discipline_name(enum clock_discipline discipline);
const char *clock_action_name(enum clock_action action);
/* One word, and one sentence. */
const char *clock_reason_name(enum clock_reason reason);
const char *clock_reason_text(enum clock_reason reason);
