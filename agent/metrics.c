/* SPDX-License-Identifier: MIT
 *
 * metrics.c - see metrics.h. Caller: api.c. Reads three files of procfs when it is asked, never on a timer.
 */
#include "agent/metrics.h"

#include "agent/metrics_memory.h"
#include "lib/file.h"

#define PROC_TEXT_MAX (16 * 1024) /* /proc/vmstat has about 5 KiB */

static char text[METRICS_MAX];

/* What cannot be read, or is not there, stays unknown. */
static void read_kernel(struct metrics_kernel *kernel)
{
	static char file[PROC_TEXT_MAX];

	*kernel = (struct metrics_kernel){0};
	kernel->info_known = file_read("/proc/meminfo", file, sizeof(file)) > 0 &&
			     memory_read_info(file, &kernel->info) == 0;
	kernel->pressure_known = file_read("/proc/pressure/memory", file, sizeof(file)) > 0 &&
				 memory_read_pressure(file, &kernel->pressure) == 0;
	kernel->oom_kill_known = file_read("/proc/vmstat", file, sizeof(file)) > 0 &&
				 memory_read_key(file, "oom_kill", &kernel->oom_kill) == 0;
}

const char *metrics_answer(const struct facts *facts, size_t *len)
{
	struct metrics_kernel kernel;

	read_kernel(&kernel);
	*len = metrics_write_memory(text, sizeof(text), &kernel, &facts->memory_seen);
	return *len > 0 ? text : NULL;
}
