/* SPDX-License-Identifier: MIT
 *
 * shutdown.h - the way down: services in reverse order, keel's own last, then processes, then mounts.
 *
 * Each phase has a limit, so the whole has one, whatever hangs: docs/keel-init.8 adds them up.
 */
#pragma once

#include "init/init.h"

/* Before the loop: what cannot be had later. */
void shutdown_prepare(void);
/* What a signal to PID 1 asks for: RB_POWER_OFF, RB_AUTOBOOT, or 0 for nothing. */
int shutdown_signal_command(int number);
/* Begins. `command` is an RB_* of reboot(2) and stays what the first request said. A later request, unless it comes
 * within 2 s of the one before, is somebody who has waited long enough: what the present phase waits for is
 * killed or left alone, and the next phase begins. With a grace only a signal says so: there is an end anyway, and WSL's
 * own request follows that of whoever typed `systemctl poweroff` before. */
void shutdown_start(struct init *init, int command, const char *why, bool by_signal);
/* Begins with the processes, because nobody knows the services any more (crash.h). */
void shutdown_start_crashed(struct init *init, int command);
/* Looks whether the next step can be taken; called once a batch of events while shutting down. */
void shutdown_advance(struct init *init);
/* A child died. Returns false if it is not the one that unmounts. */
bool shutdown_reap(struct init *init, pid_t pid, int status);
