/* SPDX-License-Identifier: MIT
 *
 * profile.c - see profile.h. All is src/linux/init of WSL's public sources, at the tag that the profile names;
 * "head" is what came after 2.9.4.
 *
 * version            what the tag's packages call themselves.
 * watcher            init.cpp InitEntryUtilityVm, WslInitWatcher: not in 2.8.3, there from 2.8.6. Without it the
 *                    death of WSL's init ends nothing inside the distro: PID 1 lives on without sessions.
 * lock_binfmt        init.cpp LockBinfmtStatusReadOnly: not in 2.8.6, there from 2.8.9. Before, the generator wrote
 *                    drop-ins for systemd-binfmt.service, which only systemd reads.
 * cgroup_isolation   main.cpp SetupWslUserCgroup, ProcessLaunchInitMessage; util.cpp UtilTryMoveSelfToDistroCgroup:
 *                    after 2.9.4, when the host asks for it (wsl2.isolateDistroCgroup).
 * poweroff_detached  init.cpp InitTerminateInstanceInternal: to 2.7 the wait for boot.initTimeout begins when
 *                    `systemctl poweroff` has returned 0, and any other status powers off at once; 2.9.4 runs the
 *                    command in a thread, ignores its status and waits in any case.
 * runtime_slash      init.cpp CreateProcessCommon: 2.6.3 alone has a slash at its end.
 */
#include "tests/wsl/profile.h"

#include "tests/wsl/base.h"

#include <stddef.h>
#include <string.h>

static const struct profile profiles[] = {
	{"2.6", "2.6.3", false, false, false, false, true},
	{"2.7", "2.7.10", false, false, false, false, false},
	{"2.9", "2.9.4", true, true, false, true, false},
	{"head", "2.10.0", true, true, true, true, false},
};

const struct profile *profile_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(profiles); i++)
		if (strcmp(profiles[i].name, name) == 0)
			return &profiles[i];
	return NULL;
}
