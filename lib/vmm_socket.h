/* SPDX-License-Identifier: MIT
 *
 * vmm_socket.h - one message of systemd's notify protocol to a struct vmm_address. As sd_notify(3) does it: a connection for
 * each message, whose end is the message's; from a privileged vsock port, by which the host knows that root speaks.
 */
#pragma once

#include "lib/vmm_address.h"

/* How many types of sockets there are to try. */
#define VMM_SOCKET_RUNGS 3

/* Opens a non-blocking socket and begins to connect; `*rung` (0 at first) is which type, and moves on past those that the
 * kernel does not have. 0: connected, -EINPROGRESS: it will be writable when that has come to an end (SO_ERROR), both
 * with *fd, which is the caller's; else -errno. */
int vmm_socket_open(const struct vmm_address *address, unsigned int *rung, int *fd) MUST_CHECK;
/* True, and *rung is the next one, if a connection that ended with `error` (-errno) may be had with another type. */
bool vmm_socket_try_other(const struct vmm_address *address, unsigned int *rung, int error);

/* Blocking, for at most `timeout_ms`: says it, and waits until the other side has taken it (its end of a connection is
 * closed; a datagram is taken when it is queued). 0 or -errno; -ETIMEDOUT: it may have been taken. */
int vmm_socket_say(const struct vmm_address *address, const char *text,
	unsigned int timeout_ms) MUST_CHECK;
