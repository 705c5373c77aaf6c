/* SPDX-License-Identifier: MIT
 *
 * profile.h - in what WSL's versions differ for a distro. The table in profile.c says where each was read.
 */
#ifndef TESTS_WSL_PROFILE_H
#define TESTS_WSL_PROFILE_H

#include <stdbool.h>

struct profile {
	const char *name;
	const char *version;    /* container_host_version_id */
	bool watcher;           /* a process ends the distro when WSL's init dies */
	bool lock_binfmt;       /* /proc/sys/fs/binfmt_misc/status is covered read-only */
	bool cgroup_isolation;  /* wsl-user/distro-PID/{systemd,non-systemd} */
	bool poweroff_detached; /* `systemctl poweroff` runs beside the wait, whatever it answers */
	bool runtime_slash;     /* XDG_RUNTIME_DIR ends with a slash */
};

const struct profile *profile_find(const char *name); /* NULL: no such */

#endif
