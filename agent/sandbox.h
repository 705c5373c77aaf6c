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

/* In this order, once each. 0 or -errno. What was opened before stays open: a directory of the old view is a way back to it. */
int sandbox_enter_view(void) MUST_CHECK;
int sandbox_drop_rights(void) MUST_CHECK;
int sandbox_filter_calls(void) MUST_CHECK;
