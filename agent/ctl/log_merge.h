/* SPDX-License-Identifier: MIT
 *
 * log_merge.h - the stored logs of one or more services as one sequence, in order of time, and on while they grow.
 */
#pragma once

#include "agent/common/log_line.h"
#include "lib/base.h"

struct log_merge;

/* The logs of the named units, or of all if count is 0. A unit without a log is left out (it may get one). 0 or
 * -errno. */
int log_merge_open(const char (*names)[LOG_NAME_MAX], size_t count,
	struct log_merge **merge) MUST_CHECK;
void log_merge_close(struct log_merge *merge);
/* How many logs there are. */
size_t log_merge_logs(const struct log_merge *merge);
/* Each log begins with at most its last so many lines. */
void log_merge_seek_tail(struct log_merge *merge, size_t lines);
/* The oldest line that has not been had. *name is its unit; both are valid until the next call. False: there is
 * none now. */
bool log_merge_next(struct log_merge *merge, struct log_line *line, const char **name);
/* Waits until a log has grown (or may have), or nobody reads `out_fd` any more. 0 or -errno (-EPIPE). */
int log_merge_wait(struct log_merge *merge, int out_fd) MUST_CHECK;
