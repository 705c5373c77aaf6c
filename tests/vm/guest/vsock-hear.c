/* SPDX-License-Identifier: MIT
 *
 * vsock-hear.c - hears what is said to a vsock port of the guest's own (through the module vsock_loopback):
 *   vsock-hear PORT COUNT
 * Takes COUNT connections of type SOCK_SEQPACKET, one after the other, and prints of each the peer's port and what it said
 * until it closed; newlines become spaces.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

static void hear(int fd, unsigned int port)
{
	char text[4096];
	ssize_t n;

	(void)printf("%u ", port);
	while ((n = recv(fd, text, sizeof(text), 0)) > 0)
		for (ssize_t i = 0; i < n; i++)
			(void)putchar(text[i] == '\n' ? ' ' : text[i]);
	(void)putchar('\n');
	(void)fflush(stdout);
}

int main(int argc, char **argv)
{
	struct sockaddr_vm own = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY};
	int fd = socket(AF_VSOCK, SOCK_SEQPACKET, 0);

	own.svm_port = argc == 3 ? (unsigned int)strtoul(argv[1], NULL, 10) : 0;
	if (argc != 3 || fd < 0 || bind(fd, (const struct sockaddr *)&own, sizeof(own)) < 0 ||
		listen(fd, 16) < 0) {
		perror("vsock-hear");
		return 1;
	}
	for (long left = strtol(argv[2], NULL, 10); left > 0; left--) {
		struct sockaddr_vm peer = {0};
		socklen_t len = sizeof(peer);
		int connection = accept(fd, (struct sockaddr *)&peer, &len);

		if (connection < 0) {
			perror("vsock-hear: accept");
			return 1;
		}
		hear(connection, peer.svm_port);
		(void)close(connection);
	}
	return 0;
}
