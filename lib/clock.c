/* SPDX-License-Identifier: MIT
 *
 * clock.c - see clock.h.
 */
#include "lib/clock.h"

#include <time.h>

uint64_t clock_now_us(void)
{
	struct timespec now;

	/* Cannot fail: the clock exists since Linux 2.6.39 and the pointer is good. */
	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_realtime_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
