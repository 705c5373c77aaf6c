/* SPDX-License-Identifier: MIT
 *
 * memory.h - the kernel's memory settings for a guest whose memory the host wants back, and who gets how much of it: the
 * control groups' limits and weights.
 */
#pragma once

#include "init/cgroup.h"
#include "lib/config.h"

/* Applies the tables in memory.c and the limits by the size of the VM (lib/memory_limits.h). 0, or 1 with what could not be
 * set in `why`: each setting improves something and none is worth a failed boot. */
int memory_setup(const struct cgroup *cgroup, const struct config *config, char *why,
	size_t size) MUST_CHECK;
