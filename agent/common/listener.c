/* SPDX-License-Identifier: MIT
 *
 * listener.c - accept, check the peer, hand over. See listener.h.
 *
 * Callers: agent.c (API and Docker API) and ctl/forward.c. A failure to accept is never fatal: it
 * is logged and the listener stays.
 */
#include "agent/common/listener.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <linux/vm_sockets.h>

#include "lib/log.h"

/* One burst a wake-up, so that a flood of connections does not starve those being served. */
#define ACCEPT_BURST 16
/* Supplementary groups looked at; a peer with more is not trusted by its group. */
#define GROUPS_MAX 64

static bool in_own_group(int fd, gid_t primary)
{
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(groups);

	if (primary == getegid())
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++)
		if (groups[i] == getegid())
			return true;
	return false;
}

static bool peer_trusted(const struct listener *listener, int fd, const struct sockaddr_vm *peer)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	switch (listener->address.kind) {
	case ADDRESS_VSOCK:
		return peer->svm_family == AF_VSOCK && peer->svm_cid == VMADDR_CID_HOST;
	case ADDRESS_UNIX:
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
			return false;
		return cred.uid == 0 || cred.uid == geteuid() || in_own_group(fd, cred.gid);
	case ADDRESS_TCP:
		return true;
	case ADDRESS_NONE:
	case ADDRESS_HVSOCK:
		return false;
	}
	return false;
}

static void log_refusal(struct listener *listener, int fd, const struct sockaddr_vm *peer)
{
	char text[ADDRESS_TEXT_MAX];
	struct ucred cred = {.uid = (uid_t)-1};
	socklen_t len = sizeof(cred);

	/* The first and then ever fewer: a peer must not be able to fill the log. */
	listener->refused++;
	if ((listener->refused & (listener->refused - 1)) != 0)
		return;
	(void)address_format(&listener->address, text, sizeof(text));
	if (listener->address.kind == ADDRESS_VSOCK) {
		log_warning(
			"%s: refused CID %u: only the host, CID 2, is served (%u refused so far)",
			text, peer->svm_cid, listener->refused);
		return;
	}
	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	log_warning(
		"%s: refused uid %u: only root and our own user and group are served (%u so far)",
		text, (unsigned int)cred.uid, listener->refused);
}

/* No file: the agent has no /dev any more when it needs another (sandbox.h), and a directory would lead out of its view. */
static int take_reserve(const struct listener *listener)
{
	return fcntl(listener->fd, F_DUPFD_CLOEXEC, 0);
}

/* EMFILE, ENFILE: the connection stays in the queue and epoll would report it for ever. */
static void shed_connection(struct listener *listener)
{
	int fd;

	close_p(&listener->reserve_fd);
	fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	close_p(&fd);
	listener->reserve_fd = take_reserve(listener);
	log_warning("out of descriptors: closed a new connection");
}

/* Returns false when there is nothing more to accept now. */
static bool accept_one(struct listener *listener)
{
	struct sockaddr_vm peer = {0};
	union {
		struct sockaddr any;
		struct sockaddr_vm vm;
		struct sockaddr_storage room;
	} from = {0};
	socklen_t len = sizeof(from);
	int fd = accept4(listener->fd, &from.any, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			shed_connection(listener);
		else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			log_warning("accept: %s", strerror(errno));
		return errno == EINTR || errno == ECONNABORTED;
	}
	peer = from.vm;
	if (!peer_trusted(listener, fd, &peer)) {
		log_refusal(listener, fd, &peer);
		close_p(&fd);
		return true;
	}
	listener->fn(listener->ctx, fd);
	return true;
}

static void on_connection(struct loop_source *source, uint32_t events)
{
	struct listener *listener = source->ctx;

	(void)events;
	for (int i = 0; i < ACCEPT_BURST && listener->fd >= 0; i++)
		if (!accept_one(listener))
			return;
}

void listener_init(struct listener *listener, struct loop *loop, const struct address *address,
	unsigned int mode, listener_accept_fn *fn, void *ctx)
{
	*listener = (struct listener){.loop = loop,
		.address = *address,
		.mode = mode,
		.source.fd = -1,
		.fd = -1,
		.reserve_fd = -1,
		.fn = fn,
		.ctx = ctx};
}

int listener_open(struct listener *listener)
{
	struct stat st;
	int rc;

	if (listener->fd >= 0 || listener->address.kind == ADDRESS_NONE)
		return 0;
	rc = address_listen(&listener->address, listener->mode, &listener->fd);
	if (rc < 0)
		return rc;
	rc = loop_add(listener->loop, &listener->source, listener->fd, EPOLLIN, on_connection,
		listener);
	if (rc < 0) {
		close_p(&listener->fd);
		return rc;
	}
	listener->reserve_fd = take_reserve(listener);
	if (listener->address.kind == ADDRESS_UNIX && lstat(listener->address.path, &st) == 0) {
		listener->device = st.st_dev;
		listener->inode = st.st_ino;
	}
	return 0;
}

bool listener_is_open(const struct listener *listener)
{
	return listener->fd >= 0;
}

void listener_close(struct listener *listener)
{
	struct stat st;

	if (listener->fd < 0)
		return;
	loop_remove(listener->loop, &listener->source);
	close_p(&listener->fd);
	close_p(&listener->reserve_fd);
	if (listener->address.kind == ADDRESS_UNIX && lstat(listener->address.path, &st) == 0 &&
		st.st_dev == listener->device && st.st_ino == listener->inode)
		(void)unlink(listener->address.path);
}
