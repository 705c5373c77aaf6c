/* SPDX-License-Identifier: MIT
 *
 * clock_effects.h - everything that the clock's keeper does to the world and asks of it, so that tests can be the world.
 */
#pragma once

#include <time.h>

#include "agent/clock_source.h"
#include "agent/common/clock_facts.h"
#include "lib/base.h"

struct clock_effects {
	/* Microseconds of CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_MONOTONIC. */
	int64_t (*now)(clockid_t clock);
	/* adjtimex(2), nothing set. */
	void (*read)(struct clock_kernel *kernel);
	/* Moves CLOCK_REALTIME at once, what was still to be slewed is forgotten; or by 500 ppm until it is done
	 * (adjtime(3)), in place of what was still to be slewed. 0 or -errno. */
	int (*step)(int64_t offset_us);
	int (*slew)(int64_t offset_us);
	bool (*may_set)(void);
	void (*find)(struct clock_reference *reference, bool rtc);
	int (*measure)(const struct clock_reference *reference, int64_t *offset_us,
		uint64_t *uncertainty_us);
	int (*seconds)(int64_t *seconds);
};

extern const struct clock_effects clock_effects_real;
