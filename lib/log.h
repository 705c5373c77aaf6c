/* SPDX-License-Identifier: MIT
 *
 * log.h - one line a call, never blocking, never failing.
 *
 * PID 1 and the stage helpers log to /dev/kmsg (so that `dmesg` tells the boot story even when there
 * is nothing else), other programs to stderr. A line is "<prio>name: text\n", at most 512 bytes,
 * written with one write(2).
 */
#pragma once

#include <syslog.h>

#include "lib/base.h"

/* `fd` is kept, not owned. `name` must outlive the program. kmsg: prefix with <prio>. */
void log_open(const char *name, int fd, bool kmsg);
void log_set_level(int level); /* LOG_DEBUG..LOG_EMERG; default LOG_INFO */
void log_write(int level, const char *format, ...) PRINTF(2, 3);

#define log_error(...)   log_write(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_write(LOG_DEBUG, __VA_ARGS__)
