/* SPDX-License-Identifier: MIT
 *
 * pressure.h - does a process's control group wait for CPU, memory or disk? (PSI, Documentation/accounting/psi.rst)
 */
#pragma once

#include "lib/base.h"

/* Of the last ten seconds, how much some task of the group had to wait before we call it stalled. */
#define PRESSURE_STALLED_PERMILLE 200

/* Pure: the path in the unified hierarchy from the text of /proc/PID/cgroup. 0, -ENOENT or -ENAMETOOLONG. */
int pressure_find_group(const char *text, char *path, size_t size) MUST_CHECK;
/* False also when the kernel does not tell. Reads a few small files of procfs and cgroupfs. */
bool pressure_is_stalled(int pid);
