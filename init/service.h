/* SPDX-License-Identifier: MIT
 *
 * service.h - the effects around service_sm: processes, timers, cgroups, records.
 */
#pragma once

#include "init/init.h"

/* Reads every unit file (PID 1 may still block here). Problems are logged with file and line. */
void service_load_all(struct init *init);
/* Adds one from the text of a unit file; there must be room for it. */
void service_add(struct init *init, const char *path, const char *name, const char *text);

/* Sends an event through the state machine and carries its actions out. */
void service_event(struct service *service, enum sm_event event, struct sm_facts facts);

/* Wants every enabled unit up. */
void service_start_enabled(struct init *init);
/* Looks at every waiting service again: called after each batch of events in which something changed. */
void service_check_waiting(struct init *init);
/* Updates the `services` stage. */
void service_check_stage(struct init *init);
/* Runs ExecReload=. 0 or -errno. */
int service_reload(struct service *service) MUST_CHECK;

/* A child died. Returns false if it is no service's main process. */
bool service_reap(struct init *init, pid_t pid, int status);
/* The service whose main process or cgroup `pid` belongs to, or NULL. */
struct service *service_find_process(struct init *init, pid_t pid);
struct service *service_find(struct init *init, const char *name);
/* Its STATUS= text. */
void service_set_status(struct service *service, const char *text);

/* True while the service has, or may get, a process. */
bool service_is_up(const struct service *service);
/* True for keel's own services (Slice=keel.slice), which stop last. */
bool service_is_keel(const struct service *service);
/* True if `service` names `other` in Requires= or Wants=. */
bool service_depends_on(const struct service *service, const struct service *other);
