/* SPDX-License-Identifier: MIT
 *
 * exec.c - see exec.h. Caller: exec_api.c.
 *
 * Every descriptor is in the loop only while something is wanted of it: a hang-up that nobody can do anything about yet
 * would wake the agent without end.
 */
#include "agent/exec.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "agent/common/farewell.h"
#include "lib/clock.h"
#include "lib/log.h"

/* Frames in one wake-up, so that one session does not keep the agent from its other work. */
#define TURNS 8

static void on_client(struct loop_source *source, uint32_t events);
static void on_input(struct loop_source *source, uint32_t events);
static void on_output(struct loop_source *source, uint32_t events);
static void on_end(struct loop_source *source, uint32_t events);

/* ---- the end ---------------------------------------------------------------------------------- */

static void close_end(struct exec_session *session, struct loop_source *source, int *fd)
{
	loop_remove(session->loop, source);
	close_p(fd);
}

static void close_command_ends(struct exec_session *session)
{
	close_end(session, &session->input, &session->input_fd);
	close_end(session, &session->output, &session->output_fd);
	close_end(session, &session->error, &session->error_fd);
}

static void release(struct exec_session *session)
{
	close_command_ends(session);
	close_end(session, &session->client, &session->client_fd);
	close_end(session, &session->end, &session->pid_fd);
	loop_timer_cancel(session->loop, &session->grace);
	session->used = false;
}

static void on_grace(struct loop_timer *timer)
{
	struct exec_session *session = timer->ctx;

	log_info("the command of a client that is gone does not end: killed");
	(void)runner_signal(session->pid, SIGKILL);
}

/* The client is gone: nobody wants the command any more. */
static void hang_up(struct exec_session *session)
{
	session->gone = true;
	close_end(session, &session->client, &session->client_fd);
	close_command_ends(session); /* the kernel tells a terminal's own processes */
	if (session->pid == 0) {
		release(session);
		return;
	}
	(void)runner_signal(session->pid, SIGHUP);
	(void)runner_signal(session->pid, SIGCONT);
	loop_timer_set(session->loop, &session->grace, clock_now_us() + EXEC_GRACE_S * USEC_PER_SEC,
		on_grace, session);
}

/* All is said: let the client read it before the socket goes. */
static void part(struct exec_session *session)
{
	int fd;

	loop_remove(session->loop, &session->client);
	fd = TAKE_FD(session->client_fd);
	release(session);
	farewell_send(session->loop, fd, NULL, 0);
}

/* ---- what is waited for ----------------------------------------------------------------------- */

/* In the loop with these events, or out of it with none. */
static int want(struct exec_session *session, struct loop_source *source, int fd, uint32_t events,
	loop_io_fn *fn)
{
	if (events == 0 || fd < 0) {
		loop_remove(session->loop, source);
		return 0;
	}
	if (source->fd < 0)
		return loop_add(session->loop, source, fd, events, fn, session);
	return source->events == events ? 0 : loop_modify(session->loop, source, events);
}

/* Is a frame of the client's at the front that the command has not taken all of? */
static bool has_input(const struct exec_session *session)
{
	return session->in_used > 0;
}

static bool has_taken(const struct exec_session *session)
{
	return session->taken_inputs > 0 || session->taken_signals > 0;
}

static void await(struct exec_session *session)
{
	uint32_t client = 0, readable = session->out_len == 0 && !session->said ? EPOLLIN : 0;
	int rc;

	if (session->in_len < sizeof(session->in) && !session->said)
		client |= EPOLLIN;
	if (session->out_len > 0 || has_taken(session))
		client |= EPOLLOUT;
	/* Whatever else is waited for, that the client goes is always heard of. */
	rc = want(session, &session->client, session->client_fd, client | EPOLLRDHUP, on_client);
	if (rc == 0)
		rc = want(session, &session->input, session->input_fd,
			has_input(session) ? EPOLLOUT : 0, on_input);
	if (rc == 0)
		rc = want(session, &session->output, session->output_fd, readable, on_output);
	if (rc == 0)
		rc = want(session, &session->error, session->error_fd, readable, on_output);
	if (rc == 0)
		return;
	log_warning("a session cannot be watched: %s", strerror(-rc));
	hang_up(session);
}

/* ---- to the client ---------------------------------------------------------------------------- */

/* Writes what waits. False: the client is gone. */
static bool flush_out(struct exec_session *session)
{
	while (session->out_len > 0) {
		ssize_t n = send(session->client_fd, session->out + session->out_start,
			session->out_len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0)
			return false;
		session->out_start += (size_t)n;
		session->out_len -= (size_t)n;
	}
	session->out_start = 0;
	return true;
}

/* False: there was nothing to tell. */
static bool say_taken(struct exec_session *session)
{
	while (has_taken(session) && sizeof(session->out) - session->out_len >= EXEC_SMALL_MAX) {
		bool input = session->taken_inputs > 0;

		session->out_len += exec_frame_put(session->out + session->out_len, EXEC_TAKEN,
			input ? EXEC_STDIN : EXEC_SIGNAL, 0);
		session->taken_inputs -= input;
		session->taken_signals -= !input;
	}
	return session->out_len > 0;
}

/* One frame of what the command wrote, if there is something. False: nothing for now, or ever (*fd is closed then). */
static bool take_output(struct exec_session *session, struct loop_source *source, int *fd,
	size_t *left, enum exec_type type)
{
	const size_t most = *left < EXEC_PAYLOAD_MAX ? *left : EXEC_PAYLOAD_MAX;
	ssize_t n;

	if (*fd < 0 || most == 0)
		return false;
	do
		n = read(*fd, session->out + EXEC_FRAME_HEADER, most);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) { /* a terminal that nobody has open any more gives EIO */
		close_end(session, source, fd);
		return false;
	}
	exec_frame_put_header(session->out, type, (size_t)n);
	session->out_len = EXEC_FRAME_HEADER + (size_t)n;
	*left -= session->ended && !session->tty ? (size_t)n : 0;
	return true;
}

/* What is in the pipe now. A terminal needs no such limit: the end of its session ends it (tty_vhangup_session). */
static size_t count_left(const struct exec_session *session, int fd)
{
	int bytes = 0;

	if (session->tty)
		return SIZE_MAX;
	return fd >= 0 && ioctl(fd, FIONREAD, &bytes) == 0 ? (size_t)bytes : 0;
}

/* After its end there is no more than what is there: others may hold its output open, and write to it. */
static void say_end(struct exec_session *session)
{
	bool killed = WIFSIGNALED(session->status);

	session->said = true;
	session->out_len = exec_frame_put(session->out, EXEC_EXIT, killed,
		(unsigned int)(killed ? WTERMSIG(session->status) : WEXITSTATUS(session->status)));
}

/* Moves what the command wrote, as far as the client takes it. False: the session is over. */
static bool pump_output(struct exec_session *session)
{
	for (int i = 0; i < TURNS; i++) {
		if (!flush_out(session)) {
			hang_up(session);
			return false;
		}
		if (session->out_len > 0)
			return true;
		if (session->said) {
			part(session);
			return false;
		}
		if (say_taken(session) ||
			take_output(session, &session->output, &session->output_fd,
				&session->output_left, EXEC_STDOUT) ||
			take_output(session, &session->error, &session->error_fd,
				&session->error_left, EXEC_STDERR))
			continue;
		if (!session->ended)
			return true;
		say_end(session);
	}
	return true;
}

/* ---- from the client -------------------------------------------------------------------------- */

/* Forgets the frame at `at`. */
static void drop_frame(struct exec_session *session, size_t at, size_t used)
{
	memmove(session->in + at, session->in + at + used, session->in_len - at - used);
	session->in_len -= used;
}

/* As much of a STDIN frame as the command takes. False: not all. */
static bool put_input(struct exec_session *session, const struct exec_frame *frame)
{
	if (session->in_used == 0)
		session->in_used = EXEC_FRAME_HEADER;
	while (session->in_used < EXEC_FRAME_HEADER + frame->len && session->input_fd >= 0) {
		ssize_t n = write(session->input_fd, session->in + session->in_used,
			EXEC_FRAME_HEADER + frame->len - session->in_used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0) /* it reads no more: what comes is dropped */
			close_end(session, &session->input, &session->input_fd);
		else
			session->in_used += (size_t)n;
	}
	return true;
}

/* A terminal has no end: what its driver takes for one (VEOF, ^D) is typed. */
static void end_input(struct exec_session *session)
{
	if (session->tty && session->input_fd >= 0)
		(void)!write(session->input_fd, "\004", 1);
	else
		close_end(session, &session->input, &session->input_fd);
}

/* False: the command has not taken all of it yet. */
static bool do_frame(struct exec_session *session, const struct exec_frame *frame)
{
	const struct winsize size = {.ws_row = frame->rows, .ws_col = frame->columns};

	switch (frame->type) {
	case EXEC_STDIN:
		if (!put_input(session, frame))
			return false;
		session->in_used = 0;
		session->taken_inputs++;
		return true;
	case EXEC_STDIN_END:
		end_input(session);
		return true;
	case EXEC_RESIZE:
		if (session->tty && session->output_fd >= 0)
			(void)ioctl(session->output_fd, TIOCSWINSZ, &size);
		return true;
	case EXEC_SIGNAL:
		if (session->pid != 0)
			(void)runner_signal(session->pid, (int)frame->number);
		session->taken_signals++;
		return true;
	case EXEC_STDOUT:
	case EXEC_STDERR:
	case EXEC_EXIT:
	case EXEC_TAKEN:
		break; /* not taken by exec_frame_parse */
	}
	return true;
}

/* Does what the client has said; signals and sizes also when input before them has to wait. False: the session is over, a
 * frame was none. */
static bool pump_input(struct exec_session *session)
{
	struct exec_frame frame;
	size_t used, at = 0;
	int rc;

	while ((rc = exec_frame_parse(session->in + at, session->in_len - at, true, &frame,
			&used)) == 0) {
		bool waits = at > 0 && (frame.type == EXEC_STDIN || frame.type == EXEC_STDIN_END);

		if (waits || !do_frame(session, &frame))
			at += used;
		else
			drop_frame(session, at, used);
	}
	if (rc == -EAGAIN)
		return true;
	log_info("a client of POST /v1/exec does not speak " EXEC_PROTOCOL);
	hang_up(session);
	return false;
}

/* ---- events ----------------------------------------------------------------------------------- */

static void pump(struct exec_session *session)
{
	if (pump_input(session) && pump_output(session))
		await(session);
}

static void on_client(struct loop_source *source, uint32_t events)
{
	struct exec_session *session = source->ctx;
	ssize_t n;

	if (events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) {
		hang_up(session);
		return;
	}
	if ((events & EPOLLIN) && session->in_len < sizeof(session->in)) {
		n = recv(session->client_fd, session->in + session->in_len,
			sizeof(session->in) - session->in_len, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			hang_up(session);
			return;
		}
		session->in_len += n > 0 ? (size_t)n : 0;
	}
	pump(session);
}

static void on_input(struct loop_source *source, uint32_t events)
{
	(void)events;
	pump(source->ctx);
}

static void on_output(struct loop_source *source, uint32_t events)
{
	(void)events;
	pump(source->ctx);
}

static void on_end(struct loop_source *source, uint32_t events)
{
	struct exec_session *session = source->ctx;
	uint64_t cpu_us;
	int rc;

	(void)events;
	if (session->gone) /* what of its group has not ended goes too, while the number is still its own */
		(void)runner_signal(session->pid, SIGKILL);
	rc = runner_wait(session->pid, &session->status, &cpu_us);
	if (rc == -EAGAIN)
		return;
	if (rc < 0)
		session->status = SIGKILL; /* nobody knows how it ended */
	session->pid = 0;
	close_end(session, &session->end, &session->pid_fd);
	if (session->gone) {
		release(session);
		return;
	}
	session->ended = true;
	session->output_left = count_left(session, session->output_fd);
	session->error_left = count_left(session, session->error_fd);
	if (session->client_fd >= 0)
		pump(session);
}

/* ---- the beginning ---------------------------------------------------------------------------- */

void exec_sessions_init(struct exec_sessions *sessions, struct loop *loop)
{
	memset(sessions, 0, sizeof(*sessions));
	sessions->loop = loop;
}

static struct exec_session *find_free(struct exec_sessions *sessions)
{
	for (size_t i = 0; i < EXEC_SESSIONS_MAX; i++)
		if (!sessions->session[i].used)
			return &sessions->session[i];
	return NULL;
}

/* `ours`: the end that does not block. */
static int make_pipe(int *ours, int *theirs, bool read_end)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	*ours = fds[read_end ? 0 : 1];
	*theirs = fds[read_end ? 1 : 0];
	return fcntl(*ours, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int start_on_pipes(struct exec_session *session,
	const struct runner_session_request *request, struct runner_child *child)
{
	int fds[3] = {-1, -1, -1};
	int rc = make_pipe(&session->input_fd, &fds[0], false);

	if (rc == 0)
		rc = make_pipe(&session->output_fd, &fds[1], true);
	if (rc == 0)
		rc = make_pipe(&session->error_fd, &fds[2], true);
	if (rc == 0)
		rc = runner_run_session(request, fds, child);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close_p(&fds[i]);
	return rc;
}

static int start_on_terminal(struct exec_session *session,
	const struct runner_session_request *request, struct runner_child *child)
{
	int rc = runner_run_session(request, NULL, child);

	if (rc < 0)
		return rc;
	session->output_fd = child->pty_fd;
	/* Its own descriptor: epoll watches each for one thing. */
	session->input_fd = fcntl(child->pty_fd, F_DUPFD_CLOEXEC, 3);
	return 0;
}

int exec_session_start(struct exec_sessions *sessions, const struct runner_session_request *request,
	struct exec_session **result)
{
	struct exec_session *session = find_free(sessions);
	struct runner_child child = {.pid_fd = -1, .pty_fd = -1};
	int rc;

	if (!session)
		return -EBUSY;
	memset(session, 0, offsetof(struct exec_session, in));
	session->loop = sessions->loop;
	session->used = true;
	session->output_left = session->error_left = SIZE_MAX;
	session->tty = request->tty;
	session->client_fd = session->input_fd = session->output_fd = session->error_fd =
		session->pid_fd = -1;
	session->client.fd = session->input.fd = session->output.fd = session->error.fd =
		session->end.fd = -1;
	rc = request->tty ? start_on_terminal(session, request, &child)
			  : start_on_pipes(session, request, &child);
	if (rc < 0) {
		release(session);
		return rc;
	}
	rc = runner_hear_end(&child, session->loop, &session->end, on_end, session);
	if (rc < 0) {
		release(session);
		return rc;
	}
	session->pid = child.pid;
	session->pid_fd = child.pid_fd;
	*result = session;
	return 0;
}

void exec_session_take(void *ctx, int fd, const char *early, size_t len)
{
	static const char switching[] =
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " EXEC_PROTOCOL
		"\r\n\r\n";
	struct exec_session *session = ctx;

	session->client_fd = fd;
	memcpy(session->out, switching, sizeof(switching) - 1);
	session->out_len = sizeof(switching) - 1;
	/* More than a frame before the answer to the request: it does not know the protocol. */
	if (len > sizeof(session->in)) {
		hang_up(session);
		return;
	}
	memcpy(session->in, early, len);
	session->in_len = len;
	pump(session);
}

void exec_sessions_close(struct exec_sessions *sessions)
{
	for (size_t i = 0; i < EXEC_SESSIONS_MAX; i++)
		if (sessions->session[i].used)
			release(&sessions->session[i]);
}
