/* SPDX-License-Identifier: MIT
 *
 * vsock-probe.c - what a container gets that opens vsock (tests/vm/container_peers.py): asks the guest's and the host's ports by
 * every address that there is for them, and tries to take the ports itself. One line each on stdout, always in this order:
 *
 *   socket WHAT              ok, or why there is no vsock: then nothing else
 *   connect CID PORT WHAT    CID as asked (1, 2, own, any); WHAT: an error of connect(2), or how many bytes came before the end,
 *                            or "open" if there was none within SECONDS
 *   bind PORT WHAT           ok or an error; it stays bound to the end, and listens
 *
 * The last line is "done".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#define SECONDS 5

static const char request[] = "GET /version HTTP/1.1\r\nHost: x\r\n\r\n";

static void ask(int fd)
{
	char buffer[4096];
	ssize_t n, total = 0;

	(void)!send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL);
	while ((n = recv(fd, buffer, sizeof(buffer), 0)) > 0)
		total += n;
	/* A listener that closes with our request unread is seen as a reset, which is an end too. */
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		(void)printf("open %zd\n", total);
	else
		(void)printf("%zd\n", total);
}

static void try_connect(const char *name, unsigned int cid, unsigned int port)
{
	const struct sockaddr_vm to = {.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};
	const struct timeval patience = {.tv_sec = SECONDS};
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)printf("connect %s %u ", name, port);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
		(void)printf("%s\n", strerror(errno));
	else
		ask(fd);
	(void)fflush(stdout);
	(void)close(fd);
}

static void try_bind(unsigned int port)
{
	const struct sockaddr_vm at = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = port};
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 4) < 0) {
		(void)printf("bind %u %s\n", port, strerror(errno));
		(void)close(fd);
	} else {
		(void)printf("bind %u ok\n", port);
	}
}

int main(void)
{
	static const unsigned int ports[] = {700, 701, 702};
	int device = open("/dev/vsock", O_RDONLY | O_CLOEXEC);
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unsigned int own = 0;

	(void)printf("socket %s\n", fd < 0 ? strerror(errno) : "ok");
	if (fd < 0)
		return 0;
	(void)close(fd);
	if (device < 0 || ioctl(device, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &own) < 0) {
		perror("/dev/vsock");
		return 1;
	}
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		try_connect("1", VMADDR_CID_LOCAL, ports[i]);
		try_connect("own", own, ports[i]);
		try_connect("any", VMADDR_CID_ANY, ports[i]);
		if (ports[i] != 702) /* the host is asked by its own test */
			try_connect("2", VMADDR_CID_HOST, ports[i]);
	}
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		try_bind(ports[i]);
	(void)puts("done");
	return 0;
}
