/* SPDX-License-Identifier: MIT
 *
 * diagnose.c - keelctl diagnose: the agent's archive of diagnostics into a file. In the guest, when the agent does not
 * answer, the archive is made here, with what PID 1 says.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/common/diagnostics.h"
#include "agent/common/problem.h"
#include "agent/ctl/ctl.h"
#include "lib/file.h"

#define DIAGNOSE_S   120
#define DIAGNOSE_MAX (256ull * 1024 * 1024) /* far more than there can be in one */

struct output {
	int fd;
	const char *path; /* NULL: not made yet, or the standard output */
	char made[80];
	bool progress;
	uint64_t written;
	int status;
	char refusal[PROBLEM_MAX];
	size_t refusal_len;
};

/* An archive that is not whole would mislead: it goes, also when we are interrupted. */
static const char *unfinished;

static void interrupt(int number)
{
	if (unfinished)
		(void)unlink(unfinished);
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

static void watch_interrupts(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (signal(signals[i], interrupt) == SIG_IGN)
			(void)signal(signals[i], SIG_IGN);
}

/* A file that was there is somebody's. 0 or -errno. */
static int make_file(const struct ctl *ctl, struct output *output)
{
	if (output->fd >= 0)
		return 0;
	output->path = ctl->output;
	if (!output->path) {
		diagnostics_file_name(output->made, sizeof(output->made));
		output->path = output->made;
	}
	output->fd = open(output->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (output->fd < 0) {
		output->path = NULL;
		return -errno;
	}
	unfinished = output->path;
	return 0;
}

static int put(struct output *output, const char *data, size_t len)
{
	int rc = len > DIAGNOSE_MAX - output->written ? -EFBIG
						      : file_write_all(output->fd, data, len);

	if (rc < 0)
		return rc;
	output->written += len;
	if (output->progress)
		(void)fprintf(stderr, "\r%llu KiB", (unsigned long long)(output->written / 1024));
	return 0;
}

static int take_piece(void *ctx, int status, const char *data, size_t len)
{
	struct output *output = ctx;
	size_t room = sizeof(output->refusal) - output->refusal_len;

	output->status = status;
	if (status == 200)
		return put(output, data, len);
	if (len > room)
		len = room;
	memcpy(output->refusal + output->refusal_len, data, len);
	output->refusal_len += len;
	return 0;
}

/* ---- without the agent ------------------------------------------------------------------------ */

static char *health; /* what PID 1 says */

static const char *write_health(void *ctx, size_t *len)
{
	(void)ctx;
	*len = health ? strlen(health) : 0;
	return health;
}

/* 0 or -errno of the output. */
static int collect_here(const struct ctl *ctl, struct output *output)
{
	static const struct diagnostics_source source = {
		.documents = {{"health.json", write_health}}};
	static char piece[16 * 1024];
	struct http_answer answer = {0};
	struct diagnostics *diagnostics;
	int agent_error, rc = ctl_ask_health(ctl, 1000, &answer, &agent_error);
	ssize_t n;

	health = rc == 0 ? answer.body : NULL;
	rc = diagnostics_open(&source, &diagnostics);
	while (rc == 0 && (n = diagnostics_read(diagnostics, piece, sizeof(piece))) != -ENODATA)
		rc = n > 0 ? put(output, piece, (size_t)n) : 0;
	if (rc != -ENOMEM)
		diagnostics_close(diagnostics);
	health = NULL;
	free(answer.body);
	return rc;
}

/* ---- the verb --------------------------------------------------------------------------------- */

static int tell(const struct output *output)
{
	if (output->progress)
		(void)fputc('\r', stderr);
	(void)fprintf(stderr,
		"%s: health, logs, kernel log, configuration, control groups, memory, disks, network, processes (%llu KiB).\n"
		"Known secrets were removed; MANIFEST.txt in it says what it has and what it lacks. Look before you pass it on.\n",
		output->path ? output->path : "written",
		(unsigned long long)(output->written / 1024));
	return CTL_EXIT_OK;
}

int ctl_diagnose(const struct ctl *ctl)
{
	const struct address address = ctl_api_address(ctl);
	struct output output = {.fd = -1, .progress = isatty(STDERR_FILENO)};
	unsigned int limit_ms = (ctl->timeout_s ? ctl->timeout_s : DIAGNOSE_S) * 1000;
	int rc;

	if (ctl->output && strcmp(ctl->output, "-") == 0) {
		if (isatty(STDOUT_FILENO))
			return ctl_usage(ctl, "a tar archive is nothing for a terminal");
		output.fd = STDOUT_FILENO;
	}
	watch_interrupts();
	rc = make_file(ctl, &output);
	if (rc < 0)
		return ctl_fail(ctl, "%s: %s", ctl->output ? ctl->output : output.made,
			strerror(-rc));
	rc = http_client_stream(&address, "GET", "/v1/diagnostics", NULL, limit_ms,
		HTTP_CLIENT_WHOLE, output.fd, take_piece, &output);
	if (rc == -EPIPE) /* who reads our output has gone: nobody to tell */
		return CTL_EXIT_NO;
	if (rc < 0 && output.status == 0 && ctl->vm.kind == ADDRESS_NONE) {
		(void)fprintf(stderr, "keelctl: keel-agent does not answer (%s); collecting here\n",
			strerror(-rc));
		output.status = 200;
		rc = collect_here(ctl, &output);
	}
	if (rc == 0 && output.status == 200) {
		unfinished = NULL;
		return tell(&output);
	}
	if (unfinished)
		(void)unlink(unfinished);
	if (rc < 0 && output.status == 0)
		return ctl_unreachable(ctl, rc);
	if (output.status != 200)
		return ctl_refused(ctl, output.status, output.refusal, output.refusal_len);
	return ctl_fail(ctl, "the archive broke off: %s", strerror(-rc));
}
