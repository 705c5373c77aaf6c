/* SPDX-License-Identifier: MIT
 *
 * uevent.c - the uevent socket. Used by keel-disk and keel-agent: an event only says "look again", what
 * is there is read from /sys, so a lost or forged message can cost a look and nothing else.
 *
 * libmnl opens and binds the socket. Its mnl_socket is not kept, because callers hold a plain descriptor
 * in their loop, and its receive function does not tell who sent a message.
 */
#include "lib/netlink/uevent.h"

#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/log.h"

#define UEVENT_KERNEL_GROUP   1
#define UEVENT_RECEIVE_BUFFER (1 << 20) /* a burst of hotplug is some hundred messages of 0.5 KiB */

int uevent_open(void)
{
	const int size = UEVENT_RECEIVE_BUFFER;
	struct mnl_socket *socket =
		mnl_socket_open2(NETLINK_KOBJECT_UEVENT, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int rc;

	if (!socket)
		return -errno;
	/* The default is enough on a calm machine; a lost message is noticed (ENOBUFS) anyway. */
	(void)setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUFFORCE, &size,
		sizeof(size));
	rc = mnl_socket_bind(socket, UEVENT_KERNEL_GROUP, MNL_SOCKET_AUTOPID);
	if (rc == 0)
		rc = fcntl(mnl_socket_get_fd(socket), F_DUPFD_CLOEXEC, 0);
	if (rc < 0)
		rc = -errno;
	(void)mnl_socket_close(socket);
	return rc;
}

bool uevent_is_of(const char *message, size_t len, const char *subsystem)
{
	static const char key[] = "SUBSYSTEM=";
	const size_t key_len = sizeof(key) - 1, value_len = strlen(subsystem);
	const char *end = message + len;

	for (const char *p = message; p < end;) {
		const char *nul = memchr(p, '\0', (size_t)(end - p));
		size_t word = (size_t)((nul ? nul : end) - p);

		if (word == key_len + value_len && memcmp(p, key, key_len) == 0 &&
			memcmp(p + key_len, subsystem, value_len) == 0)
			return true;
		p += word + 1;
	}
	return false;
}

bool uevent_drain(int fd, const char *subsystem)
{
	bool found = false;

	for (;;) {
		char message[8192]; /* UEVENT_BUFFER_SIZE is 2048 in the kernel */
		struct sockaddr_nl sender = {0};
		socklen_t sender_len = sizeof(sender);
		ssize_t len = recvfrom(fd, message, sizeof(message), 0, (struct sockaddr *)&sender,
			&sender_len);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && errno == ENOBUFS) {
			log_info("device events were lost; looking again");
			found = true;
			continue;
		}
		if (len <= 0)
			return found;
		/* Port 0 is the kernel; a process with CAP_NET_ADMIN could send to the group too. */
		if (sender.nl_pid == 0 && uevent_is_of(message, (size_t)len, subsystem))
			found = true;
	}
}
