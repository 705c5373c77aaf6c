/* SPDX-License-Identifier: MIT
 *
 * groups.c - control groups. To 2.9.4 all of a distro is in the hierarchy's root. With isolation PID 1 is in
 * wsl-user/distro-PID/systemd, sessions and the boot command in .../non-systemd, or without boot.systemd in
 * wsl-user/distro-PID itself; WSL's own init is in the root (main.cpp: SetupWslUserCgroup,
 * ProcessLaunchInitMessage; util.cpp: UtilTryMoveSelfToDistroCgroup).
 *
 * In the lab the root is a group of the scenario's, and because a group with processes cannot have controllers
 * PID 1 of an older WSL is in `base` below it; WSL's own processes stay in the caller's group.
 */
#include "tests/wsl/base.h"
#include "tests/wsl/distro.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define RESERVED    (32UL << 20) /* c_systemReservedMemory */
#define RESERVED_US 1000         /* c_systemReservedCpuMicros, of each period */
#define PERIOD_US   100000L      /* c_cpuPeriodMicros */

static bool isolates(const struct start *start)
{
	return profile_find(start->profile)->cgroup_isolation;
}

/* Not every hierarchy has all: what cannot be done is left. */
static void try_write(const char *group, const char *file, const char *text)
{
	char path[512];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", group, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)!write(fd, text, strlen(text));
	(void)close(fd);
}

static void enable_controllers(const char *group)
{
	static const char *const controllers[] = {"+cpu", "+memory", "+pids", "+io", "+cpuset"};

	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
		try_write(group, "cgroup.subtree_control", controllers[i]);
}

void groups_prepare(const struct start *start)
{
	char root[256], path[600], text[64];
	struct sysinfo memory;

	if (!isolates(start) || !find_cgroup2(root))
		return;
	(void)snprintf(path, sizeof(path), "%s%s", root, start->cgroup);
	enable_controllers(path);
	(void)snprintf(path, sizeof(path), "%s%s/wsl-user", root, start->cgroup);
	make_dir(path, 0755);
	enable_controllers(path);
	(void)sysinfo(&memory);
	(void)snprintf(text, sizeof(text), "%lu", memory.totalram * memory.mem_unit - RESERVED);
	try_write(path, "memory.max", text);
	(void)snprintf(text, sizeof(text), "%ld %ld", get_nprocs() * PERIOD_US - RESERVED_US,
		PERIOD_US);
	try_write(path, "cpu.max", text);
	(void)snprintf(path, sizeof(path), "%s%s/wsl-user/non-distro", root, start->cgroup);
	make_dir(path, 0755);
}

/* The pid as the VM sees it: its /proc is still there. */
void groups_make(struct start *start, bool systemd)
{
	char root[256], path[800], pid[32];
	ssize_t length = readlink("/proc/self", pid, sizeof(pid) - 1);

	if (!isolates(start) || !find_cgroup2(root) || length < 0)
		return;
	pid[length] = '\0';
	length = (ssize_t)strlen(start->cgroup);
	(void)snprintf(start->cgroup + length, sizeof(start->cgroup) - (size_t)length,
		"/wsl-user/distro-%s", pid);
	(void)snprintf(path, sizeof(path), "%s%s", root, start->cgroup);
	make_dir(path, 0755);
	if (!systemd)
		return;
	enable_controllers(path);
	(void)snprintf(path, sizeof(path), "%s%s/systemd", root, start->cgroup);
	make_dir(path, 0755);
	(void)snprintf(path, sizeof(path), "%s%s/non-systemd", root, start->cgroup);
	make_dir(path, 0755);
}

void groups_join(const struct distro *distro, bool session)
{
	const char *group = session ? "/non-systemd" : "/systemd";
	char path[512];
	int fd;

	if (!isolates(&distro->start)) {
		if (session || !distro->start.cgroup[0])
			return;
		group = "/base";
	}
	(void)snprintf(path, sizeof(path), "/sys/fs/cgroup%s%s", distro->start.cgroup, group);
	if (access(path, F_OK) < 0)
		group = ""; /* without boot.systemd */
	(void)snprintf(path, sizeof(path), "/sys/fs/cgroup%s%s/cgroup.procs", distro->start.cgroup,
		group);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		distro_log(distro, "cannot join %s: %s", path, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
}

static void remove_below(const char *path)
{
	DIR *directory = opendir(path);
	const struct dirent *entry;
	char child[1024];

	while (directory && (entry = readdir(directory))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		(void)snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
		remove_below(child);
	}
	if (directory)
		(void)closedir(directory);
	(void)rmdir(path);
}

void groups_remove(const struct start *start, pid_t pid)
{
	char root[256], path[600];

	if (!isolates(start) || !find_cgroup2(root))
		return;
	(void)snprintf(path, sizeof(path), "%s%s/wsl-user/distro-%d", root, start->cgroup,
		(int)pid);
	remove_below(path);
}
