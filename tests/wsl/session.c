/* SPDX-License-Identifier: MIT
 *
 * session.c - a session: its leader, a child of WSL's init, and the relay of its one command (init.cpp:
 * InitCreateSessionLeader, SessionLeaderEntryUtilityVm, InitCreateProcessUtilityVm). The leader ends with its
 * connection; the relay, a subreaper in the mount namespace of its kind, carries bytes until it has no child
 * any more; its client's going away ends it only as long as the command lives.
 */
#include "tests/wsl/base.h"
#include "tests/wsl/distro.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CLIENT, CLIENT_IN, CLIENT_OUT, CLIENT_ERR }; /* the descriptors of a request */

struct relay {
	struct distro *distro;
	unsigned int number;
	bool tty, spoke;
	int *fds;  /* the request's */
	int input; /* the child's standard input, our end; -1: closed */
	int output[2], master, signals;
	bool hung_up; /* nobody has the terminal open; closing it would hang the child up */
	pid_t child;  /* -1: has ended */
	char pending[4096];
	size_t pending_length;
};

/* ---- the relay --------------------------------------------------------------------------------------- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static bool write_all(int fd, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, data, length);

		if (written < 0)
			return false;
		data += written;
		length -= (size_t)written;
	}
	return true;
}

/* The child's output to the client; true when there was some. */
static bool carry_output(struct relay *relay, int *from, int to)
{
	char data[4096];
	ssize_t length = read(*from, data, sizeof(data));

	if (length <= 0) {
		relay->hung_up |= from == &relay->master;
		if (from != &relay->master)
			close_fd(from);
		return false;
	}
	if (!relay->spoke)
		say(relay->distro->start.name, "session-output id=%u", relay->number);
	relay->spoke = true;
	if (!write_all(to, data, (size_t)length) && from != &relay->master)
		close_fd(from); /* who writes on is told by SIGPIPE */
	return true;
}

static void flush_input(struct relay *relay)
{
	ssize_t written = write(relay->input, relay->pending, relay->pending_length);

	if (written < 0 && errno != EAGAIN)
		written = (ssize_t)relay->pending_length; /* nobody reads */
	if (written <= 0)
		return;
	relay->pending_length -= (size_t)written;
	memmove(relay->pending, relay->pending + written, relay->pending_length);
}

static void end_input(struct relay *relay)
{
	close_fd(&relay->fds[CLIENT_IN]);
	close_fd(&relay->input);
	if (relay->tty)
		close_fd(&relay->master);
}

static void carry_input(struct relay *relay)
{
	ssize_t length = read(relay->fds[CLIENT_IN], relay->pending, sizeof(relay->pending));

	if (length > 0) {
		relay->pending_length = (size_t)length;
		flush_input(relay);
		return;
	}
	end_input(relay);
}

/* The client's descriptors are let go of, whoever of the command's is left: 2.9.4 shuts its sockets down. */
static void tell_end(struct relay *relay, int status)
{
	relay->child = -1;
	if (WIFEXITED(status))
		status = WEXITSTATUS(
			status); /* of a signal WSL tells the raw status: SIGKILL is 9 */
	say(relay->distro->start.name, "session-end id=%u status=%d", relay->number, status);
	(void)wire_reply(relay->fds[CLIENT], "exit %d", status);
	end_input(relay);
	close_fd(&relay->fds[CLIENT_OUT]);
	close_fd(&relay->fds[CLIENT_ERR]);
}

/* False when no child is left. */
static bool reap(struct relay *relay)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	(void)read(relay->signals, &info, sizeof(info));
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == relay->child)
			tell_end(relay, status);
	return pid == 0;
}

/* A window size, or the end of the client; false then. */
static bool hear_client(struct relay *relay)
{
	char text[64] = "";
	unsigned short rows, columns;

	if (recv(relay->fds[CLIENT], text, sizeof(text) - 1, 0) <= 0)
		return false;
	if (sscanf(text, "window %hu %hu", &rows, &columns) == 2 && relay->master >= 0) {
		struct winsize size = {.ws_row = rows, .ws_col = columns};

		(void)ioctl(relay->master, TIOCSWINSZ, &size);
	}
	return true;
}

static void carry(struct relay *relay)
{
	const short input = POLLIN, any = POLLIN | POLLHUP | POLLERR;

	for (;;) {
		struct pollfd fds[] = {
			{relay->output[0], input, 0},
			{relay->output[1], input, 0},
			{relay->hung_up ? -1 : relay->master, input, 0},
			{relay->pending_length ? -1 : relay->fds[CLIENT_IN], input, 0},
			{relay->signals, input, 0},
			{relay->child < 0 ? -1 : relay->fds[CLIENT], input, 0},
		};
		bool carried = false;

		if (poll(fds, ARRAY_SIZE(fds), relay->pending_length ? 100 : -1) < 0)
			return;
		if (relay->pending_length)
			flush_input(relay);
		for (int i = 0; i < 2; i++)
			if (fds[i].revents & any)
				carried |= carry_output(relay, &relay->output[i],
					relay->fds[CLIENT_OUT + i]);
		if (fds[2].revents & any)
			carried |= carry_output(relay, &relay->master, relay->fds[CLIENT_OUT]);
		if (fds[3].revents & any)
			carry_input(relay);
		if (carried)
			continue; /* all that was written arrives before the end is told */
		if (((fds[4].revents & POLLIN) && !reap(relay)) ||
			((fds[5].revents & any) && !hear_client(relay)))
			return;
	}
}

/* The relay's child: a terminal of its own, standard descriptors that are no console are pipes. */
static _Noreturn void run_child(struct relay *relay, struct wire *request, const int pipes[3])
{
	sigset_t none;
	int tty = dup(0);

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	for (int i = 0; i < 3; i++)
		if (pipes[i] >= 0 && dup2(pipes[i], i) < 0)
			_exit(1);
	process_exec(relay->distro, request, tty, relay->number);
}

static void make_pipes(struct relay *relay, int child_ends[3])
{
	int pipes[3][2];

	for (int i = 0; i < 3 && !relay->tty; i++) {
		if (pipe2(pipes[i], O_CLOEXEC) < 0)
			_exit(1);
		child_ends[i] = pipes[i][i == 0 ? 0 : 1];
	}
	if (relay->tty)
		return;
	relay->input = pipes[0][1];
	relay->output[0] = pipes[1][0];
	relay->output[1] = pipes[2][0];
}

static void name_relay(pid_t child)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "Relay(%d)", (int)child);
	(void)prctl(PR_SET_NAME, name);
}

static _Noreturn void run_relay(struct distro *distro, struct wire *request)
{
	struct relay relay = {.distro = distro,
		.number = distro->sessions,
		.fds = request->fds,
		.tty = strcmp(wire_get(request, "tty"), "1") == 0,
		.input = -1,
		.output = {-1, -1}};
	bool elevated = strcmp(wire_get(request, "elevated"), "1") == 0;
	struct winsize size = {.ws_row = 24, .ws_col = 80};
	int child_ends[3] = {-1, -1, -1};
	sigset_t mask;

	(void)prctl(PR_SET_NAME, "Relay");
	if (setns(distro->namespaces[elevated], CLONE_NEWNS) < 0)
		_exit(1);
	make_pipes(&relay, child_ends);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &mask, NULL);
	relay.child = forkpty(&relay.master, NULL, NULL, &size);
	if (relay.child < 0)
		_exit(1);
	if (relay.child == 0)
		run_child(&relay, request, child_ends);
	name_relay(relay.child);
	for (int i = 0; i < 3; i++)
		close_fd(&child_ends[i]);
	if (relay.tty)
		relay.input = dup(relay.master);
	(void)fcntl(relay.input, F_SETFL, O_NONBLOCK);
	relay.signals = signalfd(-1, &mask, SFD_CLOEXEC);
	carry(&relay);
	_exit(0);
}

/* ---- the leader ----------------------------------------------------------------------------------------- */

static void reap_quietly(int number)
{
	(void)number;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static _Noreturn void run_leader(struct distro *distro, struct wire *request)
{
	struct sigaction reaper = {.sa_handler = reap_quietly, .sa_flags = SA_RESTART};
	struct pollfd client = {request->fds[CLIENT], POLLRDHUP, 0};

	(void)umask(distro->conf.umask);
	(void)close(CHANNEL_FD);
	groups_join(distro, true);
	(void)setsid();
	(void)prctl(PR_SET_NAME, "SessionLeader");
	(void)sigaction(SIGCHLD, &reaper, NULL);
	if (fork() == 0)
		run_relay(distro, request);
	for (unsigned int i = CLIENT_IN; i < request->fd_count; i++)
		(void)close(request->fds[i]);
	/* Its client, all consoles of the session, is gone: the leader ends, the relay may not have. */
	while (poll(&client, 1, -1) < 0 && errno == EINTR)
		;
	_exit(0);
}

void session_start(struct distro *distro, struct wire *request)
{
	if (request->fd_count != WIRE_FDS)
		return;
	distro->sessions++;
	say(distro->start.name, "session id=%u", distro->sessions);
	if (fork() == 0)
		run_leader(distro, request);
}
