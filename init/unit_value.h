/* SPDX-License-Identifier: MIT
 *
 * unit_value.h - the values of unit files: time spans, limits, signals, numbers. Pure; each answers 0 or -EINVAL,
 * which leaves the result alone.
 */
#pragma once

#include <sys/resource.h>

#include "lib/base.h"

/* "5s", "1min 30s", "100ms", "2", "infinity" (0) -> microseconds (systemd.time(7)), at most 10^9 seconds. */
int unit_parse_time(const char *text, uint64_t *usec) MUST_CHECK;
/* Decimal, or octal with `base` 8. */
int unit_parse_integer(const char *text, int base, long min, long max, long *number) MUST_CHECK;
/* yes true on 1, no false off 0. */
int unit_parse_bool(const char *text, bool *value) MUST_CHECK;
/* "1024", "64K", "infinity", "soft:hard" (systemd.exec(5)). */
int unit_parse_limit(const char *text, struct rlimit *limit) MUST_CHECK;
/* "SIGTERM", "TERM", "SIGRTMIN+3", "15". */
int unit_parse_signal(const char *text, int *number) MUST_CHECK;
