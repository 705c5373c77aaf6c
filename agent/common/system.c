/* SPDX-License-Identifier: MIT
 *
 * system.c - see system.h. Caller: document.c's users.
 */
#include "agent/common/system.h"

#include <sched.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/file.h"

static unsigned int count_usable_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) < 0 ? 0 : (unsigned int)CPU_COUNT(&set);
}

void system_read_facts(struct system_facts *facts, const struct facts *known)
{
	char meminfo[4096];
	struct utsname name;
	struct timespec now;
	ssize_t n;

	memset(facts, 0, offsetof(struct system_facts, kernel_check));
	facts->uptime_us = clock_now_us();
	(void)clock_gettime(CLOCK_REALTIME, &now);
	facts->cpus = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
	facts->cpus_usable = count_usable_cpus();
	facts->cpus_present = (unsigned int)sysconf(_SC_NPROCESSORS_CONF);
	network_read_facts(&facts->network, known);
	facts->realtime_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	n = file_read("/proc/sys/kernel/random/boot_id", facts->boot_id, sizeof(facts->boot_id));
	if (n < 0)
		facts->boot_id[0] = '\0';
	facts->boot_id[strcspn(facts->boot_id, "\n")] = '\0';
	if (uname(&name) == 0)
		memcpy(facts->release, name.release,
			strnlen(name.release, sizeof(facts->release) - 1));
	/* What cannot be read is an empty text, what is longer than thought has its first lines. */
	(void)!file_read("/proc/meminfo", meminfo, sizeof(meminfo));
	(void)!memory_read_info(meminfo, &facts->memory);
	n = file_read(SYSTEM_KERNEL_CHECK, facts->kernel_check, sizeof(facts->kernel_check));
	facts->kernel_check_len = n > 0 ? (size_t)n : 0;
}
