/* SPDX-License-Identifier: MIT
 *
 * clock_effects.c - see clock_effects.h. Caller: clock_keeper.c.
 *
 * A step is relative (ADJ_SETOFFSET): nothing that happens between the measurement and the step is lost, and the kernel
 * keeps what an NTP daemon told it. CLOCK_MONOTONIC and CLOCK_BOOTTIME, which keel, dockerd's timers and the kernel's
 * deadlines use, do not notice it.
 */
#include "agent/clock_effects.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/timex.h>

#include "lib/clock.h"

#define USEC ((int64_t)USEC_PER_SEC)

static int64_t read_clock(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * USEC + now.tv_nsec / 1000;
}

static void read_kernel(struct clock_kernel *kernel)
{
	struct timex timex = {0};
	int64_t unit;

	*kernel = (struct clock_kernel){0};
	if (adjtimex(&timex) < 0)
		return;
	unit = timex.status & STA_NANO ? 1000 : 1;
	*kernel = (struct clock_kernel){
		.known = true,
		.synchronised = (timex.status & STA_UNSYNC) == 0,
		.max_error_us = timex.maxerror > 0 ? (uint64_t)timex.maxerror : 0,
		.est_error_us = timex.esterror > 0 ? (uint64_t)timex.esterror : 0,
		.offset_us = timex.offset / unit,
		.frequency = timex.freq,
		.tick_us = timex.tick,
	};
}

static int adjust(struct timex *timex)
{
	return adjtimex(timex) < 0 ? -errno : 0;
}

static int slew(int64_t offset_us)
{
	struct timex timex = {.modes = ADJ_OFFSET_SINGLESHOT, .offset = offset_us};

	return adjust(&timex);
}

static int step(int64_t offset_us)
{
	struct timex timex = {.modes = ADJ_SETOFFSET};
	int rc = slew(0);

	if (rc < 0)
		return rc;
	timex.time.tv_sec = offset_us / USEC;
	timex.time.tv_usec = offset_us % USEC;
	if (timex.time.tv_usec < 0) { /* adjtimex(2): tv_usec is not negative */
		timex.time.tv_sec--;
		timex.time.tv_usec += USEC;
	}
	return adjust(&timex);
}

static bool may_set(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	return syscall(SYS_capget, &header, data) == 0 &&
	       (data[CAP_TO_INDEX(CAP_SYS_TIME)].effective & CAP_TO_MASK(CAP_SYS_TIME)) != 0;
}

const struct clock_effects clock_effects_real = {
	.now = read_clock,
	.read = read_kernel,
	.step = step,
	.slew = slew,
	.may_set = may_set,
	.find = clock_reference_find,
	.measure = clock_reference_measure,
	.seconds = clock_reference_seconds,
};
