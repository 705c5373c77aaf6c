/* SPDX-License-Identifier: MIT
 *
 * memory.h - the kernel's memory settings for a guest whose memory the host wants back.
 */
#pragma once

#include "init/cgroup.h"

/* Applies the table in memory.c. 0, or 1 with what could not be set in `why`: each setting improves
 * something and none is worth a failed boot. */
int memory_setup(const struct cgroup *cgroup, char *why, size_t size) MUST_CHECK;
