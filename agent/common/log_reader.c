/* SPDX-License-Identifier: MIT
 *
 * log_reader.c - see log_reader.h. Callers: the agent's log stream and crash log, keelctl.
 */
#include "agent/common/log_reader.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/log_files.h"

int log_reader_open_directory(void)
{
	const char *path = getenv("KEEL_LOG_DIR");
	int fd = open(path ? path : LOG_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* NAME.log or NAME.log.1, and its inode. The fd or -errno. */
static int open_file(const struct log_reader *reader, bool old, uint64_t *ino)
{
	char file[LOG_NAME_MAX + 16];
	struct stat info;
	int fd;

	*ino = 0;
	(void)snprintf(file, sizeof(file), "%s.log%s", reader->name, old ? ".1" : "");
	fd = openat(reader->dir_fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &info) == 0)
		*ino = info.st_ino;
	return fd;
}

static void switch_to(struct log_reader *reader, int fd, uint64_t ino)
{
	close_p(&reader->fd);
	reader->fd = fd;
	reader->ino = ino;
	reader->offset = 0;
	reader->draining = false;
	reader->start = reader->len = 0;
}

/* The end of a file that is not written any more is believed only when it is read after that was known. */
static bool drained(struct log_reader *reader)
{
	if (reader->fd < 0 || reader->draining)
		return true;
	reader->draining = true;
	return false;
}

/* Goes on with the file that follows the one being read: the old one is followed by the current one; one that is
 * neither was rotated away, and the old one followed it. 1 if there is more to read, 0, -ENOENT (no file at all). */
static int next_file(struct log_reader *reader)
{
	uint64_t current_ino = 0, old_ino = 0;
	_cleanup_close_ int current = open_file(reader, false, &current_ino);
	_cleanup_close_ int old = -1;

	if (current >= 0 && reader->fd >= 0 && reader->ino == current_ino)
		return 0;
	old = open_file(reader, true, &old_ino);
	if (old >= 0 && (reader->fd < 0 || reader->ino != old_ino)) {
		if (drained(reader))
			switch_to(reader, TAKE_FD(old), old_ino);
		return 1;
	}
	if (current < 0)
		return reader->fd < 0 ? -ENOENT : 0;
	if (drained(reader))
		switch_to(reader, TAKE_FD(current), current_ino);
	return 1;
}

int log_reader_open(struct log_reader *reader, int dir_fd, const char *name)
{
	int rc;

	*reader = (struct log_reader){.dir_fd = dir_fd, .fd = -1};
	(void)snprintf(reader->name, sizeof(reader->name), "%s", name);
	rc = next_file(reader);
	return rc < 0 ? rc : 0;
}

void log_reader_close(struct log_reader *reader)
{
	close_p(&reader->fd);
}

/* Where the last *lines lines of the file begin; *lines becomes how many more there should be. */
static uint64_t find_tail(int fd, size_t *lines)
{
	char block[4096];
	struct stat info;
	uint64_t at;

	if (fstat(fd, &info) < 0)
		return 0;
	at = (uint64_t)info.st_size;
	/* The newline at the very end ends the last line: one more has to be found before it. */
	for (bool last = true; at > 0;) {
		size_t part = at < sizeof(block) ? (size_t)at : sizeof(block);
		ssize_t n = pread(fd, block, part, (off_t)(at - part));

		if (n != (ssize_t)part)
			return 0;
		while (part > 0) {
			if (block[--part] != '\n' || last) {
				last = false;
				at--;
				continue;
			}
			if (--*lines == 0)
				return at;
			at--;
		}
	}
	/* The first line has no newline before it. */
	if (info.st_size > 0)
		--*lines;
	return 0;
}

void log_reader_seek_tail(struct log_reader *reader, size_t lines)
{
	uint64_t ino;
	int current = open_file(reader, false, &ino);
	size_t more = lines;

	if (current < 0)
		return;
	if (lines == 0) {
		struct stat info;

		switch_to(reader, current, ino);
		if (fstat(current, &info) == 0)
			reader->offset = (uint64_t)info.st_size;
		return;
	}
	switch_to(reader, current, ino);
	reader->offset = find_tail(reader->fd, &more);
	if (more == 0)
		return;
	current = open_file(reader, true, &ino);
	if (current < 0)
		return;
	switch_to(reader, current, ino);
	reader->offset = find_tail(reader->fd, &more);
}

/* Reads on. 1: there is more in the buffer; 0: nothing for now; -errno. */
static int fill(struct log_reader *reader)
{
	ssize_t n;

	memmove(reader->buffer, reader->buffer + reader->start, reader->len);
	reader->start = 0;
	n = pread(reader->fd, reader->buffer + reader->len, sizeof(reader->buffer) - reader->len,
		(off_t)reader->offset);
	if (n < 0)
		return -errno;
	reader->len += (size_t)n;
	reader->offset += (uint64_t)n;
	return n > 0;
}

/* keel-log takes back what it wrote just before it was killed. */
static void follow_back(struct log_reader *reader)
{
	struct stat info;

	if (fstat(reader->fd, &info) == 0 && (uint64_t)info.st_size < reader->offset) {
		reader->offset = (uint64_t)info.st_size;
		reader->start = reader->len = 0;
	}
}

int log_reader_next(struct log_reader *reader, struct log_line *line)
{
	for (;;) {
		const char *text = reader->buffer + reader->start;
		const char *newline = memchr(text, '\n', reader->len);
		size_t used;
		int rc;

		if (newline || reader->len == sizeof(reader->buffer)) {
			used = newline ? (size_t)(newline - text) + 1 : reader->len;
			reader->start += used;
			reader->len -= used;
			if (newline && log_line_parse(text, used - 1, line) == 0)
				return 1;
			continue;
		}
		rc = reader->fd < 0 ? 0 : fill(reader);
		if (rc != 0) {
			if (rc < 0)
				return rc;
			continue;
		}
		if (reader->fd >= 0)
			follow_back(reader);
		rc = next_file(reader);
		if (rc == -ENOENT)
			return 0;
		if (rc <= 0)
			return rc;
	}
}
