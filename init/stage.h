/* SPDX-License-Identifier: MIT
 *
 * stage.h - the boot as a visible list of stages, each timed, each with its failure policy.
 *
 * The order and the policies are data: see the table in stage.c. A stage either runs to its end inside
 * PID 1 (console, mounts, cgroup, memory) or is a helper program that reports over fd 3 while the rest
 * of the boot goes on (modules, disk, net); `services` ends when every wanted service is up.
 */
#pragma once

#include "init/init.h"

/* Names every stage and marks it pending. */
void stage_init_all(struct init *init);
/* Runs stages that are functions, in order; a FATAL failure sets init->fatal and ends it, as it does the next call. */
void stage_run(struct init *init, enum stage_id first, enum stage_id last);
/* After a crash of PID 1 (crash.h): only what ending the system needs. */
void stage_run_crashed(struct init *init);
/* Starts the helper stages. Needs the loop. */
void stage_start_helpers(struct init *init);
/* Runs the helper of the stage of that name again: what it verified may have changed. Services that are up stay up.
 * 0, -ENOENT (no such stage, or one without a helper), -EALREADY (it runs). */
int stage_restart(struct init *init, const char *name) MUST_CHECK;
/* The helper of a stage died. Returns false if `pid` is no helper's. */
bool stage_reap(struct init *init, pid_t pid, int status);
/* The only writer of a stage's state: times it, logs it, tells subscribers. */
void stage_set(struct init *init, enum stage_id id, enum stage_state state, const char *reason);

/* Looks up a target that a unit names ("local-fs.target"). Returns its stage or -ENOENT. */
int stage_find_target(const char *target);
/* True while the stage may still change on its own accord before the boot goes on without it. */
bool stage_is_settled(const struct init *init, enum stage_id id);
/* True if what the stage provides is there. */
bool stage_is_met(const struct init *init, enum stage_id id);
