/* SPDX-License-Identifier: MIT
 *
 * kmsg_reader.h - the kernel's log (/dev/kmsg), record by record, from its beginning: who is restarted forgets nothing.
 * Each reader has a place of its own in the log. Never blocking; a log that floods is read with rests.
 */
#pragma once

#include "lib/base.h"
#include "lib/loop.h"

/* One record as read(2) gives it, for kernel_message.h; with NULL after the last one there was for now. */
typedef void kmsg_reader_fn(void *ctx, const char *record, size_t len);

struct kmsg_reader {
	struct loop *loop;
	int fd;
	struct loop_source source; /* not in the loop while it rests */
	struct loop_timer rest;
	kmsg_reader_fn *fn;
	void *ctx;
};

/* 0 or -errno; -ENODEV: what lies there is not the kernel's. */
int kmsg_reader_start(struct kmsg_reader *reader, struct loop *loop, kmsg_reader_fn *fn,
	void *ctx) MUST_CHECK;
/* Does nothing if it was not started (zeroed). */
void kmsg_reader_stop(struct kmsg_reader *reader);
