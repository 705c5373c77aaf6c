/* SPDX-License-Identifier: MIT
 *
 * lab-shell.c - runs commands for the test host: the guest's end of `tests/vm/vm sh`.
 *
 * Only the lab's root image has it, as a keel service; nothing that we ship does. It listens on
 * vsock port 9000 and serves CID 2 only. Each connection is one process and runs one command:
 *
 *   frame = type (1 byte), length (4 bytes, big endian), payload
 *   host -> guest   'C' command for /bin/sh -c     (first; 'T' instead: the same on a terminal)
 *                   'I' input, empty = end of it   'W' rows, columns (2 bytes each, big endian)
 *   guest -> host   'O' output   'E' error output  'X' exit status as a shell counts it (1 byte)
 *
 * Frames instead of half-closes, because not every vsock device carries a half-close. When the host
 * hangs up, the command's process group is killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#define LAB_PORT     9000
#define FRAME_MAX    65536
#define FRAME_HEADER 5

struct session {
	int host;
	pid_t pid;
	bool terminal;
	int input;     /* command's stdin, -1 once closed; the terminal itself in terminal mode */
	int output[2]; /* command's stdout and stderr, -1 once at their end */
	size_t pending_len, pending_pos;
	char pending[FRAME_MAX]; /* input that the command has not taken yet */
};

static void session_die(const char *what)
{
	fprintf(stderr, "lab-shell: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static bool read_all(int fd, void *buffer, size_t len)
{
	for (char *at = buffer; len > 0;) {
		ssize_t n = read(fd, at, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static bool write_all(int fd, const void *buffer, size_t len)
{
	for (const char *at = buffer; len > 0;) {
		ssize_t n = write(fd, at, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static bool frame_send(int fd, char type, const void *payload, size_t len)
{
	unsigned char header[FRAME_HEADER] = {(unsigned char)type, (unsigned char)(len >> 24),
		(unsigned char)(len >> 16), (unsigned char)(len >> 8), (unsigned char)len};

	return write_all(fd, header, sizeof(header)) && write_all(fd, payload, len);
}

/* Payload length, or -1 at the end of the connection or for a frame that is too long. */
static ssize_t frame_read(int fd, char *type, char payload[FRAME_MAX])
{
	unsigned char header[FRAME_HEADER];

	if (!read_all(fd, header, sizeof(header)))
		return -1;
	*type = (char)header[0];
	size_t len = (size_t)header[1] << 24 | (size_t)header[2] << 16 | (size_t)header[3] << 8 |
		     header[4];
	if (len > FRAME_MAX || !read_all(fd, payload, len))
		return -1;
	return (ssize_t)len;
}

static void command_exec(const char *command)
{
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/keel-lab", 1);
	setenv("HOME", "/root", 1);
	setenv("TERM", "xterm", 0);
	signal(SIGPIPE, SIG_DFL);
	if (chdir("/root") != 0 && chdir("/") != 0)
		_exit(127);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

static void session_start_terminal(struct session *s, const char *command)
{
	int terminal;

	s->pid = forkpty(&terminal, NULL, NULL, NULL);
	if (s->pid < 0)
		session_die("forkpty");
	if (s->pid == 0)
		command_exec(command);
	s->input = terminal;
	s->output[0] = terminal;
	s->output[1] = -1;
}

static void session_start_pipes(struct session *s, const char *command)
{
	int in[2], out[2], err[2];

	if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0)
		session_die("pipe");
	s->pid = fork();
	if (s->pid < 0)
		session_die("fork");
	if (s->pid == 0) {
		setsid();
		if (dup2(in[0], 0) < 0 || dup2(out[1], 1) < 0 || dup2(err[1], 2) < 0)
			_exit(127);
		command_exec(command);
	}
	close(in[0]);
	close(out[1]);
	close(err[1]);
	s->input = in[1];
	s->output[0] = out[0];
	s->output[1] = err[0];
	fcntl(s->input, F_SETFL, O_NONBLOCK);
}

static void session_close_input(struct session *s)
{
	if (s->input >= 0 && !s->terminal)
		close(s->input);
	s->input = -1;
}

static void session_write_input(struct session *s)
{
	ssize_t n = write(s->input, s->pending + s->pending_pos, s->pending_len - s->pending_pos);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	s->pending_pos += n > 0 ? (size_t)n : 0;
	if (n < 0)
		session_close_input(s); /* the command closed its stdin: the rest is nobody's */
	if (n < 0 || s->pending_pos == s->pending_len)
		s->pending_len = s->pending_pos = 0;
}

static void session_set_size(const struct session *s, const char *payload)
{
	const unsigned char *p = (const unsigned char *)payload;
	struct winsize size = {.ws_row = (unsigned short)(p[0] << 8 | p[1]),
		.ws_col = (unsigned short)(p[2] << 8 | p[3])};

	if (s->terminal)
		ioctl(s->output[0], TIOCSWINSZ, &size);
}

/* Takes one frame from the host. False when the host has hung up. */
static bool session_read_host(struct session *s)
{
	char type;
	ssize_t len = frame_read(s->host, &type, s->pending);

	if (len < 0)
		return false;
	if (type == 'W' && len == 4)
		session_set_size(s, s->pending);
	if (type != 'I' || s->input < 0)
		return true;
	if (len > 0) {
		s->pending_len = (size_t)len;
		s->pending_pos = 0;
	} else if (s->terminal) {
		(void)!write(s->input, "\004", 1);
	} else {
		session_close_input(s);
	}
	return true;
}

static bool session_read_output(struct session *s, int which)
{
	char buffer[32768];
	ssize_t n = read(s->output[which], buffer, sizeof(buffer));

	if (n > 0)
		return frame_send(s->host, which == 0 ? 'O' : 'E', buffer, (size_t)n);
	if (n < 0 && errno == EINTR)
		return true;
	close(s->output[which]); /* a terminal whose last user is gone reads EIO */
	s->output[which] = -1;
	if (s->terminal)
		s->input = -1;
	return true;
}

/* Moves bytes until both outputs have ended. False when the host has hung up. */
static bool session_pump(struct session *s)
{
	while (s->output[0] >= 0 || s->output[1] >= 0) {
		bool full = s->pending_len > 0;
		struct pollfd fds[] = {
			{.fd = s->host, .events = full ? POLLRDHUP : POLLIN},
			{.fd = s->output[0], .events = POLLIN},
			{.fd = s->output[1], .events = POLLIN},
			{.fd = full ? s->input : -1, .events = POLLOUT},
		};
		if (poll(fds, 4, -1) < 0)
			continue;
		if (fds[0].revents != 0 && (full || !session_read_host(s)))
			return false;
		for (int which = 0; which < 2; which++)
			if (fds[1 + which].revents != 0 && !session_read_output(s, which))
				return false;
		if (fds[3].revents != 0 && s->input >= 0)
			session_write_input(s);
	}
	return true;
}

static void session_run(int host)
{
	static struct session s;
	char type;
	ssize_t len = frame_read(host, &type, s.pending);

	if (len < 0 || len == FRAME_MAX || (type != 'C' && type != 'T'))
		_exit(2);
	s.pending[len] = '\0';
	s.host = host;
	s.terminal = type == 'T';
	if (s.terminal)
		session_start_terminal(&s, s.pending);
	else
		session_start_pipes(&s, s.pending);
	if (!session_pump(&s))
		kill(-s.pid, SIGKILL);
	int status;
	while (waitpid(s.pid, &status, 0) < 0 && errno == EINTR)
		;
	char code = (char)(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	frame_send(host, 'X', &code, 1);
	/* The status must arrive before the connection goes: wait for the host to close first. */
	shutdown(host, SHUT_WR);
	while (read(host, s.pending, sizeof(s.pending)) > 0)
		;
	_exit(0);
}

static int server_listen(void)
{
	struct sockaddr_vm address = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = LAB_PORT};
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		session_die("socket(AF_VSOCK)");
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		session_die("bind vsock port 9000");
	if (listen(fd, 16) != 0)
		session_die("listen");
	return fd;
}

int main(void)
{
	int server = server_listen();

	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		struct sockaddr_vm peer = {0};
		socklen_t len = sizeof(peer);
		int host = accept4(server, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);

		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (host < 0)
			continue;
		if (peer.svm_cid == VMADDR_CID_HOST && fork() == 0)
			session_run(host);
		close(host);
	}
}
