/* SPDX-License-Identifier: MIT
 *
 * logs.c - see logs.h; the verb logs of keelctl. In the guest the files are read, so that it works without the
 * agent; from a host the agent is asked.
 */
#include "agent/ctl/logs.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ctl/ctl.h"
#include "agent/ctl/http_client.h"
#include "agent/ctl/log_merge.h"

/* More is not kept in memory: all lines are shown instead, which is what was meant. */
#define TAIL_MAX 100000

void logs_default_signals(void)
{
	(void)signal(SIGPIPE, SIG_DFL);
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
}

int logs_parse_lines(const char *text, size_t *lines)
{
	unsigned int number;
	char end;

	if (strcmp(text, "all") == 0) {
		*lines = LOGS_ALL;
		return 0;
	}
	if (sscanf(text, "%9u%c", &number, &end) != 1 || text[0] < '0' || text[0] > '9')
		return -EINVAL;
	*lines = number;
	return 0;
}

static bool wanted(const struct logs_request *request, const struct log_line *line)
{
	return line->wall_us >= request->since_us &&
	       (request->until_us == 0 || line->wall_us <= request->until_us);
}

/* What is there now. `tail` NULL: print at once. */
static void show_stored(struct log_merge *merge, const struct logs_request *request,
	struct log_print *print, struct log_tail *tail)
{
	struct log_line line;
	const char *name;

	while (!ferror(print->out) && log_merge_next(merge, &line, &name)) {
		if (!wanted(request, &line))
			continue;
		if (tail)
			log_tail_add(tail, name, &line);
		else
			log_print_line(print, name, &line);
	}
}

static int show_followed(struct log_merge *merge, const struct logs_request *request,
	struct log_print *print)
{
	for (;;) {
		int rc = log_merge_wait(merge, fileno(print->out));

		if (rc < 0)
			return rc;
		show_stored(merge, request, print, NULL);
		if (fflush(print->out) != 0)
			return -EPIPE;
	}
}

static int show(struct log_merge *merge, const struct logs_request *request,
	struct log_print *print)
{
	struct log_tail *tail = NULL;

	if (request->lines <= TAIL_MAX) {
		if (request->since_us == 0 && request->until_us == 0)
			log_merge_seek_tail(merge, request->lines);
		tail = log_tail_new(request->lines);
		if (!tail)
			return -ENOMEM;
	}
	show_stored(merge, request, print, tail);
	if (tail)
		log_tail_print(tail, print);
	if (fflush(print->out) != 0)
		return -EPIPE;
	return request->follow ? show_followed(merge, request, print) : 0;
}

static ssize_t show_to(FILE *out, const struct logs_request *request)
{
	struct log_print print;
	struct log_merge *merge;
	int rc = log_merge_open(request->names, request->count, &merge);

	if (rc < 0)
		return rc;
	log_print_init(&print, out, request->format);
	if (request->count > 0 && log_merge_logs(merge) == 0 &&
		(request->must_exist || !request->follow))
		rc = -ENOENT;
	else
		rc = show(merge, request, &print);
	log_merge_close(merge);
	return rc < 0 ? rc : (ssize_t)print.printed;
}

ssize_t logs_show(const struct logs_request *request)
{
	return show_to(stdout, request);
}

void logs_print_tail(FILE *out, const char *unit, size_t lines)
{
	char name[1][LOG_NAME_MAX];
	const struct logs_request request = {
		.names = name, .count = 1, .lines = lines, .format = LOG_FORMAT_SHORT};

	if (log_name_complete(unit, strlen(unit), name[0]) < 0)
		return;
	(void)fputc('\n', out);
	(void)show_to(out, &request);
}

/* ---- keelctl logs ---------------------------------------------------------------------------- */

static int no_such_log(const struct ctl *ctl, const char *name)
{
	return ctl_fail(ctl,
		"%s: no such service, or it has not written anything yet (keelctl services lists them)",
		name);
}

static int show_here(const struct ctl *ctl, const char (*name)[LOG_NAME_MAX])
{
	const struct logs_request request = {.names = name,
		.count = 1,
		.lines = ctl->lines,
		.follow = ctl->follow,
		.must_exist = true,
		.format = LOG_FORMAT_STORED};
	ssize_t n = logs_show(&request);

	if (n >= 0 || n == -EPIPE)
		return CTL_EXIT_OK;
	return n == -ENOENT ? no_such_log(ctl, *name)
			    : ctl_fail(ctl, "%s: %s", *name, strerror((int)-n));
}

struct remote {
	struct log_print print;
	const char *name;
	int status;
	size_t len;
	char text[LOG_LINE_MAX * 2];
};

static void take_remote_line(struct remote *remote, const char *text, size_t len)
{
	struct log_line line;

	if (log_line_parse(text, len, &line) == 0)
		log_print_line(&remote->print, remote->name, &line);
}

/* An http_client_piece_fn. */
static int take_piece(void *ctx, int status, const char *data, size_t len)
{
	struct remote *remote = ctx;

	remote->status = status;
	if (status != 200) {
		if (len > sizeof(remote->text) - remote->len)
			return -EFBIG;
		memcpy(remote->text + remote->len, data, len);
		remote->len += len;
		return 0;
	}
	while (len > 0) {
		size_t part = sizeof(remote->text) - remote->len;
		char *newline;

		if (part > len)
			part = len;
		memcpy(remote->text + remote->len, data, part);
		remote->len += part;
		data += part;
		len -= part;
		while ((newline = memchr(remote->text, '\n', remote->len))) {
			size_t used = (size_t)(newline - remote->text) + 1;

			take_remote_line(remote, remote->text, used - 1);
			remote->len -= used;
			memmove(remote->text, newline + 1, remote->len);
		}
		if (remote->len == sizeof(remote->text))
			remote->len = 0; /* no log of keel's */
	}
	return fflush(stdout) != 0 ? -EPIPE : 0;
}

static int show_there(const struct ctl *ctl, const char *name)
{
	static struct remote remote;
	const struct address address = ctl_api_address(ctl);
	char path[160], lines[32] = "";
	int rc;

	if (ctl->lines != LOGS_ALL)
		(void)snprintf(lines, sizeof(lines), "&lines=%zu", ctl->lines);
	(void)snprintf(path, sizeof(path), "/v1/logs/%s?follow=%d%s", name, ctl->follow, lines);
	remote.name = name;
	log_print_init(&remote.print, stdout, LOG_FORMAT_STORED);
	rc = http_client_stream(&address, "GET", path, NULL, ctl_timeout_ms(ctl),
		ctl->follow ? HTTP_CLIENT_FOREVER : HTTP_CLIENT_WHOLE, STDOUT_FILENO, take_piece,
		&remote);
	if (rc == -EPIPE)
		return CTL_EXIT_OK;
	if (rc < 0 && remote.status == 0)
		return ctl_unreachable(ctl, rc);
	if (rc < 0)
		return ctl_fail(ctl, "the answer broke off: %s", strerror(-rc));
	if (remote.status == 200)
		return CTL_EXIT_OK;
	return remote.status == 404 ? no_such_log(ctl, name)
				    : ctl_refused(ctl, remote.status, remote.text, remote.len);
}

int ctl_logs(const struct ctl *ctl)
{
	char name[1][LOG_NAME_MAX];

	if (log_name_complete(ctl->argv[0], strlen(ctl->argv[0]), name[0]) < 0)
		return ctl_usage(ctl, "%s: not the name of a service", ctl->argv[0]);
	logs_default_signals();
	if (ctl->vm.kind == ADDRESS_NONE)
		return show_here(ctl, name);
	return show_there(ctl, name[0]);
}
