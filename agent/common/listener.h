/* SPDX-License-Identifier: MIT
 *
 * listener.h - an address that accepts connections from trusted peers only.
 *
 * Who is trusted: on vsock only the host, CID 2 (a container that may open AF_VSOCK sockets reaches our
 * listeners through CID 1 or its own CID: vsock(7)); on a unix socket root, the user that runs us, and
 * members of our own group (SO_PEERCRED, SO_PEERGROUPS: unix(7), socket(7)); on loopback TCP everybody,
 * which is why only keelctl forward offers it and says so. Others are closed without a word.
 *
 * A listener survives a full table of descriptors: it gives up a reserve descriptor to accept and close
 * the connection, so that the peer is told and the loop does not spin.
 */
#pragma once

#include <sys/types.h>

#include "agent/common/address.h"
#include "lib/base.h"
#include "lib/loop.h"

/* Called for every trusted peer. `fd` is non-blocking, close-on-exec and now the callee's. */
typedef void listener_accept_fn(void *ctx, int fd);

struct listener {
	struct loop *loop;
	struct address address;
	unsigned int mode; /* of a unix socket's file */
	struct loop_source source;
	int fd, reserve_fd;
	dev_t device;         /* and */
	ino_t inode;          /* of a unix socket's file */
	unsigned int refused; /* peers sent away since the start */
	listener_accept_fn *fn;
	void *ctx;
};

/* Sets everything but opens nothing. */
void listener_init(struct listener *listener, struct loop *loop, const struct address *address,
	unsigned int mode, listener_accept_fn *fn, void *ctx);
/* Opens it. 0 (also when it is open already or its address is "none") or -errno; may be called
 * again, for instance once a kernel module that was missing is there. */
int listener_open(struct listener *listener) MUST_CHECK;
bool listener_is_open(const struct listener *listener);
/* Stops listening; unlinks a unix socket that it made, unless another one has taken its path. */
void listener_close(struct listener *listener);
