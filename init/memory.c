/* SPDX-License-Identifier: MIT
 *
 * memory.c - tables of settings, one reason each. Called by the memory stage, once.
 *
 * A path that does not exist is a kernel, or a hierarchy of control groups, without the feature: skipped in silence.
 */
#include "init/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "lib/file.h"
#include "lib/log.h"
#include "lib/memory_limits.h"

#define REPORTING_ORDER "/sys/module/page_reporting/parameters/page_reporting_order"
#define ZSWAP           "/sys/module/zswap/parameters/enabled"

struct setting {
	const char *path, *value;
};

static const struct setting kernel[] = {
	/* The classic lists instead of the multi-generational LRU: with that, file pages that are read(2) again and
	 * again stay in the oldest generation, so that taking what is cold took a hot working set (p99 of its
	 * reader: 107 ms instead of 13), and no refault told of it. */
	{"/sys/kernel/mm/lru_gen/enabled", "n"},
	/* Huge pages only where a program asks for them: a 2 MiB page half used is memory that the host
	 * does not get back (admin-guide/mm/transhuge.rst). */
	{"/sys/kernel/mm/transparent_hugepage/enabled", "madvise"},
	/* Free pages that wait in per-cpu lists are never reported: 40 MiB in an idle guest of 2 GiB, 2 MiB with this,
	 * which is about what kernels before 5.14 kept there (admin-guide/sysctl/vm.rst). */
	{"/proc/sys/vm/percpu_pagelist_high_fraction", "1000"},
	/* Memory that the host adds is used at once: there is no udev to do it (admin-guide/mm/memory-hotplug.rst). */
	{"/sys/devices/system/memory/auto_online_blocks", "online"},
};

/* Below the base (cgroup-v2.rst). Shares of CPU and disk count only while there is not enough for all: 100 is the
 * kernel's own value, which containers keep. memory.oom.group stays 0: one process is killed, not its container. */
static const struct setting groups[] = {
	/* init, agent and log are asked when all else is stuck, and need next to nothing. */
	{"keel/cpu.weight", "1000"},
	{"keel/io.weight", "1000"},
	/* dockerd answers while containers fight for the CPU: a stop or a kill is what ends the fight. */
	{"engine/cpu.weight", "400"},
	{"engine/io.weight", "400"},
	/* The shell with which somebody looks for the cause. */
	{"user/cpu.weight", "400"},
	{"user/io.weight", "400"},
	/* Without memory_recursiveprot (WSL mounts so) a protection ends where its group has groups below it, unless
	 * they claim it; the services' groups do (cgroup_make()). */
	{"keel/init/memory.low", "max"},
};

/* What could not be set, for people. */
struct complaints {
	char *text;
	size_t size;
};

static void complain(struct complaints *complaints, const char *what, int error)
{
	size_t len = strlen(complaints->text);

	log_info("cannot set %s: %s", what, strerror(-error));
	(void)snprintf(complaints->text + len, complaints->size - len, "%s%s: %s", len ? "; " : "",
		what, strerror(-error));
}

static void on_limit_failed(void *ctx, const char *file, int error)
{
	complain(ctx, file, error);
}

static void set(struct complaints *complaints, int dir_fd, const char *path, const char *value)
{
	int rc = file_write_at(dir_fd, path, value);

	/* Read-only /sys (namespace lab) and the kernel's refusal are worth knowing, not more. */
	if (rc < 0 && rc != -ENOENT)
		complain(complaints, path[0] == '/' ? strrchr(path, '/') + 1 : path, rc);
}

static unsigned long read_number(const char *path)
{
	char text[24];

	return file_read(path, text, sizeof(text)) > 0 ? strtoul(text, NULL, 10) : 0;
}

/* So many processes in containers leave some to everybody else: at the kernel's own limit not even a shell starts. */
static void limit_processes(struct complaints *complaints, int base_fd, unsigned int percent)
{
	unsigned long pids = read_number("/proc/sys/kernel/pid_max");
	unsigned long threads = read_number("/proc/sys/kernel/threads-max");
	char text[24];

	if (threads < pids)
		pids = threads;
	if (pids == 0)
		return;
	(void)snprintf(text, sizeof(text), "%lu", pids / 100 * percent);
	set(complaints, base_fd, "containers/pids.max", text);
}

static void limit_memory(struct complaints *complaints, int base_fd, const struct config *config)
{
	struct memory_limits limits;
	struct sysinfo info;

	if (sysinfo(&info) < 0)
		return;
	memory_limits((uint64_t)info.totalram * info.mem_unit,
		(uint64_t)config->memory.reserve_mib << 20, config->memory.zram_percent, &limits);
	(void)memory_limits_apply(&limits, base_fd, on_limit_failed, complaints);
}

static void set_up_groups(struct complaints *complaints, const struct cgroup *cgroup,
	const struct config *config)
{
	/* Those that have limits before their first process comes; Docker's parent is among them. */
	static const char *const slices[] = {"engine", "user", "containers"};

	for (size_t i = 0; i < ARRAY_SIZE(slices); i++) {
		int rc = cgroup_make_slice(cgroup, slices[i]);

		if (rc < 0)
			complain(complaints, slices[i], rc);
	}
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		set(complaints, cgroup->base_fd, groups[i].path, groups[i].value);
	limit_memory(complaints, cgroup->base_fd, config);
	limit_processes(complaints, cgroup->base_fd, config->memory.pids_percent);
	if (!config->memory.swap)
		set(complaints, cgroup->base_fd, "containers/memory.swap.max", "0");
}

int memory_setup(const struct cgroup *cgroup, const struct config *config, char *why, size_t size)
{
	struct complaints complaints = {.text = why, .size = size};
	char order[12];

	why[0] = '\0';
	/* Free blocks of 128 KiB and more are given back to the host; the stock 2 MiB strands what is fragmented
	 * (mm/page_reporting.c). A host that asks for larger blocks says so itself. */
	(void)snprintf(order, sizeof(order), "%u", config->memory.reporting_order);
	set(&complaints, AT_FDCWD, REPORTING_ORDER, order);
	for (size_t i = 0; i < ARRAY_SIZE(kernel); i++)
		set(&complaints, AT_FDCWD, kernel[i].path, kernel[i].value);
	/* Asked for, so that its lack is told (admin-guide/mm/zswap.rst). */
	if (config->memory.zswap) {
		int rc = file_write(ZSWAP, "Y");

		if (rc < 0)
			complain(&complaints, "zswap", rc);
	}
	if (cgroup->base_fd >= 0)
		set_up_groups(&complaints, cgroup, config);
	return why[0] ? 1 : 0;
}
