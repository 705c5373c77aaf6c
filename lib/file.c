/* SPDX-License-Identifier: MIT
 *
 * file.c - whole small files, bounded.
 */
#include "lib/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* A call that is interrupted again and again fails: nothing here may loop for ever in PID 1. */
#define EINTR_MAX 100

ssize_t file_read_at(int dir_fd, const char *path, char *buffer, size_t size)
{
	_cleanup_close_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	unsigned int interrupted = 0;
	size_t len = 0;
	char extra;

	buffer[0] = '\0';
	if (fd < 0)
		return -errno;
	while (len < size - 1) {
		ssize_t n = read(fd, buffer + len, size - 1 - len);

		if (n < 0 && errno == EINTR && interrupted++ < EINTR_MAX)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0) {
			buffer[len] = '\0';
			return (ssize_t)len;
		}
		len += (size_t)n;
	}
	buffer[len] = '\0';
	return read(fd, &extra, 1) > 0 ? -EFBIG : (ssize_t)len;
}

ssize_t file_read(const char *path, char *buffer, size_t size)
{
	return file_read_at(AT_FDCWD, path, buffer, size);
}

int file_write_at(int dir_fd, const char *path, const char *text)
{
	_cleanup_close_ int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC);
	unsigned int interrupted = 0;
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return -errno;
	do
		n = write(fd, text, len);
	while (n < 0 && errno == EINTR && interrupted++ < EINTR_MAX);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int file_write(const char *path, const char *text)
{
	return file_write_at(AT_FDCWD, path, text);
}

int file_make_dirs(const char *path)
{
	struct stat info;
	char partial[256];
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(partial))
		return -ENAMETOOLONG;
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(partial, path, i);
		partial[i] = '\0';
		if (mkdir(partial, 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	if (stat(path, &info) < 0)
		return -errno;
	return S_ISDIR(info.st_mode) ? 0 : -ENOTDIR;
}

int file_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;
	unsigned int interrupted = 0;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR && interrupted++ < EINTR_MAX)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_new(const char *path, const char *text)
{
	_cleanup_close_ int fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);

	return fd < 0 ? -errno : file_write_all(fd, text, strlen(text));
}

int file_replace(const char *path, const char *text)
{
	char beside[256];
	int rc;

	if ((size_t)snprintf(beside, sizeof(beside), "%s.new", path) >= sizeof(beside))
		return -ENAMETOOLONG;
	rc = write_new(beside, text);
	if (rc == 0 && rename(beside, path) < 0)
		rc = -errno;
	if (rc < 0)
		(void)unlink(beside);
	return rc;
}

/* getdents64(2). */
struct directory_entry {
	uint64_t inode;
	int64_t offset;
	unsigned short length;
	unsigned char type;
	char name[];
};

const char *file_dir_next(struct file_dir *dir, unsigned char *type)
{
	for (;;) {
		const struct directory_entry *entry;

		if (dir->at >= dir->len) {
			dir->len = syscall(SYS_getdents64, dir->fd, dir->entries,
				sizeof(dir->entries));
			dir->at = 0;
			if (dir->len <= 0)
				return NULL;
		}
		entry = (const void *)(dir->entries + dir->at);
		dir->at += entry->length;
		if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0)
			continue;
		*type = entry->type;
		return entry->name;
	}
}
