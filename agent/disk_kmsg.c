/* SPDX-License-Identifier: MIT
 *
 * disk_kmsg.c - what the kernel's log says about the data disk. Part of disk_watch.h.
 *
 * The log is read from its beginning: what was said before the present mount is undone by the kernel's own line about
 * it.
 */
#include <time.h>

#include "agent/common/kernel_message.h"
#include "agent/disk_watch.h"
#include "lib/log.h"

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
		watch->told_read_only = false;
		seen->errors.io_count = seen->errors.io_at = 0;
		return true;
	case KERNEL_MESSAGE_IO_ERROR:
		note_io_error(watch);
		return true;
	case KERNEL_MESSAGE_READ_ONLY:
		watch->told_read_only = true;
		watch->looks = 0;
		disk_watch_look_at_errors(watch);
		return false;
	case KERNEL_MESSAGE_FS_ERROR: /* counted by ext4 itself */
		watch->looks = 0;
		disk_watch_look_at_errors(watch);
		return false;
	}
	return false;
}

static void on_record(void *ctx, const char *record, size_t len)
{
	struct disk_watch *watch = ctx;

	if (record) {
		watch->told |= take_record(watch, record, len);
	} else if (watch->told) {
		watch->told = false;
		watch->fn(watch->ctx);
	}
}

int disk_kmsg_start(struct disk_watch *watch)
{
	watch->told = false;
	return kmsg_reader_start(&watch->kmsg, watch->loop, on_record, watch);
}

void disk_kmsg_stop(struct disk_watch *watch)
{
	kmsg_reader_stop(&watch->kmsg);
}
