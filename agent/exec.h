/* SPDX-License-Identifier: MIT
 *
 * exec.h - commands that are run for a client of the API, on a terminal of their own or on pipes, and the connections that
 * they are used over (common/exec_frame.h). The processes are the runner's (runner.h), with full rights.
 *
 * Memory is fixed: nothing is read from a command before the client has taken what came before, nor from a client before
 * the command has; a client that sends no more input until it hears that the last was taken gets its signals through
 * whatever the command does. When the connection ends the command gets SIGHUP, and SIGKILL after EXEC_GRACE_S.
 */
#pragma once

#include "agent/common/exec_frame.h"
#include "agent/runner.h"
#include "lib/base.h"
#include "lib/loop.h"

#define EXEC_SESSIONS_MAX 4
#define EXEC_GRACE_S      3
/* Room behind a frame of input that the command does not take, for what must not wait for it. */
#define EXEC_BEHIND_MAX 64

struct exec_session {
	struct loop *loop;
	bool used;
	bool gone;  /* the client is: only the process is waited for */
	bool ended; /* the process is, and `status` known: what it wrote is still to be sent */
	bool said;  /* the exit frame is in `out` */
	bool tty;
	pid_t pid; /* 0: waited for */
	int status;
	/* Dealt with, and the client is to be told. */
	unsigned int taken_inputs, taken_signals;
	struct loop_source client, input, output, error, end;
	int client_fd, input_fd, output_fd, error_fd,
		pid_fd; /* -1: closed; with tty input_fd is a copy of output_fd */
	struct loop_timer grace;
	size_t in_len,
		in_used; /* bytes of the client's; of the first frame those that the command has taken */
	size_t out_start, out_len;
	/* Once it has ended: what is still to come of its pipes, SIZE_MAX of a terminal. */
	size_t output_left, error_left;
	unsigned char in[EXEC_FRAME_MAX + EXEC_BEHIND_MAX];
	unsigned char out[EXEC_FRAME_MAX];
};

struct exec_sessions {
	struct loop *loop;
	struct exec_session session[EXEC_SESSIONS_MAX];
};

void exec_sessions_init(struct exec_sessions *sessions, struct loop *loop);
/* Starts a command. 0 and the session, for exec_session_take; -EBUSY: there are EXEC_SESSIONS_MAX; or what the runner gave. */
int exec_session_start(struct exec_sessions *sessions, const struct runner_session_request *request,
	struct exec_session **session) MUST_CHECK;
/* Takes its client's (non-blocking) connection and what has come on it; says 101. */
void exec_session_take(void *session, int fd, const char *early, size_t len);
/* Leaves all of them; the commands end with the runner. */
void exec_sessions_close(struct exec_sessions *sessions);
