/* SPDX-License-Identifier: MIT
 *
 * clock.h - the one clock that keel measures with: CLOCK_BOOTTIME, in microseconds. It starts at
 * kernel boot, counts through suspend and never jumps (clock_gettime(2)). And the one for people.
 */
#pragma once

#include "lib/base.h"

#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC  UINT64_C(1000000)

uint64_t clock_now_us(void);
/* Unix time. */
uint64_t clock_realtime_ms(void);
