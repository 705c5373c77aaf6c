/* SPDX-License-Identifier: MIT
 *
 * log_reader.h - reads a stored log (lib/log_files.h) line by line while keel-log writes and rotates it.
 *
 * Memory is the caller's. Never blocks: the files are on a tmpfs. Lines that are not of the form of log_line.h are
 * passed over.
 */
#pragma once

#include "agent/common/log_line.h"
#include "lib/base.h"

struct log_reader {
	int dir_fd, fd; /* dir_fd is not owned; fd -1: none yet */
	char name[LOG_NAME_MAX];
	uint64_t ino;    /* of the file that is being read */
	uint64_t offset; /* of what comes behind the buffer */
	bool draining;   /* the file is not written any more: what is in it is all */
	size_t start, len;
	char buffer[2 * LOG_LINE_MAX];
};

/* The directory of the logs, LOG_DIR or $KEEL_LOG_DIR (tests). The fd or -errno. */
int log_reader_open_directory(void) MUST_CHECK;

/* At the oldest line of a unit's log. -ENOENT: it has none; -errno. */
int log_reader_open(struct log_reader *reader, int dir_fd, const char *name) MUST_CHECK;
void log_reader_close(struct log_reader *reader);
/* Moves to where the last `lines` lines begin. */
void log_reader_seek_tail(struct log_reader *reader, size_t lines);
/* The next line; its text is valid until the next call. 1, 0 (none for now: it may be called again), -errno. */
int log_reader_next(struct log_reader *reader, struct log_line *line) MUST_CHECK;
