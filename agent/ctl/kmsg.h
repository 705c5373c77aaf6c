/* SPDX-License-Identifier: MIT
 *
 * kmsg.h - the kernel's log, /dev/kmsg (Documentation/ABI/testing/dev-kmsg). The parser is pure; fuzzed.
 */
#pragma once

#include "agent/common/log_line.h"
#include "lib/base.h"

#define KMSG_RECORD_MAX 8192

struct kmsg_record {
	unsigned int level; /* LOG_EMERG..LOG_DEBUG */
	uint64_t boot_us;   /* of the kernel's clock, which stands still in a suspend */
	const char *text;   /* into the record */
	size_t len;
};

/* Takes one record ("6,339,5140900,-;text\n KEY=value\n") apart. 0 or -EINVAL. */
int kmsg_parse(const char *data, size_t len, struct kmsg_record *record) MUST_CHECK;
