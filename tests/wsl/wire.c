/* SPDX-License-Identifier: MIT
 *
 * wire.c - see wire.h.
 */
#include "tests/wsl/wire.h"

#include "tests/wsl/base.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void wire_add(struct wire *wire, const char *format, ...)
{
	size_t room = sizeof(wire->text) - wire->length;
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(wire->text + wire->length, room, format, args);
	va_end(args);
	if (length < 0 || (size_t)length >= room)
		die("the request is too long");
	wire->length += (size_t)length + 1;
}

/* The words of a request, one after the other; NULL at the end. */
static const char *next_word(const struct wire *wire, const char *word)
{
	const char *next = word ? word + strlen(word) + 1 : wire->text;

	return next < wire->text + wire->length ? next : NULL;
}

const char *wire_get(const struct wire *wire, const char *key)
{
	size_t length = strlen(key);

	for (const char *word = next_word(wire, NULL); word && strcmp(word, "--") != 0;
		word = next_word(wire, word))
		if (strncmp(word, key, length) == 0 && word[length] == '=')
			return word + length + 1;
	return "";
}

unsigned int wire_args(struct wire *wire, char *argv[WIRE_ARGS + 1])
{
	const char *word = next_word(wire, NULL);
	unsigned int count = 0;

	while (word && strcmp(word, "--") != 0)
		word = next_word(wire, word);
	while (word && (word = next_word(wire, word)) && count < WIRE_ARGS)
		argv[count++] = wire->text + (word - wire->text);
	argv[count] = NULL;
	return count;
}

int wire_send(int fd, const struct wire *wire)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * WIRE_FDS)];
		struct cmsghdr align;
	} control = {0};
	struct iovec part = {.iov_base = (void *)(size_t)wire->text, .iov_len = wire->length};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t sent;

	if (wire->fd_count) {
		struct cmsghdr *header;

		message.msg_control = control.bytes;
		message.msg_controllen = (socklen_t)CMSG_SPACE(sizeof(int) * wire->fd_count);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = (socklen_t)CMSG_LEN(sizeof(int) * wire->fd_count);
		memcpy(CMSG_DATA(header), wire->fds, sizeof(int) * wire->fd_count);
	}
	do
		sent = sendmsg(fd, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -1 : 0;
}

ssize_t wire_receive(int fd, struct wire *wire)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * WIRE_FDS)];
		struct cmsghdr align;
	} control;
	struct iovec part = {.iov_base = wire->text, .iov_len = sizeof(wire->text) - 1};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control)};
	struct cmsghdr *header;
	ssize_t length;

	wire->fd_count = 0;
	do
		length = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	while (length < 0 && errno == EINTR);
	wire->length = length < 0 ? 0 : (size_t)length;
	wire->text[wire->length] = '\0';
	header = length < 0 ? NULL : CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_type == SCM_RIGHTS) {
		wire->fd_count = (unsigned int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(wire->fds, CMSG_DATA(header), sizeof(int) * wire->fd_count);
	}
	return length;
}

void wire_close_fds(struct wire *wire)
{
	for (unsigned int i = 0; i < wire->fd_count; i++)
		(void)close(wire->fds[i]);
	wire->fd_count = 0;
}

int wire_reply(int fd, const char *format, ...)
{
	char text[1024];
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return send(fd, text, (size_t)length, MSG_NOSIGNAL) < 0 ? -1 : 0;
}
