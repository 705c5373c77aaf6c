/* SPDX-License-Identifier: MIT
 *
 * cgroup.h - the control groups below the one PID 1 was started in. Never above it.
 *
 * Source: Documentation/admin-guide/cgroup-v2.rst. Layout: base/keel/init, base/<slice>/<unit>.
 * On a machine without cgroup v2 everything here answers -ENOTSUP and services share our group.
 */
#pragma once

#include "lib/base.h"

struct cgroup {
	int base_fd;    /* directory of our base group, -1: none */
	char path[256]; /* of the base below the mount, "" for the root: what KEEL_CGROUP says */
	char mount[64]; /* "/sys/fs/cgroup" or "/sys/fs/cgroup/unified" */
};

/* Finds the hierarchy and our group, moves PID 1 to base/keel/init and switches the controllers on
 * for the groups below. 0; -ENOTSUP: no cgroup v2; 1: some controllers are missing, named in `why`. */
int cgroup_setup(struct cgroup *cgroup, char *why, size_t size) MUST_CHECK;

/* Makes base/slice, with the controllers on for what comes below it. 0, also if it is there; or -errno. */
int cgroup_make_slice(const struct cgroup *cgroup, const char *slice) MUST_CHECK;

/* Makes base/slice/name. Returns its directory fd (the caller's) or -errno. */
int cgroup_make(const struct cgroup *cgroup, const char *slice, const char *name) MUST_CHECK;

/* SIGKILL to every process below `dir_fd`/`name` (name "" = dir_fd itself). 0 or -errno. */
int cgroup_kill(int dir_fd, const char *name) MUST_CHECK;

/* `signal` to every process of the group and of all groups below it (16 levels), one by one: a process that forks
 * meanwhile may be missed, so this asks (SIGTERM) and cgroup_kill() makes sure. Neither PID 1 nor a process of
 * another PID namespace is signalled. Allocates nothing. Returns how many were signalled, or -errno. */
int cgroup_signal(int dir_fd, const char *name, int signal) MUST_CHECK;

/* 1 if there is a living process in the group or below it, 0 if not, or -errno. When it changes, the
 * group's cgroup.events becomes readable with EPOLLPRI. */
int cgroup_is_populated(int dir_fd, const char *name) MUST_CHECK;

/* The same, true only if a process is found in it: a kernel that counts late (6.19 and later) calls a group populated
 * for a moment after its last process was reaped. */
bool cgroup_is_occupied(int dir_fd, const char *name);

/* Pure: true if the text of a /proc/PID/cgroup (it is cut up) says base/slice/name or below. */
bool cgroup_text_has(char *text, const char *base, const char *slice, const char *name);

/* True if the process `pid` is in base/slice/name or below. */
bool cgroup_has_process(const struct cgroup *cgroup, const char *slice, const char *name, int pid);
