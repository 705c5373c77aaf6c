/* SPDX-License-Identifier: MIT
 *
 * address.c - text to sockets. See address.h for the language.
 *
 * Callers: listener.c and transport.c; option parsing in both programs. Nothing here blocks.
 */
#include "agent/common/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <linux/vm_sockets.h>

/* On Hyper-V a connection's rings are contiguous kernel memory of this size, which fragmented memory may
 * not have; the kernel doubles the value (socket(7)). */
#define VSOCK_BUFFER (32 * 1024)
/* As many as a proxy serves at once: a burst of connections waits, it is not refused (EAGAIN on a unix socket, a reset on vsock).
 * The kernel cuts it to net.core.somaxconn, 4096. */
#define LISTEN_QUEUE 1024

static int parse_number(const char **text, unsigned long max, unsigned int *number)
{
	unsigned long value = 0;
	const char *p = *text;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		value = value * 10 + (unsigned long)(*p - '0');
		if (value > max)
			return -EINVAL;
	}
	*number = (unsigned int)value;
	*text = p;
	return 0;
}

static int parse_path(const char *text, struct address *address)
{
	size_t len = strlen(text);

	if (len == 0)
		return -EINVAL;
	if (len >= sizeof(address->path))
		return -ENAMETOOLONG;
	memcpy(address->path, text, len + 1);
	return 0;
}

static int parse_vsock(const char *text, struct address *address)
{
	unsigned int first;

	if (parse_number(&text, UINT32_MAX, &first) < 0)
		return -EINVAL;
	if (*text == '\0') {
		address->cid = VMADDR_CID_ANY;
		address->port = first;
		return 0;
	}
	if (*text != ':')
		return -EINVAL;
	text++;
	if (parse_number(&text, UINT32_MAX, &address->port) < 0 || *text)
		return -EINVAL;
	address->cid = first;
	return 0;
}

static int parse_tcp(const char *text, struct address *address)
{
	const char *colon = strrchr(text, ':');
	char host[INET_ADDRSTRLEN];
	struct in_addr ip;

	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	if (inet_pton(AF_INET, host, &ip) != 1)
		return -EINVAL;
	address->ipv4 = ntohl(ip.s_addr);
	if (address->ipv4 >> 24 != IN_LOOPBACKNET)
		return -EINVAL;
	text = colon + 1;
	if (parse_number(&text, UINT16_MAX, &address->port) < 0 || *text)
		return -EINVAL;
	return 0;
}

int address_parse(const char *text, struct address *address)
{
	memset(address, 0, sizeof(*address));
	if (strcmp(text, "none") == 0)
		return 0;
	if (strncmp(text, "unix:", 5) == 0) {
		address->kind = ADDRESS_UNIX;
		return parse_path(text + 5, address);
	}
	if (strncmp(text, "hvsock:", 7) == 0) {
		address->kind = ADDRESS_HVSOCK;
		return parse_path(text + 7, address);
	}
	if (strncmp(text, "vsock:", 6) == 0) {
		address->kind = ADDRESS_VSOCK;
		return parse_vsock(text + 6, address);
	}
	if (strncmp(text, "tcp:", 4) == 0) {
		address->kind = ADDRESS_TCP;
		return parse_tcp(text + 4, address);
	}
	return -EINVAL;
}

const char *address_format(const struct address *address, char *buffer, size_t size)
{
	switch (address->kind) {
	case ADDRESS_NONE:
		(void)snprintf(buffer, size, "none");
		break;
	case ADDRESS_UNIX:
		(void)snprintf(buffer, size, "unix:%s", address->path);
		break;
	case ADDRESS_HVSOCK:
		(void)snprintf(buffer, size, "hvsock:%s", address->path);
		break;
	case ADDRESS_VSOCK:
		if (address->cid == VMADDR_CID_ANY)
			(void)snprintf(buffer, size, "vsock:%u", address->port);
		else
			(void)snprintf(buffer, size, "vsock:%u:%u", address->cid, address->port);
		break;
	case ADDRESS_TCP:
		(void)snprintf(buffer, size, "tcp:%u.%u.%u.%u:%u", address->ipv4 >> 24,
			address->ipv4 >> 16 & 0xff, address->ipv4 >> 8 & 0xff, address->ipv4 & 0xff,
			address->port);
		break;
	}
	return buffer;
}

union any_address {
	struct sockaddr any;
	struct sockaddr_un un;
	struct sockaddr_vm vm;
	struct sockaddr_in in;
};

/* Fills in the kernel's form and returns its size, 0 for "none". */
static socklen_t to_kernel(const struct address *address, union any_address *out)
{
	memset(out, 0, sizeof(*out));
	switch (address->kind) {
	case ADDRESS_NONE:
		return 0;
	case ADDRESS_UNIX:
	case ADDRESS_HVSOCK:
		out->un.sun_family = AF_UNIX;
		memcpy(out->un.sun_path, address->path, sizeof(out->un.sun_path));
		return sizeof(out->un);
	case ADDRESS_VSOCK:
		out->vm.svm_family = AF_VSOCK;
		out->vm.svm_cid = address->cid;
		out->vm.svm_port = address->port;
		return sizeof(out->vm);
	case ADDRESS_TCP:
		out->in.sin_family = AF_INET;
		out->in.sin_addr.s_addr = htonl(address->ipv4);
		out->in.sin_port = htons((uint16_t)address->port);
		return sizeof(out->in);
	}
	return 0;
}

static int open_socket(const struct address *address, union any_address *kernel, socklen_t *len)
{
	const int size = VSOCK_BUFFER;
	int fd;

	*len = to_kernel(address, kernel);
	if (*len == 0)
		return -EADDRNOTAVAIL;
	fd = socket(kernel->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (address->kind == ADDRESS_VSOCK) {
		/* Must come before listen or connect; a transport that ignores it does no harm. */
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	}
	return fd;
}

int address_connect(const struct address *address, int *fd)
{
	union any_address kernel;
	socklen_t len;
	int rc;

	*fd = open_socket(address, &kernel, &len);
	if (*fd < 0) {
		rc = *fd;
		*fd = -1;
		return rc;
	}
	if (connect(*fd, &kernel.any, len) == 0)
		return 0;
	rc = -errno;
	if (rc != -EINPROGRESS)
		close_p(fd);
	return rc;
}

static int bind_socket(int fd, const struct address *address, unsigned int mode,
	const union any_address *kernel, socklen_t len)
{
	const int on = 1;
	mode_t mask;
	int rc;

	if (address->kind == ADDRESS_UNIX) {
		/* A socket left behind by a crash would give EADDRINUSE for ever. */
		(void)unlink(address->path);
		mask = umask(~(mode_t)mode & 0777);
		rc = bind(fd, &kernel->any, len) < 0 ? -errno : 0;
		(void)umask(mask);
		return rc;
	}
	if (address->kind == ADDRESS_TCP)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return bind(fd, &kernel->any, len) < 0 ? -errno : 0;
}

int address_listen(const struct address *address, unsigned int mode, int *fd)
{
	union any_address kernel;
	socklen_t len;
	_cleanup_close_ int sock = -1;
	int rc;

	*fd = -1;
	if (address->kind == ADDRESS_HVSOCK)
		return -EOPNOTSUPP;
	sock = open_socket(address, &kernel, &len);
	if (sock < 0)
		return sock;
	rc = bind_socket(sock, address, mode, &kernel, len);
	if (rc < 0)
		return rc;
	if (listen(sock, LISTEN_QUEUE) < 0)
		return -errno;
	*fd = TAKE_FD(sock);
	return 0;
}
