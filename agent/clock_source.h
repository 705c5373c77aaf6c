/* SPDX-License-Identifier: MIT
 *
 * clock_source.h - the clock outside of the guest that its own is compared with, where there is one: the hypervisor's as
 * a PTP device (Documentation/driver-api/ptp.rst, linux/ptp_clock.h), or the machine's real-time clock (rtc(4)).
 */
#pragma once

#include "agent/common/clock_facts.h"
#include "lib/base.h"

#define CLOCK_PTP_CLASS "/sys/class/ptp"
#define CLOCK_RTC \
	"/sys/class/rtc/rtc0/since_epoch" /* unlike /dev/rtc0 it can be read by several at a time */

struct clock_reference {
	enum clock_source kind;
	char name[32];
	int fd; /* CLOCK_SOURCE_PTP: of /dev/ptpN; else -1 */
};

/* ioctl(2), or a test's. */
typedef int clock_ioctl_fn(int fd, unsigned long request, void *argument);

/* Of the PTP devices only those of a hypervisor: a network card's need not tell UTC. `rtc`: that will do where there is none.
 * What is open stays; a clock that comes later (a module) is found by the next call. */
void clock_reference_find(struct clock_reference *reference, bool rtc);
void clock_reference_close(struct clock_reference *reference);
/* CLOCK_SOURCE_PTP: its time minus CLOCK_REALTIME. 0 or -errno (Hyper-V: -ESTALE while the host does not tell). */
int clock_reference_measure(const struct clock_reference *reference, int64_t *offset_us,
	uint64_t *uncertainty_us) MUST_CHECK;
/* CLOCK_SOURCE_RTC: what it shows. 0 or -errno. */
int clock_reference_seconds(int64_t *seconds) MUST_CHECK;

/* The same with the calls of a test. */
int clock_ptp_measure(int fd, clock_ioctl_fn *call, int64_t *offset_us,
	uint64_t *uncertainty_us) MUST_CHECK;
/* `name` as in clock_name of sysfs, without the newline. */
bool clock_ptp_is_hypervisor(const char *name);
