/* SPDX-License-Identifier: MIT
 *
 * kmsg_reader.c - see kmsg_reader.h. Callers: disk_kmsg.c, memory/oom_watch.c, event_kernel.c.
 */
#include "agent/kmsg_reader.h"

#include "agent/runner.h"
#include "lib/clock.h"

/* the kernel's own limit (PRINTK_MESSAGE_MAX) is 2 KiB, with properties less than that */
#define RECORD_MAX 8192
#define RECORDS    256 /* in one wake-up; then it rests, so that a flood costs others nothing */
#define REST_US    (50 * USEC_PER_MSEC)

static void on_kmsg(struct loop_source *source, uint32_t events);

static void on_rest(struct loop_timer *timer)
{
	struct kmsg_reader *reader = timer->ctx;

	(void)!loop_add(reader->loop, &reader->source, reader->fd, EPOLLIN, on_kmsg, reader);
}

static void on_kmsg(struct loop_source *source, uint32_t events)
{
	struct kmsg_reader *reader = source->ctx;
	static char record[RECORD_MAX];
	int left = RECORDS;

	(void)events;
	while (left > 0) {
		ssize_t n = read(reader->fd, record, sizeof(record));

		if (n < 0 && errno != EINTR && errno != EPIPE) /* EPIPE: records were overwritten */
			break;
		if (n > 0)
			reader->fn(reader->ctx, record, (size_t)n);
		left--;
	}
	if (!reader->loop) /* stopped from inside its function */
		return;
	if (left == 0) { /* EPOLLERR, that records were overwritten, cannot be masked */
		loop_remove(reader->loop, source);
		loop_timer_set(reader->loop, &reader->rest, clock_now_us() + REST_US, on_rest,
			reader);
	}
	reader->fn(reader->ctx, NULL, 0);
}

int kmsg_reader_start(struct kmsg_reader *reader, struct loop *loop, kmsg_reader_fn *fn, void *ctx)
{
	_cleanup_close_ int fd = runner_open(RUNNER_FILE_KMSG, 0, NULL);
	int rc;

	if (fd < 0)
		return fd;
	*reader = (struct kmsg_reader){.loop = loop, .fd = fd, .fn = fn, .ctx = ctx};
	rc = loop_add(loop, &reader->source, fd, EPOLLIN, on_kmsg, reader);
	if (rc == 0)
		(void)TAKE_FD(fd);
	else
		reader->loop = NULL;
	return rc;
}

void kmsg_reader_stop(struct kmsg_reader *reader)
{
	if (!reader->loop)
		return;
	loop_timer_cancel(reader->loop, &reader->rest);
	loop_remove(reader->loop, &reader->source);
	close_p(&reader->fd);
	reader->loop = NULL;
}
