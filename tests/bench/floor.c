/* SPDX-License-Identifier: MIT
 *
 * floor.c - what a bare script needs as PID 1 to be compared with keel-init (tests/bench/boot_native.py):
 *
 *   floor init FILE COMMAND...       resets what the hand-over left ignored, notes "start", runs COMMAND
 *   floor listen SOCKET FILE         binds an sd_notify socket, goes to the background, notes "ready PID"
 *   floor exec NAME FILE COMMAND...  notes "exec NAME PID", runs COMMAND
 *   floor wait PATH                  until it exists
 *
 * A note is a line in FILE that ends with the time: microseconds of CLOCK_BOOTTIME, as PID 1 measures.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int fail(const char *what)
{
	(void)fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	return 1;
}

static long long now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int note(const char *file, const char *what, const char *name, int pid, long long at_us)
{
	char line[128];
	int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	int len = snprintf(line, sizeof(line), "%s %s %d %lld\n", what, name, pid, at_us);

	if (fd < 0 || write(fd, line, (size_t)len) != len)
		return fail(file);
	(void)close(fd);
	return 0;
}

static int run(char **command)
{
	sigset_t none;

	for (int i = 1; i <= 64; i++)
		(void)signal(i, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)execv(command[0], command);
	return fail(command[0]);
}

static void receive(int fd, const char *file)
{
	char text[1024];
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec iov = {.iov_base = text, .iov_len = sizeof(text) - 1};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t len = recvmsg(fd, &msg, 0);
	long long at_us = now_us();
	struct ucred sender = {.pid = 0};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	if (len < 0)
		return;
	text[len] = '\0';
	if (c && c->cmsg_type == SCM_CREDENTIALS)
		memcpy(&sender, CMSG_DATA(c), sizeof(sender));
	if (strstr(text, "READY=1"))
		(void)note(file, "ready", "-", (int)sender.pid, at_us);
}

static int listen_notify(const char *path, const char *file)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), one = 1;

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) < 0 ||
		bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return fail(path);
	if (fork() > 0)
		return 0;
	for (;;)
		receive(fd, file);
}

int main(int argc, char **argv)
{
	if (argc > 3 && strcmp(argv[1], "init") == 0)
		return note(argv[2], "start", "-", (int)getpid(), now_us()) || run(argv + 3);
	if (argc == 4 && strcmp(argv[1], "listen") == 0)
		return listen_notify(argv[2], argv[3]);
	if (argc == 3 && strcmp(argv[1], "wait") == 0) {
		while (access(argv[2], F_OK) < 0)
			(void)usleep(1000);
		return 0;
	}
	if (argc > 4 && strcmp(argv[1], "exec") == 0)
		return note(argv[3], "exec", argv[2], (int)getpid(), now_us()) || run(argv + 4);
	(void)fprintf(stderr,
		"usage: floor init FILE COMMAND... | listen SOCKET FILE | exec NAME FILE COMMAND... | wait PATH\n");
	return 2;
}
