/* SPDX-License-Identifier: MIT
 *
 * runner.c - the agent's side: the fork, and one call after the other. See runner.h.
 */
#include "agent/runner.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "agent/runner_frame.h"
#include "agent/runner_job.h"
#include "lib/log.h"

static struct {
	int fd; /* 0: none was started */
	pid_t pid;
	struct loop_source source;
	runner_end_fn *fn;
	void *ctx;
} runner;

/* ---- its life ------------------------------------------------------------------------------------ */

void runner_use(const struct runner_options *options)
{
	runner_job_options = *options;
}

/* In the child: what it inherited is the socket, the two directories and its log. */
static _Noreturn void become_runner(int fd)
{
	sigset_t stop;

	(void)prctl(PR_SET_NAME, "agent-runner");
	/* The agent is told to stop, and takes it along. */
	(void)sigemptyset(&stop);
	(void)sigaddset(&stop, SIGTERM);
	(void)sigaddset(&stop, SIGINT);
	(void)sigaddset(&stop, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &stop, NULL);
	runner_serve_loop(fd);
}

int runner_start(const struct runner_options *options)
{
	int pair[2];
	pid_t pid;

	runner_use(options);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		close_p(&pair[0]);
		become_runner(pair[1]);
	}
	close_p(&pair[1]);
	if (pid < 0) {
		close_p(&pair[0]);
		return -errno;
	}
	runner.fd = pair[0];
	runner.pid = pid;
	return 0;
}

static void on_end(struct loop_source *source, uint32_t events)
{
	(void)source;
	if (!(events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
		return;
	log_error("the runner has ended");
	runner.fn(runner.ctx);
}

int runner_watch(struct loop *loop, runner_end_fn *fn, void *ctx)
{
	runner.fn = fn;
	runner.ctx = ctx;
	return loop_add(loop, &runner.source, runner.fd, EPOLLRDHUP, on_end, NULL);
}

void runner_stop(struct loop *loop)
{
	if (runner.pid == 0)
		return;
	loop_remove(loop, &runner.source);
	close_p(&runner.fd);
	runner.fd = 0;
	runner.pid = 0;
}

pid_t runner_pid(void)
{
	return runner.pid;
}

/* ---- a call -------------------------------------------------------------------------------------- */

/* Descriptors of an answer that do not fit would be lost, and the child that they are of with them: rather no call. A process of
 * one thread: what is free now is so when the answer comes. */
static bool has_room(const struct runner_request *request)
{
	int fds[RUNNER_ANSWER_FDS];
	bool room = true;

	if (request->verb == RUNNER_WAIT || request->verb == RUNNER_SIGNAL ||
		request->verb == RUNNER_ABANDON || request->verb == RUNNER_LOOK)
		return true;
	for (size_t i = 0; i < RUNNER_ANSWER_FDS; i++) {
		fds[i] = fcntl(runner.fd, F_DUPFD_CLOEXEC, 0);
		room = room && fds[i] >= 0;
	}
	for (size_t i = 0; i < RUNNER_ANSWER_FDS; i++)
		close_p(&fds[i]);
	return room;
}

/* An answer that does not come in time would be taken for the next one's: then there is no runner any more. */
static int exchange(const struct runner_request *request, const int *fds, size_t count,
	struct runner_answer *answer, int answer_fds[RUNNER_FDS], size_t *answer_count)
{
	struct pollfd ready = {.fd = runner.fd, .events = POLLIN};
	int rc = runner_frame_send(runner.fd, request, sizeof(*request), fds, count);

	if (rc == 0 && poll(&ready, 1, RUNNER_TIMEOUT_MS) <= 0)
		rc = -ETIMEDOUT;
	if (rc == 0)
		rc = runner_frame_receive(runner.fd, answer, sizeof(*answer), answer_fds,
			answer_count);
	if (rc < 0)
		(void)shutdown(runner.fd, SHUT_RDWR);
	return rc;
}

static int call(const struct runner_request *request, const int *fds, size_t count,
	struct runner_answer *answer, int answer_fds[RUNNER_FDS])
{
	size_t answer_count = 0;
	int rc = 0;

	*answer = (struct runner_answer){0};
	for (size_t i = 0; i < RUNNER_FDS; i++)
		answer_fds[i] = -1;
	if (runner.pid != 0 && !has_room(request))
		return -EMFILE;
	if (runner.pid == 0)
		runner_serve(request, fds, count, answer, answer_fds, &answer_count);
	else
		rc = exchange(request, fds, count, answer, answer_fds, &answer_count);
	return rc < 0 ? rc : answer->rc;
}

static int call_for_child(const struct runner_request *request, const int *fds, size_t count,
	struct runner_child *child)
{
	struct runner_answer answer = {0};
	int answer_fds[RUNNER_FDS];
	int rc = call(request, fds, count, &answer, answer_fds);

	if (rc == 0)
		*child = (struct runner_child){
			.pid = answer.pid, .pid_fd = answer_fds[0], .pty_fd = answer_fds[1]};
	return rc;
}

static int copy_path(char to[RUNNER_PATH_MAX], const char *path)
{
	size_t len = path ? strlen(path) : 0;

	if (len >= RUNNER_PATH_MAX)
		return -ENAMETOOLONG;
	if (path)
		memcpy(to, path, len + 1);
	return 0;
}

int runner_run_disk(const struct disk_request *disk, int output_fd, struct runner_child *child)
{
	struct runner_request request = {
		.verb = RUNNER_DISK, .kind = disk->verb, .flag = disk->gentle};

	memcpy(request.path, disk->device, sizeof(disk->device));
	memcpy(request.uuid, disk->uuid, sizeof(disk->uuid));
	return call_for_child(&request, &output_fd, 1, child);
}

int runner_run_step(const struct runner_step_request *step, struct runner_child *child)
{
	struct runner_request request = {.verb = RUNNER_STEP,
		.kind = step->step,
		.flag = step->calm,
		.flag2 = step->no_swap,
		.bytes = step->bytes};

	memcpy(request.path, step->name, sizeof(request.path));
	return call_for_child(&request, NULL, 0, child);
}

int runner_run_session(const struct runner_session_request *session, const int fds[3],
	struct runner_child *child)
{
	struct runner_request request = {.verb = RUNNER_SESSION,
		.flag = session->tty,
		.rows = session->rows,
		.columns = session->columns,
		.words_len = session->words_len};

	memcpy(request.words, session->words, sizeof(request.words));
	return call_for_child(&request, fds, session->tty ? 0 : 3, child);
}

int runner_wait(pid_t pid, int *status, uint64_t *cpu_us)
{
	const struct runner_request request = {.verb = RUNNER_WAIT, .number = (uint32_t)pid};
	struct runner_answer answer = {0};
	int fds[RUNNER_FDS];
	int rc = call(&request, NULL, 0, &answer, fds);

	*status = answer.status;
	*cpu_us = answer.cpu_us;
	return rc;
}

int runner_signal(pid_t pid, int signal)
{
	const struct runner_request request = {
		.verb = RUNNER_SIGNAL, .number = (uint32_t)pid, .signal = (uint32_t)signal};
	struct runner_answer answer = {0};
	int fds[RUNNER_FDS];

	return call(&request, NULL, 0, &answer, fds);
}

void runner_abandon(pid_t pid)
{
	const struct runner_request request = {.verb = RUNNER_ABANDON, .number = (uint32_t)pid};
	struct runner_answer answer = {0};
	int fds[RUNNER_FDS];

	(void)!call(&request, NULL, 0, &answer, fds);
}

int runner_hear_end(struct runner_child *child, struct loop *loop, struct loop_source *source,
	loop_io_fn *fn, void *ctx)
{
	int rc = loop_add(loop, source, child->pid_fd, EPOLLIN, fn, ctx);

	if (rc < 0) {
		runner_abandon(child->pid);
		close_p(&child->pid_fd);
	}
	return rc;
}

int runner_open(enum runner_file file, unsigned int number, const char *path)
{
	struct runner_request request = {.verb = RUNNER_OPEN, .kind = file, .number = number};
	struct runner_answer answer = {0};
	int fds[RUNNER_FDS] = {-1};
	int rc = copy_path(request.path, path);

	if (rc == 0)
		rc = call(&request, NULL, 0, &answer, fds);
	return rc < 0 ? rc : fds[0];
}

int runner_look_at(const char *path, struct runner_look *look)
{
	struct runner_request request = {.verb = RUNNER_LOOK};
	struct runner_answer answer = {0};
	int fds[RUNNER_FDS];
	int rc = copy_path(request.path, path);

	if (rc == 0)
		rc = call(&request, NULL, 0, &answer, fds);
	*look = answer.look;
	return rc;
}
