/* SPDX-License-Identifier: MIT
 *
 * leftovers.c - see leftovers.h. Called by shutdown.c.
 *
 * Nobody polls: the last process of a group of ours has lost its parents, so it is a child of PID 1, and its end
 * is a SIGCHLD.
 */
#include "init/leftovers.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "init/service.h"

/* Slices that exist whatever units are loaded: after a crash none is. */
static const char *const slices[] = {"containers", "engine", "system", "user"};

static bool is_fixed(const char *slice)
{
	for (size_t i = 0; i < ARRAY_SIZE(slices); i++)
		if (strcmp(slices[i], slice) == 0)
			return true;
	return false;
}

/* The i-th group below the base, NULL at the end, "" for one that is another's place to look after. */
static const char *group_at(const struct init *init, unsigned int i)
{
	const char *slice;

	if (i < ARRAY_SIZE(slices))
		return slices[i];
	i -= (unsigned int)ARRAY_SIZE(slices);
	if (i >= init->service_count)
		return NULL;
	slice = init->services[i].unit.slice;
	return !slice || is_fixed(slice) || strcmp(slice, "keel") == 0 ? "" : slice;
}

void leftovers_signal_groups(struct init *init, int signal)
{
	const char *group;

	for (unsigned int i = 0; (group = group_at(init, i)); i++) {
		if (group[0] == '\0')
			continue;
		/* By cgroup.kill who forks meanwhile dies too. */
		if (signal != SIGKILL || cgroup_kill(init->cgroup.base_fd, group) < 0)
			(void)!cgroup_signal(init->cgroup.base_fd, group, signal);
	}
}

bool leftovers_in_groups(struct init *init)
{
	const char *group;

	for (unsigned int i = 0; (group = group_at(init, i)); i++)
		if (group[0] && cgroup_is_occupied(init->cgroup.base_fd, group))
			return true;
	return false;
}

bool leftovers_have_containers(struct init *init)
{
	return cgroup_is_occupied(init->cgroup.base_fd, "containers");
}

void leftovers_signal_all(struct init *init, int signal)
{
	if (init->mode == BOOT_MODE_VM) {
		(void)kill(-1, signal);
		return;
	}
	if (signal == SIGKILL)
		leftovers_signal_groups(init, signal);
	/* One by one, not by cgroup.kill: PID 1 is in it too. */
	(void)!cgroup_signal(init->cgroup.base_fd, "keel", signal);
	for (unsigned int i = 0; i < init->service_count; i++)
		service_signal_processes(&init->services[i], signal);
	for (unsigned int i = 0; i < STAGE_COUNT; i++)
		if (init->stages[i].pid > 0)
			(void)kill(init->stages[i].pid, signal);
}

bool leftovers_any(struct init *init)
{
	siginfo_t info;

	if (init->mode == BOOT_MODE_VM)
		return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
	for (unsigned int i = 0; i < init->service_count; i++)
		if (init->services[i].main.pid > 0 || init->services[i].command.pid > 0)
			return true;
	for (unsigned int i = 0; i < STAGE_COUNT; i++)
		if (init->stages[i].pid > 0)
			return true;
	return leftovers_in_groups(init) || cgroup_signal(init->cgroup.base_fd, "keel", 0) > 0;
}
