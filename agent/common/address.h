/* SPDX-License-Identifier: MIT
 *
 * address.h - where to listen or to connect: one small language for every option and test.
 *
 *   none                 nowhere
 *   unix:PATH            AF_UNIX stream socket
 *   vsock:PORT           AF_VSOCK; to listen on (keelctl --vm reads the number as a CID)
 *   vsock:CID:PORT       AF_VSOCK; to connect to
 *   hvsock:PATH          the unix socket of Firecracker's or vhost-device-vsock's "hybrid vsock": connect,
 *                        say "CONNECT PORT\n", read "OK ...\n", then the stream. The port is
 *                        the caller's (transport.h does the handshake)
 *   tcp:127.0.0.1:PORT   TCP on the IPv4 loopback, nothing else: the Docker API is root's
 */
#pragma once

#include "lib/base.h"

enum address_kind { ADDRESS_NONE, ADDRESS_UNIX, ADDRESS_VSOCK, ADDRESS_HVSOCK, ADDRESS_TCP };

struct address {
	enum address_kind kind;
	unsigned int cid;  /* vsock; VMADDR_CID_ANY when not given */
	unsigned int port; /* vsock, hvsock, tcp */
	unsigned int
		buffer; /* vsock: ADDRESS_BUFFER_*, 0: as the kernel does it. Not in the language */
	uint32_t ipv4;  /* tcp, host byte order */
	char path[108]; /* unix, hvsock: fits sockaddr_un with its NUL */
};

#define ADDRESS_TEXT_MAX 128

/* SO_SNDBUF and SO_RCVBUF of vsock sockets, set before listen(2) and connect(2): on Hyper-V a listener's are the sizes of
 * the two rings of each of its connections, one piece of contiguous kernel memory, which a guest whose memory is in fragments
 * may not have; then the connection fails (hvs_open_connection() in net/vmw_vsock/hyperv_transport.c, vmbus_alloc_ring() in
 * drivers/hv/channel.c). The kernel doubles the values (socket(7)). By default both have 208 KiB: an allocation of order 7.
 *   REPORT  24 KiB rings, the least there is: a state is a few KiB, seldom, and nothing comes back. A socket that connects
 *           gets them there whatever is set (hvs_sock_init(), Linux 5.5 and later); what is set counts where it is not so
 *   API     32 KiB rings, order 4: requests are small, documents a few KiB, logs and events come in pieces
 *   DOCKER  64 KiB rings, order 5: bulk, in both directions; the relay moves at most 64 KiB at a time
 * Other transports allocate packet by packet and ignore them. virtio bounds what waits unread by
 * SO_VM_SOCKETS_BUFFER_SIZE (vsock(7)), 256 KiB: credit, no allocation. It is left alone: newer kernels bound by it what they
 * send, too, and a host that gives credit back in larger steps than that stalls the stream (seen with 4 KiB on 6.12). */
enum {
	ADDRESS_BUFFER_REPORT = 12 * 1024,
	ADDRESS_BUFFER_API = 16 * 1024,
	ADDRESS_BUFFER_DOCKER = 32 * 1024,
};

/* 0 or -EINVAL (not in the language above), -ENAMETOOLONG (path). */
int address_parse(const char *text, struct address *address) MUST_CHECK;
/* The text form, for messages; always NUL-terminated. Returns `buffer`. */
const char *address_format(const struct address *address, char *buffer, size_t size);

/* Starts a connection on a new non-blocking, close-on-exec socket. *fd is valid when 0 (connected) or
 * -EINPROGRESS (wait for EPOLLOUT, then SO_ERROR) comes back; else -errno and *fd is -1. -EAGAIN: the
 * listener's queue is full (unix(7)), try again. A vsock connection gets small buffers. */
int address_connect(const struct address *address, int *fd) MUST_CHECK;
/* Listens on a new non-blocking, close-on-exec socket. A unix path is replaced, with mode `mode`. */
int address_listen(const struct address *address, unsigned int mode, int *fd) MUST_CHECK;
