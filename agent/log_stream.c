/* SPDX-License-Identifier: MIT
 *
 * log_stream.c - see log_stream.h. Caller: api.c.
 */
#include "agent/log_stream.h"

#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include "agent/common/log_reader.h"
#include "lib/clock.h"
#include "lib/log_files.h"

/* A log that grows by the line is sent in pieces. */
#define PACE_US (20 * USEC_PER_MSEC)

struct log_stream {
	struct log_streams *streams;
	bool follow;
	uint64_t since_us;
	int dir_fd;
	struct log_reader reader;
	size_t held; /* length of a line that did not fit the last piece */
	char line[LOG_LINE_MAX];
};

/* ---- the watch ----------------------------------------------------------------------------- */

static void on_pace(struct loop_timer *timer)
{
	struct log_streams *streams = timer->ctx;

	if (streams->watch.fd >= 0)
		(void)!loop_modify(streams->loop, &streams->watch, EPOLLIN);
	http_server_wake(streams->server);
}

static void on_growth(struct loop_source *source, uint32_t events)
{
	static _Alignas(struct inotify_event) char buffer[16 * 1024];
	struct log_streams *streams = source->ctx;

	(void)events;
	/* Which log it was does not matter: each stream looks at its own. */
	(void)!read(source->fd, buffer, sizeof(buffer));
	if (loop_modify(streams->loop, source, 0) == 0)
		loop_timer_set(streams->loop, &streams->pace, clock_now_us() + PACE_US, on_pace,
			streams);
}

static int watch(struct log_streams *streams)
{
	const char *path = getenv("KEEL_LOG_DIR");
	int fd, rc;

	if (streams->followers > 0)
		return 0;
	fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (inotify_add_watch(fd, path ? path : LOG_DIR, IN_MODIFY | IN_MOVED_TO) < 0)
		rc = -errno;
	else
		rc = loop_add(streams->loop, &streams->watch, fd, EPOLLIN, on_growth, streams);
	if (rc < 0)
		close_p(&fd);
	return rc;
}

static void unwatch(struct log_streams *streams)
{
	int fd = streams->watch.fd;

	if (--streams->followers > 0)
		return;
	loop_timer_cancel(streams->loop, &streams->pace);
	loop_remove(streams->loop, &streams->watch);
	close_p(&fd);
}

/* ---- one stream ---------------------------------------------------------------------------- */

static void close_stream(void *ctx)
{
	struct log_stream *stream = ctx;

	if (stream->follow)
		unwatch(stream->streams);
	log_reader_close(&stream->reader);
	close_p(&stream->dir_fd);
	free(stream);
}

/* The next line in its stored form. Its length, 0 for none now, -errno. */
static ssize_t next_line(struct log_stream *stream)
{
	struct log_line line;
	size_t len;
	int rc;

	do
		rc = log_reader_next(&stream->reader, &line);
	while (rc > 0 && line.boot_us < stream->since_us);
	if (rc <= 0)
		return rc;
	len = log_line_stamp(stream->line, line.wall_us, line.boot_us);
	/* The store's lines are within bounds; a file that somebody else made need not be. */
	if (line.len > sizeof(stream->line) - len - 1)
		line.len = sizeof(stream->line) - len - 1;
	memcpy(stream->line + len, line.text, line.len);
	len += line.len;
	stream->line[len++] = '\n';
	return (ssize_t)len;
}

static ssize_t read_stream(void *ctx, char *buffer, size_t size)
{
	struct log_stream *stream = ctx;
	size_t len = 0;

	for (;;) {
		ssize_t n = stream->held ? (ssize_t)stream->held : next_line(stream);

		stream->held = 0;
		if (n < 0)
			return len > 0 ? (ssize_t)len : n;
		if (n == 0)
			return len > 0 || stream->follow ? (ssize_t)len : -ENODATA;
		if ((size_t)n > size - len) {
			stream->held = (size_t)n;
			return (ssize_t)len;
		}
		memcpy(buffer + len, stream->line, (size_t)n);
		len += (size_t)n;
	}
}

static const struct http_stream ops = {.read = read_stream, .close = close_stream};

static int open_stream(struct log_streams *streams, const struct log_query *query,
	struct log_stream **result)
{
	struct log_stream *stream = calloc(1, sizeof(*stream));
	int rc;

	if (!stream)
		return -ENOMEM;
	stream->streams = streams;
	stream->since_us = query->since_us;
	stream->reader.fd = -1;
	stream->dir_fd = log_reader_open_directory();
	rc = stream->dir_fd < 0 ? stream->dir_fd
				: log_reader_open(&stream->reader, stream->dir_fd, query->name);
	if (rc == 0 && query->lines != LOG_QUERY_LINES_ALL)
		log_reader_seek_tail(&stream->reader, query->lines);
	if (rc == 0 && query->follow) {
		rc = watch(streams);
		stream->follow = rc == 0;
		streams->followers += rc == 0;
	}
	if (rc < 0)
		close_stream(stream);
	else
		*result = stream;
	return rc;
}

void log_streams_init(struct log_streams *streams, struct loop *loop, struct http_server *server)
{
	*streams = (struct log_streams){.loop = loop, .server = server, .watch.fd = -1};
}

void log_streams_answer(struct log_streams *streams, const struct log_query *query,
	struct http_response *response)
{
	struct log_stream *stream = NULL;
	int rc = open_stream(streams, query, &stream);

	if (rc == -ENOENT)
		http_response_problem(response, 404, "no_log",
			"no such service, or it has not written anything yet");
	else if (rc < 0)
		http_response_problem(response, 503, "log_unavailable",
			"the log cannot be read now");
	else
		*response = (struct http_response){.status = 200,
			.type = "text/plain; charset=utf-8",
			.stream = &ops,
			.stream_ctx = stream};
}
