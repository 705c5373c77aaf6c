/* SPDX-License-Identifier: MIT
 *
 * file.h - small files, whole, bounded: procfs, sysfs, cgroupfs, configuration.
 */
#pragma once

#include "lib/base.h"

/* Reads at most size-1 bytes and adds a NUL. Returns the length or -errno; -EFBIG if there was more
 * (the buffer then holds the first size-1 bytes). */
ssize_t file_read(const char *path, char *buffer, size_t size) MUST_CHECK;
ssize_t file_read_at(int dir_fd, const char *path, char *buffer, size_t size) MUST_CHECK;

/* Writes the text with one write(2) to an existing file (sysfs, cgroupfs). 0 or -errno. */
int file_write(const char *path, const char *text) MUST_CHECK;
int file_write_at(int dir_fd, const char *path, const char *text) MUST_CHECK;

/* mkdir -p with mode 0755; an existing directory is fine. 0 or -errno. */
int file_make_dirs(const char *path) MUST_CHECK;

/* Writes all of the buffer, retrying short writes and EINTR (for blocking descriptors). 0 or -errno. */
int file_write_all(int fd, const void *data, size_t len) MUST_CHECK;

/* The file, mode 0644, has this text and no other from one moment to the next: it is written beside (PATH.new) and
 * renamed. Not synced. 0 or -errno, and the file is as before. */
int file_replace(const char *path, const char *text) MUST_CHECK;

/* The names in a directory, without allocating as opendir(3) does. Begin with .fd = an open directory (it stays the
 * caller's) and the rest zeroed. Returns a name that is valid until the next call, or NULL at the end; "." and ".."
 * are left out. `type` is DT_*, DT_UNKNOWN where the file system does not tell. */
struct file_dir {
	int fd;
	long len, at;
	_Alignas(8) char entries[1024];
};

const char *file_dir_next(struct file_dir *dir, unsigned char *type);
