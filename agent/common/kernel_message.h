/* SPDX-License-Identifier: MIT
 *
 * kernel_message.h - what a line of the kernel's log says about one block device, or about a process that was killed for
 * want of memory. Pure; fuzzed.
 *
 * Only the kernel's own lines count: what a process writes to /dev/kmsg gets another facility
 * (Documentation/ABI/testing/dev-kmsg), so that nobody in a container can invent an error.
 */
#pragma once

#include "agent/common/memory_facts.h"
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

enum kernel_oom {
	KERNEL_OOM_OTHER,
	KERNEL_OOM_CHOSEN, /* who is to be killed, and in which group: not told of each when there are many */
	KERNEL_OOM_KILLED, /* told of each, without a group; follows CHOSEN if there is one */
};

/* The same of a kill for want of memory. Fills in all of `kill` but the container's name; what the line does not say is
 * 0 or "". `base`: the group below which names are told, as the kernel says it ("" for the root). */
enum kernel_oom kernel_message_oom(const char *record, size_t len, const char *base,
	struct memory_oom_kill *kill);

#define KERNEL_ERROR_LEVEL    3 /* KERN_ERR; below it is worse (include/linux/kern_levels.h) */
#define KERNEL_ERROR_TEXT_MAX 384

struct kernel_error {
	unsigned int level; /* 0 (emerg) to KERNEL_ERROR_LEVEL */
	uint64_t
		at_us; /* as the log says: the clock of the log stands still while the machine sleeps */
	char text
		[KERNEL_ERROR_TEXT_MAX]; /* as the kernel says it; cut to fit, maybe within a character */
};

/* The number that every record has, whoever wrote it: they follow each other without a gap. False: it is no record. */
bool kernel_message_sequence(const char *record, size_t len, uint64_t *sequence) MUST_CHECK;
/* True if it is the kernel's own, of level error or worse. */
bool kernel_message_error(const char *record, size_t len, struct kernel_error *error) MUST_CHECK;
/* "emerg", "alert", "crit" or "err"; "" for another level. */
const char *kernel_error_level_name(unsigned int level);
