/* SPDX-License-Identifier: MIT
 *
 * disk_job.c - see disk_job.h. Callers: disk.c, disk_api.c.
 */
#include "agent/disk_job.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "agent/runner.h"
#include "lib/log.h"

/* Reads in one wake-up: a child that writes without end does not keep the agent from its other work. */
#define READS 8

void disk_job_init(struct disk_job *job, struct loop *loop, disk_job_fn *fn, void *ctx)
{
	memset(job, 0, sizeof(*job));
	job->loop = loop;
	job->fn = fn;
	job->ctx = ctx;
	job->exit.fd = job->output.fd = -1;
}

bool disk_job_runs(const struct disk_job *job)
{
	return job->pid != 0;
}

/* ---- what the child says ------------------------------------------------------------------------ */

static void tell(struct disk_job *job, const struct job_line *line, const char *text, size_t len)
{
	for (struct disk_job_listener *listener = job->listeners; listener;
		listener = listener->next)
		listener->fn(listener->ctx, line, text, len);
	if (line->kind != JOB_LINE_PROGRESS)
		job->listeners = NULL;
	if (job->fn)
		job->fn(job->ctx, line, text, len);
}

static void take_line(struct disk_job *job, const char *text, size_t len)
{
	struct job_line line;

	if (job_line_parse(text, len, &line) < 0) {
		log_warning("keel-disk %s: a line that is not understood",
			disk_verb_name(job->request.verb));
		return;
	}
	if (line.kind != JOB_LINE_PROGRESS) {
		/* Told when the child has ended: then the next job can begin. */
		memcpy(job->answer, text, len);
		job->answer_len = len;
		return;
	}
	job->facts.percent = line.percent;
	memcpy(job->facts.step, line.step, sizeof(job->facts.step));
	tell(job, &line, text, len);
}

/* Takes the whole lines out of the buffer. One that does not fit is dropped to its end. */
static void take_lines(struct disk_job *job)
{
	char *start = job->line, *newline;

	while ((newline = memchr(start, '\n', job->len))) {
		if (!job->skipping && newline > start)
			take_line(job, start, (size_t)(newline - start));
		job->skipping = false;
		job->len -= (size_t)(newline - start) + 1;
		start = newline + 1;
	}
	memmove(job->line, start, job->len);
	if (job->len < sizeof(job->line))
		return;
	job->skipping = true;
	job->len = 0;
}

/* False: there is no more for now, or ever. */
static bool read_output(struct disk_job *job)
{
	ssize_t n = read(job->output.fd, job->line + job->len, sizeof(job->line) - job->len);

	if (n > 0) {
		job->len += (size_t)n;
		take_lines(job);
	} else if (n == 0) {
		int fd = job->output.fd;

		loop_remove(job->loop, &job->output);
		close_p(&fd);
	}
	return n > 0 || (n < 0 && errno == EINTR);
}

static void on_job_output(struct loop_source *source, uint32_t events)
{
	struct disk_job *job = source->ctx;

	(void)events;
	for (int i = 0; i < READS && read_output(job); i++)
		;
}

/* ---- its end ------------------------------------------------------------------------------------ */

static void close_source(struct disk_job *job, struct loop_source *source)
{
	int fd = source->fd;

	loop_remove(job->loop, source);
	close_p(&fd);
}

/* The answer of a child that gave none. */
static void make_answer(struct disk_job *job, int status)
{
	const char *how =
		WIFEXITED(status) ? "ended without an answer, status" : "was killed by signal";

	job->answer_len = (size_t)snprintf(job->answer, sizeof(job->answer),
		"{\"error\":{\"code\":\"failed\",\"message\":\"keel-disk %s %s %d; "
		"see keelctl logs keel-agent\"}}",
		disk_verb_name(job->request.verb), how,
		WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

static void on_job_exit(struct loop_source *source, uint32_t events)
{
	struct disk_job *job = source->ctx;
	struct job_line line;
	uint64_t cpu_us;
	int status = 0;

	(void)events;
	if (runner_wait(job->pid, &status, &cpu_us) == -EAGAIN)
		return;
	/* What it wrote before it ended is in the pipe, and no more: its own children may hold it open. */
	for (int i = 0; i < READS && job->output.fd >= 0 && read_output(job); i++)
		;
	close_source(job, &job->exit);
	if (job->output.fd >= 0)
		close_source(job, &job->output);
	if (job->answer_len == 0 || job_line_parse(job->answer, job->answer_len, &line) < 0) {
		make_answer(job, status);
		(void)!job_line_parse(job->answer, job->answer_len, &line);
	}
	job->pid = 0;
	job->facts = (struct disk_job_facts){.percent = -1};
	tell(job, &line, job->answer, job->answer_len);
}

/* ---- its start ---------------------------------------------------------------------------------- */

/* Both sources, or none. */
static int watch(struct disk_job *job, int pid_fd, int output_fd)
{
	int rc;

	rc = loop_add(job->loop, &job->output, output_fd, EPOLLIN, on_job_output, job);
	if (rc < 0)
		return rc;
	rc = loop_add(job->loop, &job->exit, pid_fd, EPOLLIN, on_job_exit, job);
	if (rc < 0)
		loop_remove(job->loop, &job->output);
	return rc;
}

int disk_job_start(struct disk_job *job, const struct disk_request *request)
{
	_cleanup_close_ int read_fd = -1, write_fd = -1;
	struct runner_child child;
	int fds[2], rc;

	if (disk_job_runs(job))
		return -EBUSY;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	read_fd = fds[0];
	write_fd = fds[1];
	if (fcntl(read_fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	job->request = *request;
	job->len = job->answer_len = 0;
	job->skipping = false;
	rc = runner_run_disk(request, write_fd, &child);
	if (rc < 0)
		return rc;
	rc = watch(job, child.pid_fd, read_fd);
	if (rc < 0) {
		runner_abandon(child.pid);
		close_p(&child.pid_fd);
		return rc;
	}
	(void)TAKE_FD(read_fd);
	job->pid = child.pid;
	job->facts = (struct disk_job_facts){.percent = -1};
	(void)snprintf(job->facts.verb, sizeof(job->facts.verb), "%s",
		disk_verb_name(request->verb));
	return 0;
}

void disk_job_listen(struct disk_job *job, struct disk_job_listener *listener)
{
	listener->next = job->listeners;
	job->listeners = listener;
}

void disk_job_ignore(struct disk_job *job, struct disk_job_listener *listener)
{
	for (struct disk_job_listener **link = &job->listeners; *link; link = &(*link)->next) {
		if (*link != listener)
			continue;
		*link = listener->next;
		return;
	}
}

void disk_job_interrupt(struct disk_job *job)
{
	if (disk_job_runs(job) && job->request.verb == DISK_VERB_TRIM)
		(void)runner_signal(job->pid, SIGTERM);
}

void disk_job_stop(struct disk_job *job)
{
	if (!disk_job_runs(job))
		return;
	close_source(job, &job->exit);
	if (job->output.fd >= 0)
		close_source(job, &job->output);
	job->pid = 0;
}
