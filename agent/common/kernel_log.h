/* SPDX-License-Identifier: MIT
 *
 * kernel_log.h - /dev/kmsg, and nothing else that lies there: a file, a pipe is not the kernel's word. Callers: the runner,
 * diagnostics_logs.c.
 */
#pragma once

#include "lib/base.h"

/* To read, from the oldest record. Does not block. The descriptor, or -errno; -ENODEV: it is something else. */
int kernel_log_open(void) MUST_CHECK;
