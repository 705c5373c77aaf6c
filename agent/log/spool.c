/* SPDX-License-Identifier: MIT
 *
 * spool.c - see spool.h. Caller: collector.c. Nothing here ever changes the size of the file: its writers
 * append to it while we look.
 */
#include "agent/log/spool.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "lib/clock.h"

#define PAGE 4096
/* Room that no other service can take: a hundred lines or two. All services' together are a quarter of the spool. */
#define RESERVE (4 * PAGE)

/* Where data begins: after the freed pages, and after the zeroes of the page that was freed in part. */
static uint64_t find_start(int fd, uint64_t size)
{
	char page[PAGE];
	off_t at = lseek(fd, 0, SEEK_DATA); /* ENXIO: there is none */

	if (at < 0)
		return size;
	for (;;) {
		ssize_t n = pread(fd, page, sizeof(page), at);

		if (n <= 0)
			return (uint64_t)at < size ? (uint64_t)at : size;
		for (ssize_t i = 0; i < n; i++)
			if (page[i] != '\0')
				return (uint64_t)(at + i);
		at += n;
	}
}

/* The file's time is a writer's if it is not what we left, or if there is more in it than there was. */
static int look(struct spool *spool)
{
	struct stat info;
	uint64_t mtime_us;

	if (fstat(spool->fd, &info) < 0)
		return -errno;
	mtime_us = (uint64_t)info.st_mtim.tv_sec * USEC_PER_SEC +
		   (uint64_t)info.st_mtim.tv_nsec / 1000;
	if (mtime_us != spool->own_mtime_us || (uint64_t)info.st_size != spool->seen)
		spool->mtime_us = mtime_us;
	spool->seen = (uint64_t)info.st_size;
	spool->ino = info.st_ino;
	return 0;
}

/* fallocate(2) that leaves the writers' time as it was in `mtime_us`. */
static int change(struct spool *spool, int mode, uint64_t start, uint64_t len)
{
	uint64_t seen;
	struct stat info;
	int rc = look(spool);

	if (rc < 0)
		return rc;
	seen = spool->seen;
	rc = fallocate(spool->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)start, (off_t)len) < 0 ? -errno
											    : 0;
	if (fstat(spool->fd, &info) < 0)
		return -errno;
	spool->own_mtime_us = (uint64_t)info.st_mtim.tv_sec * USEC_PER_SEC +
			      (uint64_t)info.st_mtim.tv_nsec / 1000;
	/* Written at the same moment. */
	if ((uint64_t)info.st_size != seen)
		spool->mtime_us = spool->own_mtime_us;
	spool->seen = (uint64_t)info.st_size;
	return rc;
}

int spool_open(struct spool *spool, int dir_fd, const char *name)
{
	int rc;

	*spool = (struct spool){.fd = openat(dir_fd, name,
					O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)};
	if (spool->fd < 0)
		return -errno;
	rc = look(spool);
	spool->size = spool->seen;
	if (rc == 0) {
		spool->position = find_start(spool->fd, spool->size);
		spool_free(spool, spool->position);
		return 0;
	}
	spool_close(spool);
	return rc;
}

void spool_close(struct spool *spool)
{
	close_p(&spool->fd);
}

void spool_resume(struct spool *spool, uint64_t position)
{
	if (position <= spool->size)
		spool_free(spool, position);
}

int spool_look(struct spool *spool)
{
	char before = '\0';
	int rc = look(spool);

	if (rc < 0)
		return rc;
	spool->size = spool->seen;
	if (spool->position > 0 && spool->position <= spool->size)
		(void)!pread(spool->fd, &before, 1, (off_t)spool->position - 1);
	if (spool->position <= spool->size && before == '\0')
		return 0;
	spool->position = find_start(spool->fd, spool->size);
	spool->freed = spool->reserved = 0;
	return 1;
}

ssize_t spool_read(const struct spool *spool, void *buffer, size_t size)
{
	uint64_t left = spool->size - spool->position;
	ssize_t n =
		pread(spool->fd, buffer, left < size ? (size_t)left : size, (off_t)spool->position);

	return n < 0 ? -errno : n;
}

void spool_free(struct spool *spool, uint64_t position)
{
	uint64_t start = spool->freed / PAGE * PAGE;

	spool->position = position;
	if (position > start && position != spool->freed)
		(void)change(spool, FALLOC_FL_PUNCH_HOLE, start, position - start);
	spool->freed = position;
}

void spool_reserve(struct spool *spool)
{
	if (spool->size + RESERVE / 2 <= spool->reserved)
		return;
	/* Behind the end of the file: tmpfs(5) keeps the pages until they are written. */
	if (change(spool, 0, spool->size, RESERVE) == 0)
		spool->reserved = spool->size + RESERVE;
}
