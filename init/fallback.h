/* SPDX-License-Identifier: MIT
 *
 * fallback.h - `init --fallback`: for a WSL that knows no [boot] systemd=true, or where it is off.
 *
 * [boot] command= runs it as root, as a child of WSL's own init, which is PID 1 there and stays it. It makes namespaces of
 * processes and mounts, in which keel-init is PID 1, and comes back. Sessions stay outside: they see its sockets and
 * mounts, for `/` is shared, not its processes.
 */
#pragma once

#include "lib/base.h"

/* PID 1 asks before it begins: false if a fall-back's PID 1 lives in this system, whose engine works on the same data. From
 * then on none can be started beside us. Before the loop. */
bool fallback_none_beside(void);

/* Returns the exit status: 0 when keel-init runs as PID 1 in there, or when it is not needed, because PID 1 here is or
 * becomes keel-init; 1 with a line on stderr and in the kernel log if it could not be started or runs already. */
int fallback_run(void);
