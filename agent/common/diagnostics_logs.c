/* SPDX-License-Identifier: MIT
 *
 * diagnostics_logs.c - see diagnostics_part.h: what services and the kernel wrote, the newest of it.
 */
#include "agent/common/diagnostics_part.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/common/kernel_log.h"
#include "agent/common/log_reader.h"

/* As many as can be in the kernel's buffer: a log that floods has an end, too. */
#define KERNEL_RECORDS_MAX 100000

/* What was cut at its beginning begins with a whole line. */
static void drop_first_line(struct diagnostics *d)
{
	char *text = d->data + TAR_BLOCK, *newline = memchr(text, '\n', d->len);
	size_t drop = newline ? (size_t)(newline + 1 - text) : d->len;

	memmove(text, text + drop, d->len - drop);
	d->len -= drop;
}

/* The last bytes of a file, as many as there is room for less `spare`. 0 or -errno. */
static int put_tail(struct diagnostics *d, const char *path, size_t spare)
{
	_cleanup_close_ int fd =
		openat(d->logs_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	size_t room = diagnostics_room(d) - spare;
	struct stat info;
	ssize_t n;

	if (fd < 0 || fstat(fd, &info) < 0)
		return -errno;
	n = pread(fd, d->data + TAR_BLOCK + d->len, room,
		(uint64_t)info.st_size > room ? info.st_size - (off_t)room : 0);
	if (n < 0)
		return -errno;
	d->len += (size_t)n;
	if ((uint64_t)info.st_size <= room)
		return 0;
	d->cut = true;
	return 0;
}

static size_t size_of(const struct diagnostics *d, const char *path)
{
	struct stat info;

	if (fstatat(d->logs_fd, path, &info, AT_SYMLINK_NOFOLLOW) < 0 || info.st_size < 0)
		return 0;
	return info.st_size < DIAGNOSTICS_MEMBER_MAX ? (size_t)info.st_size
						     : DIAGNOSTICS_MEMBER_MAX;
}

/* The newest part of both of its files. */
static int put_log(struct diagnostics *d, const char *file)
{
	char old[LOG_NAME_MAX + 16];
	size_t size = size_of(d, file);
	int rc;

	(void)snprintf(old, sizeof(old), "%s.1", file);
	if (size < DIAGNOSTICS_MEMBER_MAX)
		(void)!put_tail(d, old, size);
	rc = put_tail(d, file, 0);
	if (d->cut)
		drop_first_line(d);
	return rc;
}

int diagnostics_fill_log(struct diagnostics *d)
{
	const char *file;
	unsigned char type;
	size_t len;

	(void)snprintf(d->name, sizeof(d->name), "logs");
	if (d->failed_log)
		return -ENODATA;
	if (d->logs_fd < 0) {
		d->logs_fd = log_reader_open_directory();
		d->logs = (struct file_dir){.fd = d->logs_fd};
		d->failed_log = d->logs_fd < 0;
		if (d->failed_log)
			return d->logs_fd;
	}
	while ((file = file_dir_next(&d->logs, &type))) {
		len = strlen(file);
		if (len < 5 || len > LOG_NAME_MAX + 4 || strcmp(file + len - 4, ".log") != 0)
			continue;
		if (d->log++ == DIAGNOSTICS_LOGS_MAX)
			break;
		(void)snprintf(d->name, sizeof(d->name), "logs/%s", file);
		return put_log(d, file);
	}
	return -ENODATA;
}

/* Makes room by forgetting the older half. */
static void forget_old_half(struct diagnostics *d)
{
	char *text = d->data + TAR_BLOCK;
	size_t drop = d->len / 2;

	memmove(text, text + drop, d->len - drop);
	d->len -= drop;
	d->cut = true;
	drop_first_line(d);
}

/* A record (Documentation/ABI/testing/dev-kmsg): PRIORITY,SEQUENCE,MICROSECONDS,FLAGS;TEXT and a newline, then lines of
 * properties. */
void diagnostics_put_record(struct diagnostics *d, const char *record, size_t len)
{
	const char *text = memchr(record, ';', len), *newline;
	unsigned long long us = 0;
	unsigned int priority = 0;
	char head[64];
	size_t text_len;

	(void)snprintf(head, sizeof(head), "%.*s", (int)(len < 63 ? len : 63), record);
	if (!text || sscanf(head, "%u,%*u,%llu", &priority, &us) != 2)
		return;
	text++;
	newline = memchr(text, '\n', len - (size_t)(text - record));
	text_len = newline ? (size_t)(newline - text) : len - (size_t)(text - record);
	if (text_len + sizeof(head) > diagnostics_room(d))
		forget_old_half(d);
	diagnostics_put(d, "<%u>[%5llu.%06llu] ", priority & 7, us / 1000000, us % 1000000);
	diagnostics_put_bytes(d, text, text_len);
	diagnostics_put_bytes(d, "\n", 1);
}

int diagnostics_fill_kernel(struct diagnostics *d)
{
	char record[8192];

	if (d->kmsg_fd < 0) {
		d->kmsg_fd = d->source.open_kmsg ? d->source.open_kmsg() : kernel_log_open();
		d->kmsg_left = KERNEL_RECORDS_MAX;
		if (d->kmsg_fd < 0)
			return d->kmsg_fd;
	}
	for (int i = 0; i < DIAGNOSTICS_RECORDS && d->kmsg_left > 0; i++, d->kmsg_left--) {
		ssize_t n = read(d->kmsg_fd, record, sizeof(record));

		if (n < 0 && (errno == EPIPE || errno == EINTR)) /* some were overwritten */
			continue;
		if (n <= 0) { /* that was the last one */
			d->kmsg_left = 0;
			break;
		}
		diagnostics_put_record(d, record, (size_t)n);
	}
	if (d->kmsg_left > 0)
		return -EINPROGRESS;
	close_p(&d->kmsg_fd);
	return 0;
}
