/* SPDX-License-Identifier: MIT
 *
 * clock_facts.h - what the agent knows of the guest's wall clock (CLOCK_REALTIME), as plain data. Filled in by
 * agent/clock_keeper.c, printed by document_clock.c and metrics_clock.c, judged by health.c.
 *
 * Offsets are reference minus ours, in microseconds: positive when our clock is behind. Times ending in _at_us are
 * CLOCK_BOOTTIME microseconds, 0: never.
 */
#pragma once

#include "lib/base.h"

enum clock_manage {
	CLOCK_MANAGE_AUTO, /* nobody else's work is touched while it is done */
	CLOCK_MANAGE_YES,
	CLOCK_MANAGE_NO,
};

/* Where an offset comes from. */
enum clock_source {
	CLOCK_SOURCE_NONE,
	CLOCK_SOURCE_PTP, /* the hypervisor's clock as a PTP device */
	CLOCK_SOURCE_RTC, /* the machine's real-time clock: whole seconds, exact at their edges */
	CLOCK_SOURCE_HOST /* a program on the host said it: POST /v1/clock */
};

/* Who keeps the clock right. */
enum clock_discipline {
	CLOCK_DISCIPLINE_NOBODY,
	CLOCK_DISCIPLINE_KEEL,
	CLOCK_DISCIPLINE_OTHER, /* an NTP daemon, here or elsewhere on this kernel */
};

enum clock_action {
	CLOCK_ACTION_NONE, /* nothing was decided yet */
	CLOCK_ACTION_LEFT,
	CLOCK_ACTION_SLEWED,
	CLOCK_ACTION_STEPPED,
	CLOCK_ACTION_REFUSED,
};

enum clock_reason {
	CLOCK_REASON_WITHIN,    /* the offset is within the dead band */
	CLOCK_REASON_UNSURE,    /* it is smaller than its own uncertainty */
	CLOCK_REASON_OTHER,     /* somebody else keeps the clock, and will do */
	CLOCK_REASON_SMALL,     /* slewed: below clock.step_ms */
	CLOCK_REASON_LARGE,     /* stepped */
	CLOCK_REASON_MANAGE,    /* clock.manage=no */
	CLOCK_REASON_RIGHTS,    /* this process may not set the clock: a container's agent */
	CLOCK_REASON_ABSURD,    /* that would be before 2020 or after 2100 */
	CLOCK_REASON_TOO_OFTEN, /* the clock was stepped too often lately */
	CLOCK_REASON_FAILED,    /* the kernel said no */
};

/* What adjtimex(2) tells; times in microseconds. */
struct clock_kernel {
	bool known;
	bool synchronised; /* STA_UNSYNC is clear: an NTP daemon says so, at most about 9 h ago */
	uint64_t max_error_us, est_error_us;
	int64_t offset_us; /* what of a phase correction (ADJ_OFFSET) is left */
	long frequency;    /* ppm with 16 bits of fraction */
	long tick_us;      /* of a hundredth of a second: 10000 unless somebody slews by it */
};

struct clock_decision {
	enum clock_action action;
	enum clock_reason reason;
	enum clock_source source;
	int64_t offset_us; /* before it */
	uint64_t uncertainty_us;
	uint64_t at_us;
};

/* The machine stood still: suspended (CLOCK_BOOTTIME went on), or paused by its host (only the reference did). */
struct clock_sleeps {
	unsigned int count;
	uint64_t total_us, last_us; /* how long */
	uint64_t last_at_us;
	bool last_paused;
};

/* Somebody else set the clock. */
struct clock_jumps {
	unsigned int count;
	int64_t last_us;
	uint64_t last_at_us;
};

struct clock_seen {
	bool known; /* the keeper runs */
	enum clock_manage manage;
	bool may_set; /* CAP_SYS_TIME */
	enum clock_source source;
	char source_name[32]; /* "hyperv", "KVM virtual PTP", "rtc0"; "" none */
	enum clock_discipline discipline;
	struct clock_kernel kernel;
	/* The last measurement. */
	enum clock_source offset_source; /* NONE: nothing was measured yet */
	int64_t offset_us;               /* what was left after what was done about it */
	uint64_t uncertainty_us, offset_at_us;
	struct clock_decision last;   /* the last that did, or refused, something */
	struct clock_decision judged; /* the last of all */
	unsigned int steps;           /* by keel since the agent started */
	struct clock_sleeps sleeps;
	struct clock_jumps jumps;
};
