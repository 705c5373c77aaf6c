/* SPDX-License-Identifier: MIT
 *
 * runner_frame.c - see runner_frame.h. Callers: runner.c, runner_serve.c.
 */
#include "agent/runner_frame.h"

#include <string.h>
#include <sys/socket.h>

union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(RUNNER_FDS * sizeof(int))];
};

int runner_frame_send(int fd, const void *frame, size_t size, const int *fds, size_t count)
{
	union control control = {0};
	struct iovec part = {.iov_base = (void *)(uintptr_t)frame, .iov_len = size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	struct cmsghdr *header = &control.header; /* the first and only one */
	ssize_t n;

	if (count > 0) {
		message.msg_control = control.room;
		message.msg_controllen = (socklen_t)CMSG_SPACE(count * sizeof(int));
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = (socklen_t)CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(header), fds, count * sizeof(int));
	}
	do {
		n = sendmsg(fd, &message, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static void take_fds(struct msghdr *message, int fds[RUNNER_FDS], size_t *count)
{
	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
		header = CMSG_NXTHDR(message, header)) {
		size_t n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n && *count < RUNNER_FDS; i++)
			memcpy(&fds[(*count)++], CMSG_DATA(header) + i * sizeof(int), sizeof(int));
	}
}

int runner_frame_receive(int fd, void *frame, size_t size, int fds[RUNNER_FDS], size_t *count)
{
	union control control = {0};
	struct iovec part = {.iov_base = frame, .iov_len = size};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room)};
	ssize_t n;

	*count = 0;
	do {
		n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	take_fds(&message, fds, count);
	/* What did not fit was closed by the kernel. */
	if ((size_t)n == size && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return 0;
	while (*count > 0)
		close_p(&fds[--*count]);
	return -EPIPE;
}
