/* SPDX-License-Identifier: MIT
 *
 * memory.c - a table of settings, one reason each. Called by the memory stage, once.
 *
 * A path that does not exist is a kernel without the feature: skipped in silence.
 */
#include "init/memory.h"

#include <stdio.h>
#include <string.h>

#include "lib/file.h"
#include "lib/log.h"

static const struct {
	const char *path, *value;
} settings[] = {
	/* Free blocks of 128 KiB and more are given back to the host; the stock 2 MiB strands what is
	 * fragmented (mm/page_reporting.c). A host that asks for larger blocks says so itself. */
	{"/sys/module/page_reporting/parameters/page_reporting_order", "5"},
	/* Multi-generational LRU: cold pages are known by age (admin-guide/mm/multigen_lru.rst). */
	{"/sys/kernel/mm/lru_gen/enabled", "y"},
	/* Huge pages only where a program asks for them: a 2 MiB page half used is memory that the host
	 * does not get back (admin-guide/mm/transhuge.rst). */
	{"/sys/kernel/mm/transparent_hugepage/enabled", "madvise"},
};

/* memory.min of keel's own group: init and agent stay responsive whatever containers do
 * (cgroup-v2.rst, memory.min). They use about 2 MiB together. */
#define KEEL_MEMORY_MIN "8388608"

int memory_setup(const struct cgroup *cgroup, char *why, size_t size)
{
	size_t len = 0;
	int rc;

	why[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		rc = file_write(settings[i].path, settings[i].value);
		/* Read-only /sys (namespace lab) and the kernel's refusal are worth knowing, not more. */
		if (rc < 0 && rc != -ENOENT) {
			log_info("cannot write %s to %s: %s", settings[i].value, settings[i].path,
				strerror(-rc));
			if (len < size)
				len += (size_t)snprintf(why + len, size - len, "%s%s: %s",
					len ? "; " : "", strrchr(settings[i].path, '/') + 1,
					strerror(-rc));
		}
	}
	if (cgroup->base_fd >= 0) {
		rc = file_write_at(cgroup->base_fd, "keel/memory.min", KEEL_MEMORY_MIN);
		if (rc < 0 && rc != -ENOENT)
			log_info("cannot protect keel's own memory: %s", strerror(-rc));
	}
	return why[0] ? 1 : 0;
}
