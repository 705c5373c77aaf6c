/* SPDX-License-Identifier: MIT
 *
 * disk_kmsg.c - what the kernel's log says about the data disk. Part of disk_watch.h.
 *
 * The log is read from its beginning, so that a restart of the agent forgets nothing: what was said before the
 * present mount is undone by the kernel's own line about it.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "agent/common/kernel_message.h"
#include "agent/disk_watch.h"
#include "lib/clock.h"
#include "lib/log.h"

/* the kernel's own limit (PRINTK_MESSAGE_MAX) is 2 KiB, with properties less than that */
#define RECORD_MAX 8192
#define RECORDS    256 /* in one wake-up; then it rests, so that a flood costs others nothing */
#define REST_US    (50 * USEC_PER_MSEC)

static void note_io_error(struct disk_watch *watch)
{
	struct disk_errors *errors = &watch->seen->errors;

	if (errors->io_count++ == 0)
		log_error("%s: the kernel reports I/O errors of the data disk",
			watch->seen->kernel);
	errors->io_at = (uint64_t)time(NULL);
}

/* True if a fact has changed. */
static bool take_record(struct disk_watch *watch, const char *record, size_t len)
{
	struct disk_seen *seen = watch->seen;

	switch (kernel_message_judge(record, len, seen->kernel, watch->disk)) {
	case KERNEL_MESSAGE_OTHER:
		return false;
	case KERNEL_MESSAGE_MOUNTED:
		seen->errors.io_count = seen->errors.io_at = 0;
		return true;
	case KERNEL_MESSAGE_IO_ERROR:
		note_io_error(watch);
		return true;
	case KERNEL_MESSAGE_FS_ERROR: /* counted by ext4 itself */
	case KERNEL_MESSAGE_READ_ONLY:
		watch->looks = 0;
		disk_watch_look_at_errors(watch);
		return false;
	}
	return false;
}

static void on_rest(struct loop_timer *timer)
{
	struct disk_watch *watch = timer->ctx;

	(void)!loop_modify(watch->loop, &watch->kmsg, EPOLLIN);
}

static void on_kmsg(struct loop_source *source, uint32_t events)
{
	struct disk_watch *watch = source->ctx;
	static char record[RECORD_MAX];
	bool changed = false;
	int left = RECORDS;

	(void)events;
	while (left > 0) {
		ssize_t n = read(source->fd, record, sizeof(record));

		if (n < 0 && errno != EINTR && errno != EPIPE) /* EPIPE: records were overwritten */
			break;
		if (n > 0)
			changed |= take_record(watch, record, (size_t)n);
		left--;
	}
	if (left == 0 && loop_modify(watch->loop, source, 0) == 0)
		loop_timer_set(watch->loop, &watch->rest, clock_now_us() + REST_US, on_rest, watch);
	if (changed)
		watch->fn(watch->ctx);
}

int disk_kmsg_start(struct disk_watch *watch)
{
	_cleanup_close_ int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat info;
	int rc;

	if (fd < 0 || fstat(fd, &info) < 0)
		return -errno;
	/* Whatever else lies there (a file, a pipe) is not the kernel's word. */
	if (!S_ISCHR(info.st_mode) || info.st_rdev != makedev(1, 11))
		return -ENODEV;
	rc = loop_add(watch->loop, &watch->kmsg, fd, EPOLLIN, on_kmsg, watch);
	if (rc == 0)
		(void)TAKE_FD(fd);
	return rc;
}

void disk_kmsg_stop(struct disk_watch *watch)
{
	int fd = watch->kmsg.fd;

	loop_timer_cancel(watch->loop, &watch->rest);
	if (!watch->kmsg.fn)
		return;
	loop_remove(watch->loop, &watch->kmsg);
	close_p(&fd);
}
