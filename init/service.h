/* SPDX-License-Identifier: MIT
 *
 * service.h - the effects around service_sm: processes, timers, cgroups, records.
 *
 *   service.c        events and actions      service_process.c  spawn, signal, reap, who is the main process
 *   service_deps.c   who waits for whom      service_text.c     records, reasons
 *   service_load.c   unit files              socket_unit.c      listening sockets
 */
#pragma once

#include "init/environment.h"
#include "init/init.h"

/* ---- service_load.c ---- */

/* Reads every unit file (PID 1 may still block here). Problems are logged with file and line. */
void service_load_all(struct init *init);
/* daemon-reload: reads them again. What runs goes on with its old description until it is at rest. Returns
 * 0, or -ENOEXEC when a unit was bad (its old description stays), -E2BIG when there are too many. */
int service_load_again(struct init *init) MUST_CHECK;
/* Takes the new description that service_load_again() could not take then. */
void service_load_late(struct service *service);
/* Adds one from the text of a unit file that is built in; there must be room for it. */
void service_add(struct init *init, const char *name, const char *text);

/* ---- service.c ---- */

/* Sends an event through the state machine and carries its actions out. `facts.rest` and `.limit_hit` are filled in
 * here. */
void service_event(struct service *service, enum sm_event event, struct sm_facts facts);
/* 0, -ESRCH (not active) or -EOPNOTSUPP (the unit says not how). */
int service_reload(struct service *service) MUST_CHECK;
void service_reset_failed(struct service *service);
/* WATCHDOG=1, and WATCHDOG_USEC= (0: as the unit says). */
void service_feed_watchdog(struct service *service);
void service_set_watchdog(struct service *service, uint64_t usec);
/* EXTEND_TIMEOUT_USEC=. */
void service_extend_timeout(struct service *service, uint64_t usec);

/* ---- service_process.c ---- */

/* What every process that PID 1 starts finds in its environment. 0 or -E2BIG. */
int service_base_environment(const struct init *init, struct environment *environment) MUST_CHECK;
/* Make the main process, or the command, of sm.index. A failure comes back as an event. */
void service_spawn_main(struct service *service);
void service_run_command(struct service *service);
/* SIGKILL to the command, which is then nobody's. */
void service_drop_command(struct service *service);
/* To main process, command and group, as KillMode= says. */
void service_signal(struct service *service, int signal);
void service_kill(struct service *service);
/* To main process and command, whatever KillMode= says. */
void service_signal_processes(struct service *service, int signal);
void service_kill_rest(struct service *service);
/* Fills in facts.rest. */
bool service_has_rest(const struct service *service);
/* Begins or ends to wait for the last of its group, as its state demands. */
void service_watch_group(struct service *service);
/* The exec's result, if it is there: it comes before READY=1 and before the exit that it caused. */
void service_take_exec(struct service *service);
/* A child died. Returns false if it is no service's process. */
bool service_reap(struct init *init, pid_t pid, int status);
/* MAINPID=. 0, -ESRCH if it is not a process of this service. */
int service_set_main(struct service *service, pid_t pid) MUST_CHECK;
/* The service whose process `pid` is, or whose cgroup it is in, or NULL. */
struct service *service_find_process(struct init *init, pid_t pid);

/* ---- service_deps.c ---- */

struct service *service_find(struct init *init, const char *name);
/* Wants it and what it requires or wants up. */
void service_start(struct service *service);
/* Stops or restarts it and what requires it. */
void service_stop(struct service *service);
void service_restart(struct service *service);
/* Wants every enabled unit up. */
void service_start_enabled(struct init *init);
/* Looks at every waiting service again: called after each batch of events in which something changed. */
void service_check_waiting(struct init *init);
/* Updates the `services` stage. */
void service_check_stage(struct init *init);
/* True while the service has, or may get, a process. */
bool service_is_up(const struct service *service);
/* True for keel's own services (Slice=keel.slice), which stop last. */
bool service_is_keel(const struct service *service);
/* True if `service` names `other` in Requires=, Wants= or After=. */
bool service_depends_on(const struct service *service, const struct service *other);

/* ---- service_text.c ---- */

/* Brings the record up to date; logs and marks what changed. The one place where a service's visible state
 * changes. */
void service_publish(struct service *service, enum service_state before);
/* Every subscriber gets the record as it is then. */
void service_mark(struct service *service);
void service_set_reason(struct service *service, const char *reason);
/* Its STATUS= text. */
void service_set_status(struct service *service, const char *text);
/* "exited with status 3": how a command of its ended. */
void service_describe_command(const struct service *service, char *text, size_t size);

/* ---- socket_unit.c ---- */

/* The socket that the service is to be handed, opened if it is not: a descriptor that stays ours, or -1. */
int socket_unit_open(struct init *init, const struct service *service);
void socket_unit_close(struct init *init, const struct service *service);
bool socket_unit_exists(const struct init *init, const char *name);
const struct socket_unit *socket_unit_find(const struct init *init, const struct service *service);
