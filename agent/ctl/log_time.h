/* SPDX-License-Identifier: MIT
 *
 * log_time.h - what people write after --since and --until (systemd.time(7), the common part). Pure.
 */
#pragma once

#include "lib/base.h"

/* "YYYY-MM-DD [HH:MM[:SS]]", "HH:MM[:SS]" (today), "today", "yesterday", "now", "@SECONDS", "-5min", "5 min ago"
 * (s, m/min, h, d). Local time, as the clock shows it at now_us. 0 or -EINVAL. */
int log_time_parse(const char *text, uint64_t now_us, uint64_t *wall_us) MUST_CHECK;
