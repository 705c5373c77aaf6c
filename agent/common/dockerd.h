/* SPDX-License-Identifier: MIT
 *
 * dockerd.h - what dockerd is given: its configuration's file, its process's environment.
 */
#pragma once

#include <sys/types.h>

#include "lib/base.h"

#define DOCKERD_UNIT        "docker.service"
#define DOCKERD_JSON        "/etc/docker/daemon.json"
#define DOCKERD_ENVIRON_MAX 65536
/* Where PID 1 mounts the data disk's directories for the engine. */
#define ENGINE_DIRECTORIES "/var/lib/docker", "/var/lib/containerd"

/* True if daemon.json has that key. A text that is its value counts as well: keel parses no JSON of others' here. */
bool dockerd_json_has(const char *key);
/* The environment that a dockerd was started with, NAME=value each ended by NUL. Its length or -errno; -ESRCH: pid is 0. */
ssize_t dockerd_environment(pid_t pid, char block[DOCKERD_ENVIRON_MAX]) MUST_CHECK;
/* How it is opened: by its path, which takes CAP_SYS_PTRACE. keel-agent has another way (runner.h). A descriptor or -errno. */
extern int (*dockerd_open_environ)(pid_t pid);
/* True if that has RESOLV_OPTION: its containers ask keel-dns. Pure. */
bool dockerd_asks_keel_dns(const char *block, size_t len);
