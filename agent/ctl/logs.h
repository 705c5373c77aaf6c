/* SPDX-License-Identifier: MIT
 *
 * logs.h - shows stored logs of this guest; keelctl logs, journalctl and systemctl status are made of it.
 */
#pragma once

#include <stdio.h>

#include "agent/common/log_line.h"
#include "agent/ctl/log_print.h"
#include "lib/base.h"

#define LOGS_ALL SIZE_MAX

struct logs_request {
	const char (*names)[LOG_NAME_MAX]; /* units */
	size_t count;                      /* 0: all */
	size_t lines;                      /* the last so many, LOGS_ALL: all */
	bool follow;                       /* until nobody reads any more */
	bool must_exist;                   /* -ENOENT rather than to wait for a log to follow */
	uint64_t since_us, until_us;       /* wall clock; 0: no bound */
	enum log_format format;
};

/* Prints them to stdout. The number of lines printed or -errno (-ENOENT: none of the units has a log; -EPIPE). */
ssize_t logs_show(const struct logs_request *request);
/* The last lines of one unit, as systemctl status has them. */
void logs_print_tail(FILE *out, const char *unit, size_t lines);

/* "all" or a number. 0 or -EINVAL. */
int logs_parse_lines(const char *text, size_t *lines) MUST_CHECK;
/* SIGPIPE and SIGINT end us, whatever we inherited (WSL: ignored). */
void logs_default_signals(void);
