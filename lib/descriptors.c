/* SPDX-License-Identifier: MIT
 *
 * descriptors.c - see descriptors.h. Callers: the agent, keelctl forward.
 */
#include "lib/descriptors.h"

#include <sys/resource.h>

void descriptors_raise(unsigned int wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}
