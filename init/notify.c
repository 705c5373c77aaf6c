/* SPDX-License-Identifier: MIT
 *
 * notify.c - see notify.h.
 */
#include "init/notify.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "init/service.h"
#include "init/text.h"
#include "lib/log.h"

void notify_parse(const char *text, size_t len, struct notify_message *message)
{
	memset(message, 0, sizeof(*message));
	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t line = end ? (size_t)(end - text) : len;

		if (line == 7 && memcmp(text, "READY=1", 7) == 0)
			message->ready = true;
		if (line >= 7 && memcmp(text, "STATUS=", 7) == 0) {
			size_t n = line - 7;

			if (n >= sizeof(message->status))
				n = sizeof(message->status) - 1;
			memset(message->status, 0, sizeof(message->status));
			memcpy(message->status, text + 7, n);
		}
		if (!end)
			break;
		len -= line + 1;
		text = end + 1;
	}
}

/* One datagram. Returns false when there is none. */
static bool receive(struct init *init, int fd)
{
	char text[1024];
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int) * 4)];
	} control;
	struct iovec iov = {.iov_base = text, .iov_len = sizeof(text)};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	struct ucred credentials = {.pid = 0};
	struct notify_message message;
	struct service *service;
	ssize_t len = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (len < 0)
		return errno == EINTR;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS)
			memcpy(&credentials, CMSG_DATA(c), sizeof(credentials));
		if (c->cmsg_type ==
			SCM_RIGHTS) { /* FDSTORE is not ours: do not collect descriptors */
			int count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int)), sent;

			for (int i = 0; i < count; i++) {
				memcpy(&sent, CMSG_DATA(c) + (size_t)i * sizeof(int), sizeof(int));
				close_p(&sent);
			}
		}
	}
	service = credentials.pid > 0 ? service_find_process(init, credentials.pid) : NULL;
	if (!service) {
		log_debug("notify: message from %d, which is no service; ignored",
			(int)credentials.pid);
		return true;
	}
	notify_parse(text, (size_t)len, &message);
	if (message.status[0])
		service_set_status(service, message.status);
	if (message.ready)
		service_event(service, SM_EVENT_READY, (struct sm_facts){0});
	return true;
}

static void on_message(struct loop_source *source, uint32_t events)
{
	(void)events;
	/* A flood must not keep the loop from everything else: the rest is for the next round. */
	for (int i = 0; i < 16 && receive(source->ctx, source->fd); i++)
		;
}

int notify_listen(struct init *init)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = NOTIFY_SOCKET_PATH};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1, rc;

	if (fd < 0)
		return -errno;
	(void)unlink(NOTIFY_SOCKET_PATH);
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) < 0 ||
		bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	/* A service may run as another user; who sent what is decided by its credentials. */
	(void)chmod(NOTIFY_SOCKET_PATH, 0666);
	rc = loop_add(&init->loop, &init->notify, fd, EPOLLIN, on_message, init);
	if (rc == 0)
		(void)TAKE_FD(fd);
	return rc;
}
