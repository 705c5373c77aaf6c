/* SPDX-License-Identifier: MIT
 *
 * clock.c - CLOCK_BOOTTIME in microseconds.
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
