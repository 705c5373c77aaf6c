/* SPDX-License-Identifier: MIT
 *
 * system.c - see system.h. Caller: document.c's users.
 */
#include "agent/common/system.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/file.h"

#define CPU_LIST_MAX 1024
#define CPU_MAX      65535
/* Between a look at memory and the document that it is for. */
#define SAME_ANSWER_US (5 * USEC_PER_MSEC)

/* At most CPU_MAX; -1: there is none. */
static long parse_cpu(const char **text)
{
	long cpu = -1;

	for (; **text >= '0' && **text <= '9' && cpu <= CPU_MAX; (*text)++)
		cpu = (cpu < 0 ? 0 : cpu * 10) + (**text - '0');
	return cpu <= CPU_MAX ? cpu : -1;
}

unsigned int system_count_cpus(const char *list)
{
	unsigned long count = 0;

	for (;; list++) {
		long first = parse_cpu(&list), last = first;

		if (*list == '-') {
			list++;
			last = parse_cpu(&list);
		}
		if (first < 0 || last < first)
			return 0;
		count += (unsigned long)(last - first) + 1;
		if (*list != ',')
			break;
	}
	return (*list == '\n' || *list == '\0') && count <= CPU_MAX + 1 ? (unsigned int)count : 0;
}

/* Not sysconf(3): musl's counts the ones that the process may run on. */
static unsigned int count_cpus(const char *path)
{
	char list[CPU_LIST_MAX];

	return file_read(path, list, sizeof(list)) < 0 ? 0 : system_count_cpus(list);
}

static unsigned int count_usable_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) < 0 ? 0 : (unsigned int)CPU_COUNT(&set);
}

/* Who asks for health has just had memory looked at: the file is not read twice for one answer. */
static void read_memory(struct system_facts *facts, const struct memory_seen *seen)
{
	char meminfo[4096];

	if (seen->known && facts->uptime_us < seen->looked_us + SAME_ANSWER_US) {
		facts->memory = (struct memory_info){.total = seen->total,
			.available = seen->available,
			.free = seen->free,
			.cached = seen->cached,
			.swap_total = seen->swap_total,
			.swap_free = seen->swap_free};
		return;
	}
	/* What cannot be read is an empty text, what is longer than thought has its first lines. */
	(void)!file_read("/proc/meminfo", meminfo, sizeof(meminfo));
	(void)!memory_read_info(meminfo, &facts->memory);
}

/* The same for as long as anything that could ask runs. */
static const char *boot_id(void)
{
	static char id[sizeof(((struct system_facts *)0)->boot_id)];

	if (!id[0] && file_read("/proc/sys/kernel/random/boot_id", id, sizeof(id)) < 0)
		id[0] = '\0';
	id[strcspn(id, "\n")] = '\0';
	return id;
}

void system_read_facts(struct system_facts *facts, const struct facts *known)
{
	struct utsname name;
	struct timespec monotonic;
	ssize_t n;

	memset(facts, 0, offsetof(struct system_facts, kernel_check));
	facts->uptime_us = clock_now_us();
	facts->realtime_ms = clock_realtime_ms();
	(void)clock_gettime(CLOCK_MONOTONIC, &monotonic);
	facts->monotonic_us =
		(uint64_t)monotonic.tv_sec * USEC_PER_SEC + (uint64_t)monotonic.tv_nsec / 1000;
	facts->cpus = count_cpus("/sys/devices/system/cpu/online");
	facts->cpus_usable = count_usable_cpus();
	facts->cpus_present = count_cpus("/sys/devices/system/cpu/present");
	network_read_facts(&facts->network, known);
	memcpy(facts->boot_id, boot_id(), sizeof(facts->boot_id));
	if (uname(&name) == 0)
		memcpy(facts->release, name.release,
			strnlen(name.release, sizeof(facts->release) - 1));
	read_memory(facts, &known->memory_seen);
	n = file_read(SYSTEM_KERNEL_CHECK, facts->kernel_check, sizeof(facts->kernel_check));
	facts->kernel_check_len = n > 0 ? (size_t)n : 0;
}

const char *system_resource_name(enum system_resource resource)
{
	static const char *const names[] = {
		[SYSTEM_CPU] = "cpu", [SYSTEM_MEMORY] = "memory", [SYSTEM_IO] = "io"};

	return names[resource];
}

void system_read_pressure(struct system_facts *system)
{
	for (enum system_resource i = 0; i < SYSTEM_RESOURCES; i++) {
		char path[32], text[256];

		(void)snprintf(path, sizeof(path), "/proc/pressure/%s", system_resource_name(i));
		system->pressure[i].known =
			file_read(path, text, sizeof(text)) > 0 &&
			memory_read_pressure(text, &system->pressure[i].of) == 0;
	}
}
