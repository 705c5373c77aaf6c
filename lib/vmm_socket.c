/* SPDX-License-Identifier: MIT
 *
 * vmm_socket.c - see vmm_socket.h. Callers: as of vmm_address.h.
 */
#include "lib/vmm_socket.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <linux/vm_sockets.h>

#include "lib/clock.h"

#define PRIVILEGED_PORT_MAX 1023 /* LAST_RESERVED_PORT in net/vmw_vsock/af_vsock.c */

static const int types[VMM_SOCKET_RUNGS] = {SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM};

union vmm_sockaddr {
	struct sockaddr any;
	struct sockaddr_un un;
	struct sockaddr_vm vm;
};

static socklen_t to_kernel(const struct vmm_address *address, union vmm_sockaddr *out)
{
	size_t len = strlen(address->path);

	memset(out, 0, sizeof(*out));
	if (address->family == AF_VSOCK) {
		out->vm = (struct sockaddr_vm){
			.svm_family = AF_VSOCK, .svm_cid = address->cid, .svm_port = address->port};
		return sizeof(out->vm);
	}
	out->un.sun_family = AF_UNIX;
	memcpy(out->un.sun_path, address->path, len);
	if (address->path[0] != '@')
		return sizeof(out->un);
	out->un.sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

/* Not allowed, or all taken: then any port will do. */
static void bind_privileged(int fd)
{
	struct sockaddr_vm own = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = PRIVILEGED_PORT_MAX};

	while (bind(fd, (const struct sockaddr *)&own, sizeof(own)) < 0 && errno == EADDRINUSE &&
		own.svm_port > 1)
		own.svm_port--;
}

static int open_type(const struct vmm_address *address, int type, int *fd)
{
	_cleanup_close_ int sock = socket(address->family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	union vmm_sockaddr to;
	socklen_t len = to_kernel(address, &to);

	int rc;

	if (sock < 0)
		return -errno;
	if (address->family == AF_VSOCK)
		bind_privileged(sock);
	rc = connect(sock, &to.any, len) < 0 ? -errno : 0;
	if (rc == 0 || rc == -EINPROGRESS)
		*fd = TAKE_FD(sock);
	return rc;
}

bool vmm_socket_try_other(const struct vmm_address *address, unsigned int *rung, int error)
{
	/* What the kernel answers for a type that no transport has, at socket(2) or connect(2): af_vsock.c; EPROTOTYPE is
	 * a unix socket of another type. */
	bool other = error == -ENODEV || error == -ESOCKTNOSUPPORT || error == -EPROTONOSUPPORT ||
		     error == -EOPNOTSUPP || error == -EPROTOTYPE;

	/* Where VMware's transport is loaded it lends its datagrams to all, and then has no way to anybody: EHOSTUNREACH for
	 * the host, EINVAL for loopback (seen with 6.12). */
	if (address->family == AF_VSOCK && types[*rung] == SOCK_DGRAM && error != -EAGAIN)
		other = true;
	if (address->type != 0 || !other || *rung + 1 >= VMM_SOCKET_RUNGS)
		return false;
	(*rung)++;
	return true;
}

int vmm_socket_open(const struct vmm_address *address, unsigned int *rung, int *fd)
{
	int rc;

	*fd = -1;
	if (address->family == 0)
		return -EADDRNOTAVAIL;
	do {
		rc = open_type(address, address->type ? address->type : types[*rung], fd);
	} while (rc < 0 && rc != -EINPROGRESS && vmm_socket_try_other(address, rung, rc));
	return rc;
}

/* Waits for one of the events, or an error or the end. 0 or -ETIMEDOUT. */
static int await(int fd, short events, uint64_t end_us)
{
	struct pollfd wait = {.fd = fd, .events = events};

	for (;;) {
		uint64_t now_us = clock_now_us();

		if (now_us >= end_us)
			return -ETIMEDOUT;
		if (poll(&wait, 1, (int)((end_us - now_us) / USEC_PER_MSEC) + 1) > 0)
			return 0;
	}
}

static int connected(int fd, uint64_t end_us)
{
	int error = 0, rc = await(fd, POLLOUT, end_us);
	socklen_t len = sizeof(error);

	if (rc < 0)
		return rc;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? -errno : -error;
}

static int send_all(int fd, const char *text, uint64_t end_us)
{
	size_t len = strlen(text);

	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		int rc = n < 0 ? -errno : 0;

		if (rc == -EAGAIN)
			rc = await(fd, POLLOUT, end_us);
		if (rc < 0 && rc != -EINTR)
			return rc;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int say_once(const struct vmm_address *address, unsigned int *rung, const char *text,
	uint64_t end_us)
{
	_cleanup_close_ int fd = -1;
	int rc = vmm_socket_open(address, rung, &fd), type = 0;
	socklen_t len = sizeof(type);

	if (rc == -EINPROGRESS)
		rc = connected(fd, end_us);
	if (rc == 0)
		rc = send_all(fd, text, end_us);
	if (rc < 0)
		return rc;
	(void)getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
	if (type == SOCK_DGRAM)
		return 0;
	/* Sent is not taken: it may be in a queue of our own, which a power-off loses. */
	(void)shutdown(fd, SHUT_WR);
	return await(fd, POLLRDHUP, end_us);
}

int vmm_socket_say(const struct vmm_address *address, const char *text, unsigned int timeout_ms)
{
	uint64_t end_us = clock_now_us() + timeout_ms * USEC_PER_MSEC;
	unsigned int rung = 0;
	int rc;

	do {
		rc = say_once(address, &rung, text, end_us);
	} while (rc < 0 && vmm_socket_try_other(address, &rung, rc));
	return rc;
}
