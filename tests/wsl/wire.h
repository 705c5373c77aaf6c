/* SPDX-License-Identifier: MIT
 *
 * wire.h - messages between a client, the VM and the distro's init, over SOCK_SEQPACKET sockets.
 *
 * A request is "VERB\0key=value\0...\0--\0ARG\0...". A client of `session` sends its three standard
 * descriptors with it; on its way to the distro the client's connection itself goes along, so that the relay
 * answers it: with "exit N". All other answers are lines of text.
 */
#ifndef TESTS_WSL_WIRE_H
#define TESTS_WSL_WIRE_H

#include <stddef.h>
#include <sys/types.h>

#define WIRE_SIZE 16384
#define WIRE_FDS  4
#define WIRE_ARGS 64

struct wire {
	char text[WIRE_SIZE];
	size_t length;
	int fds[WIRE_FDS];
	unsigned int fd_count;
};

void wire_add(struct wire *wire, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *wire_get(const struct wire *wire, const char *key);       /* "" when it is not there */
unsigned int wire_args(struct wire *wire, char *argv[WIRE_ARGS + 1]); /* what follows "--" */
int wire_send(int fd, const struct wire *wire);                       /* -1: the peer is gone */
ssize_t wire_receive(int fd, struct wire *wire);                      /* <= 0: the peer is gone */
void wire_close_fds(struct wire *wire);
int wire_reply(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
