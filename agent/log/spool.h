/* SPDX-License-Identifier: MIT
 *
 * spool.h - one file that a service writes to (lib/log_files.h), seen from the reading end.
 *
 * Always holds: what lies before `position` has been taken and is freed, so it reads as zeroes. That also tells
 * when a writer has truncated the file (a shell's "> /dev/stderr") and written anew: position starts over.
 */
#pragma once

#include "lib/base.h"

struct spool {
	int fd; /* -1: closed */
	uint64_t position;
	/* As last looked at: */
	uint64_t size;
	uint64_t mtime_us; /* wall clock: all up to `size` was written then or before */
	uint64_t ino;
	/* Freeing changes the file's time too: what it was after that, and the size then. */
	uint64_t own_mtime_us, seen;
	uint64_t freed, reserved; /* positions */
};

/* Opens LOG_SPOOL_DIR's NAME; the position is where data begins. 0 or -errno. */
int spool_open(struct spool *spool, int dir_fd, const char *name) MUST_CHECK;
void spool_close(struct spool *spool);

/* Goes on at a position that was remembered, if the file can be the same. */
void spool_resume(struct spool *spool, uint64_t position);
/* Looks at size and time. 0; 1 if the file was written anew and position starts over; -errno. */
int spool_look(struct spool *spool) MUST_CHECK;
/* Reads from position on, what was there at the last look. Position stays. Length or -errno. */
ssize_t spool_read(const struct spool *spool, void *buffer, size_t size) MUST_CHECK;
/* Gives back what lies before `position`, which moves there. */
void spool_free(struct spool *spool, uint64_t position);
/* Sets room aside for what the service writes next, so that another one that fills the spool cannot take
 * it. For a while at least: it is renewed when half of it is used. */
void spool_reserve(struct spool *spool);
