/* SPDX-License-Identifier: MIT
 *
 * sandbox.h - the agent gives up its rights, once it has what it needs. It talks to the host and to whoever reaches its sockets; if
 * somebody gets it to do his will, this is what he has. Caller: agent.c.
 *
 *   view           a mount namespace of its own with the few mounts in the table of sandbox.c, read-only but two; no
 *                  devices, no data disk
 *   capabilities   CAP_NET_BIND_SERVICE (vsock ports below 1024) and CAP_SYS_TIME (the clock), in no set any other
 *   no new privileges, not dumpable, no memory without end
 *   system calls   those of agent/filter/calls.h; any other ends the process with SIGSYS, and the log says which
 *
 * It is no jail against its own job: the agent must reach dockerd's socket, and who has that has the engine.
 */
#pragma once

#include "lib/base.h"

/* Once. What was opened before stays open: a directory of the old view would be a way back to it. A kernel that cannot do a part
 * of it (a broken boot, one before Linux 5.12) is one whose health has to be told all the more: that part is logged as an
 * error, and left out. */
void sandbox_enter(void);
/* Its last part alone, for tests; needs no_new_privs or CAP_SYS_ADMIN. 0 or -errno. */
int sandbox_filter_calls(void) MUST_CHECK;
