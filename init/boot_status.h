/* SPDX-License-Identifier: MIT
 *
 * boot_status.h - what `systemctl is-system-running` says, as a pure function of the records.
 *
 * `running` as soon as a shell is useful: the stages inside PID 1 are done. The engine, the disk and
 * the network are not waited for (WSL holds a user's session back for up to 10 s until it reads
 * running or degraded); whether the engine is usable is what health tells.
 */
#pragma once

#include "init/init.h"

/* Returns the state and the reason ("" for running). */
enum boot_state boot_status(const struct init *init, char *reason, size_t size);
