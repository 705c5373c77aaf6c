/* SPDX-License-Identifier: MIT
 *
 * kernel_message.h - what a line of the kernel's log says about one block device. Pure; fuzzed.
 *
 * Only the kernel's own lines count: what a process writes to /dev/kmsg gets another facility
 * (Documentation/ABI/testing/dev-kmsg), so that nobody in a container can invent an error.
 */
#pragma once

#include "lib/base.h"

enum kernel_message {
	KERNEL_MESSAGE_OTHER,
	KERNEL_MESSAGE_MOUNTED,   /* the file system was mounted: what was before is over */
	KERNEL_MESSAGE_IO_ERROR,  /* a request failed, or data is lost */
	KERNEL_MESSAGE_FS_ERROR,  /* ext4 found damage */
	KERNEL_MESSAGE_READ_ONLY, /* ext4 or its journal gave up writing */
};

/* One record as read(2) gives it, "PRIO,SEQ,TIME,FLAGS;TEXT\n KEY=VALUE\n...". `device` is where the file system is
 * ("sda1"), `disk` the whole device ("sda", or the same): both exactly, "sda" is not "sdaa". */
enum kernel_message kernel_message_judge(const char *record, size_t len, const char *device,
	const char *disk);
