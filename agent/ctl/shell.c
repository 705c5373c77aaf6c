/* SPDX-License-Identifier: MIT
 *
 * shell.c - keelctl shell: a session of POST /v1/exec on this terminal, or on stdin, stdout and stderr as they are.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <yyjson.h>

#include "agent/common/exec_frame.h"
#include "agent/common/transport.h"
#include "agent/ctl/ctl.h"
#include "agent/ctl/http_client.h"
#include "lib/clock.h"
#include "lib/file.h"

#define SHELL_EXIT 255 /* there was no session, or it broke off */
/* A guest that has not taken a signal for so long does not: the next one is for us. */
#define UNHEARD_US USEC_PER_SEC

struct shell {
	int fd, signal_fd;
	bool tty, input_open;
	bool input_waits;    /* for the guest to say that the last of it was taken */
	uint64_t unheard_us; /* since when a signal that ends is not taken, 0: it is */
	bool resized;        /* the guest is to be told */
	bool stale;          /* what it shows is no longer on the terminal */
	int code;            /* -1: goes on */
	size_t in_len, out_start, out_len;
	unsigned char in[EXEC_FRAME_MAX]; /* from the guest */
	/* A frame on its way there, and two small ones behind it. */
	unsigned char out[EXEC_FRAME_MAX + 2 * EXEC_SMALL_MAX];
};

/* ---- the terminal here ------------------------------------------------------------------------ */

static struct termios saved, raw;
static bool is_raw;

/* In the background the kernel stops who sets a terminal's modes, whatever signals wait to be read. */
static bool in_background(void)
{
	pid_t group = tcgetpgrp(STDIN_FILENO);

	return group > 0 && group != getpgrp();
}

static void restore_terminal(void)
{
	if (is_raw && !in_background())
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	is_raw = false;
}

static void set_raw(void)
{
	is_raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

static void make_raw(void)
{
	if (tcgetattr(STDIN_FILENO, &saved) < 0)
		return;
	raw = saved;
	cfmakeraw(&raw);
	(void)atexit(restore_terminal);
	set_raw();
}

static struct winsize terminal_size(void)
{
	struct winsize size = {0};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0)
		size = (struct winsize){.ws_row = 24, .ws_col = 80};
	return size;
}

/* Signals are read, so that the terminal is put back whatever ends or stops us. */
static int watch_signals(bool tty)
{
	static const int signals[] = {
		SIGWINCH, SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT};
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (tty || (signals[i] != SIGTSTP && signals[i] != SIGCONT))
			(void)sigaddset(&set, signals[i]);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* ---- the request ------------------------------------------------------------------------------ */

/* To be freed. */
static char *make_body(const struct ctl *ctl, bool tty)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = yyjson_mut_obj(doc), *argv;
	const struct winsize size = terminal_size();
	const char *term = getenv("TERM");
	char *text;

	yyjson_mut_doc_set_root(doc, root);
	(void)yyjson_mut_obj_add_bool(doc, root, "tty", tty);
	if (tty) {
		(void)yyjson_mut_obj_add_uint(doc, root, "rows", size.ws_row);
		(void)yyjson_mut_obj_add_uint(doc, root, "cols", size.ws_col);
	}
	if (tty && term && term[0])
		(void)yyjson_mut_obj_add_str(doc, root, "term", term);
	argv = ctl->argc > 0 ? yyjson_mut_obj_add_arr(doc, root, "argv") : NULL;
	for (int i = 0; i < ctl->argc; i++)
		(void)yyjson_mut_arr_add_str(doc, argv, ctl->argv[i]);
	text = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, NULL);
	yyjson_mut_doc_free(doc);
	return text;
}

/* Waits for the descriptor until the deadline. 0 or -errno. */
static int await(int fd, short events, uint64_t end_us)
{
	struct pollfd wait = {.fd = fd, .events = events};
	uint64_t now_us = clock_now_us();
	int n = now_us < end_us ? poll(&wait, 1, (int)((end_us - now_us) / USEC_PER_MSEC) + 1) : 0;

	return n > 0 || (n < 0 && errno == EINTR) ? 0 : n < 0 ? -errno : -ETIMEDOUT;
}

static int send_request(int fd, const char *text, size_t len, uint64_t end_us)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
		int rc;

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		rc = n < 0 ? await(fd, POLLOUT, end_us) : 0;
		if (rc < 0)
			return rc;
		text += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* The answer: 0 when the protocol was changed (what came behind the header is in `in`), 1 when it was refused with `answer`,
 * or -errno. */
static int receive_answer(struct shell *shell, uint64_t end_us, struct http_answer *answer)
{
	static char text[64 * 1024];
	size_t len = 0;

	for (;;) {
		ssize_t n = recv(shell->fd, text + len, sizeof(text) - 1 - len, 0);
		const char *end, *body;
		int rc;

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n < 0) {
			rc = await(shell->fd, POLLIN, end_us);
			if (rc < 0)
				return rc;
			continue;
		}
		len += (size_t)n;
		text[len] = '\0';
		end = strstr(text, "\r\n\r\n");
		if (end && strncmp(text, "HTTP/1.1 101 ", strlen("HTTP/1.1 101 ")) == 0) {
			shell->in_len = len - (size_t)(end + 4 - text);
			if (shell->in_len > sizeof(shell->in))
				return -EPROTO;
			memcpy(shell->in, end + 4, shell->in_len);
			return 0;
		}
		rc = http_client_parse(text, len, n == 0, &answer->status, &body,
			&answer->body_len);
		if (rc == 0) {
			answer->body = (char *)(uintptr_t)body;
			return 1;
		}
		if (rc != -EAGAIN || n == 0 || len == sizeof(text) - 1)
			return rc == -EAGAIN ? -EPROTO : rc;
	}
}

static int open_session(const struct ctl *ctl, struct shell *shell, struct http_answer *answer)
{
	const struct address address = ctl_api_address(ctl);
	uint64_t end_us = clock_now_us() + ctl_timeout_ms(ctl) * USEC_PER_MSEC;
	_cleanup_free_ char *body = make_body(ctl, shell->tty);
	_cleanup_free_ char *request = NULL;
	int len, rc;

	if (!body)
		return -ENOMEM;
	len = asprintf(&request,
		"POST /v1/exec HTTP/1.1\r\nHost: keel\r\nUser-Agent: keelctl\r\nConnection: Upgrade\r\n"
		"Upgrade: " EXEC_PROTOCOL
		"\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		strlen(body), body);
	if (len < 0)
		return -ENOMEM;
	rc = transport_connect(&address, ctl_timeout_ms(ctl), &shell->fd);
	if (rc == 0)
		rc = send_request(shell->fd, request, (size_t)len, end_us);
	return rc < 0 ? rc : receive_answer(shell, end_us, answer);
}

/* ---- the session ------------------------------------------------------------------------------ */

static bool has_room(const struct shell *shell, size_t frames)
{
	return sizeof(shell->out) - shell->out_start - shell->out_len >= frames * EXEC_SMALL_MAX;
}

/* A small frame, behind the one that is on its way. There is room for two: a signal more before they have gone is dropped. */
static void put_small(struct shell *shell, enum exec_type type, unsigned int first,
	unsigned int second)
{
	if (!has_room(shell, 1))
		return;
	shell->out_len +=
		exec_frame_put(shell->out + shell->out_start + shell->out_len, type, first, second);
}

/* As soon as there is room: the size that it has then. Only another size makes the guest's programs draw again. */
static void put_size(struct shell *shell)
{
	struct winsize size;

	if (!shell->resized || !has_room(shell, 2))
		return;
	size = terminal_size();
	if (shell->stale)
		put_small(shell, EXEC_RESIZE, size.ws_row,
			size.ws_col + (size.ws_col > 1 ? -1 : 1));
	put_small(shell, EXEC_RESIZE, size.ws_row, size.ws_col);
	shell->resized = shell->stale = false;
}

/* Stops, as by the signal itself, with the terminal as it was; comes back when we go on. */
static void stop(void)
{
	sigset_t set;

	restore_terminal();
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTSTP);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	(void)raise(SIGTSTP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
}

/* Others may have used the terminal. */
static void go_on(struct shell *shell)
{
	set_raw();
	shell->resized = shell->stale = true;
}

static void pass_on(struct shell *shell, int number)
{
	uint64_t now_us = clock_now_us();

	if (number == SIGINT || number == SIGQUIT || number == SIGTERM) {
		if (shell->unheard_us == 0) {
			shell->unheard_us = now_us;
		} else if (now_us - shell->unheard_us >= UNHEARD_US) {
			shell->code = 128 + number;
			return;
		}
	}
	put_small(shell, EXEC_SIGNAL, (unsigned int)number, 0);
}

/* Was it stopped, and goes on? */
static bool read_signals(struct shell *shell)
{
	struct signalfd_siginfo info;
	bool stopped = false;

	while (read(shell->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGWINCH) {
			shell->resized = shell->tty;
		} else if (info.ssi_signo == SIGTSTP || info.ssi_signo == SIGCONT) {
			if (info.ssi_signo == SIGTSTP)
				stop();
			stopped = true;
		} else if (info.ssi_signo == SIGHUP || (shell->tty && info.ssi_signo == SIGTERM)) {
			shell->code = 128 + (int)info.ssi_signo;
		} else {
			pass_on(shell, (int)info.ssi_signo);
		}
	}
	return stopped;
}

/* In the background it is stopped again, until it is in front or told to end. Without a shell that could go on with it the kernel
 * does not stop it: then no SIGCONT has come. */
static void take_signals(struct shell *shell)
{
	bool stopped = read_signals(shell);

	while (stopped && shell->code < 0 && in_background()) {
		(void)raise(SIGTTOU);
		stopped = read_signals(shell);
	}
	if (stopped && shell->code < 0)
		go_on(shell);
}

/* What is typed, or piped in. Only when nothing is on its way and all before it was taken: signals would wait behind it. */
static void take_input(struct shell *shell)
{
	ssize_t n = read(STDIN_FILENO, shell->out + EXEC_FRAME_HEADER, EXEC_PAYLOAD_MAX);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		shell->input_open = false;
		put_small(shell, EXEC_STDIN_END, 0, 0);
		return;
	}
	shell->input_waits = true;
	exec_frame_put_header(shell->out, EXEC_STDIN, (size_t)n);
	shell->out_len = EXEC_FRAME_HEADER + (size_t)n;
}

static int flush_out(struct shell *shell)
{
	while (shell->out_len > 0) {
		ssize_t n = send(shell->fd, shell->out + shell->out_start, shell->out_len,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		shell->out_start += (size_t)n;
		shell->out_len -= (size_t)n;
	}
	shell->out_start = 0;
	return 0;
}

/* In pieces that a pipe takes whole, so that signals are heard while nobody reads. 0 or -errno. */
static int write_out(struct shell *shell, int fd, const unsigned char *data, size_t len)
{
	while (len > 0 && shell->code < 0) {
		struct pollfd wait[] = {
			{.fd = shell->signal_fd, .events = POLLIN}, {.fd = fd, .events = POLLOUT}};
		size_t piece = len < PIPE_BUF ? len : PIPE_BUF;
		int rc;

		if (poll(wait, ARRAY_SIZE(wait), -1) < 0 && errno != EINTR)
			return -errno;
		if (wait[0].revents)
			take_signals(shell);
		rc = wait[0].revents ? flush_out(shell) : 0;
		if (rc == 0 && wait[1].revents) {
			rc = file_write_all(fd, data, piece);
			data += piece;
			len -= piece;
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* 0, or -errno: the session is over without its end. */
static int take_frames(struct shell *shell)
{
	struct exec_frame frame;
	size_t used;
	int rc;

	while ((rc = exec_frame_parse(shell->in, shell->in_len, false, &frame, &used)) == 0) {
		if (frame.type == EXEC_EXIT)
			shell->code = frame.killed ? 128 + (int)frame.number : (int)frame.number;
		else if (frame.type == EXEC_TAKEN && frame.number == EXEC_STDIN)
			shell->input_waits = false;
		else if (frame.type == EXEC_TAKEN)
			shell->unheard_us = 0;
		else
			rc = write_out(shell,
				frame.type == EXEC_STDERR ? STDERR_FILENO : STDOUT_FILENO,
				frame.payload, frame.len);
		if (rc < 0 || shell->code >= 0)
			return rc;
		memmove(shell->in, shell->in + used, shell->in_len - used);
		shell->in_len -= used;
	}
	return rc == -EAGAIN ? 0 : rc;
}

static int receive(struct shell *shell)
{
	ssize_t n = recv(shell->fd, shell->in + shell->in_len, sizeof(shell->in) - shell->in_len,
		MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return n < 0 ? -errno : -ECONNRESET;
	shell->in_len += (size_t)n;
	return take_frames(shell);
}

/* Until the command has ended. 0 or -errno. */
static int run_session(struct shell *shell)
{
	int rc = take_frames(shell);

	/* It may have become another while the guest was asked. */
	shell->resized = shell->tty;
	put_size(shell);
	while (rc == 0 && shell->code < 0) {
		struct pollfd wait[] = {
			{.fd = shell->fd,
				.events = (short)(POLLIN | (shell->out_len > 0 ? POLLOUT : 0))},
			{.fd = shell->signal_fd, .events = POLLIN},
			{.fd = shell->input_open && !shell->input_waits && shell->out_len == 0
					? STDIN_FILENO
					: -1,
				.events = POLLIN},
		};

		if (poll(wait, ARRAY_SIZE(wait), -1) < 0) {
			rc = errno == EINTR ? 0 : -errno;
			continue;
		}
		if (wait[2].revents)
			take_input(shell);
		if (wait[1].revents)
			take_signals(shell);
		rc = flush_out(shell);
		put_size(shell);
		if (rc == 0 && (wait[0].revents & (POLLIN | POLLHUP | POLLERR)))
			rc = receive(shell);
	}
	return rc;
}

int ctl_shell(const struct ctl *ctl)
{
	static struct shell shell = {.fd = -1, .input_open = true, .code = -1};
	struct http_answer answer = {0};
	int rc;

	shell.tty = ctl->tty || (!ctl->no_tty && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO));
	rc = open_session(ctl, &shell, &answer);
	if (rc < 0)
		(void)ctl_unreachable(ctl, rc);
	if (rc > 0)
		(void)ctl_refused(ctl, answer.status, answer.body, answer.body_len);
	if (rc != 0)
		return SHELL_EXIT;
	shell.signal_fd = watch_signals(shell.tty);
	if (shell.signal_fd < 0) {
		(void)ctl_fail(ctl, "signalfd: %s", strerror(errno));
		return SHELL_EXIT;
	}
	if (shell.tty)
		make_raw();
	rc = run_session(&shell);
	restore_terminal();
	close_p(&shell.fd);
	if (rc == 0)
		return shell.code;
	if (rc != -EPIPE) /* who reads our output has gone: no fault */
		(void)ctl_fail(ctl, "the session broke off: %s", strerror(-rc));
	return SHELL_EXIT;
}
