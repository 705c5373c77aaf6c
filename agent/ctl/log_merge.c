/* SPDX-License-Identifier: MIT
 *
 * log_merge.c - see log_merge.h. Callers: logs.c, journalctl.c.
 */
#include "agent/ctl/log_merge.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include "agent/common/log_reader.h"
#include "lib/control.h"
#include "lib/log_files.h"

#define LOGS_MAX (CONTROL_SERVICES_MAX + 32)

struct log {
	struct log_reader reader;
	struct log_line line; /* the next one, if `loaded` */
	bool loaded;
};

struct log_merge {
	int dir_fd, watch_fd;
	const char (*names)[LOG_NAME_MAX]; /* asked for; count 0: all */
	size_t names_count, count;
	struct log logs[LOGS_MAX];
};

static bool have(const struct log_merge *merge, const char *name)
{
	for (size_t i = 0; i < merge->count; i++)
		if (strcmp(merge->logs[i].reader.name, name) == 0)
			return true;
	return false;
}

static void add(struct log_merge *merge, const char *name)
{
	if (merge->count == LOGS_MAX || have(merge, name))
		return;
	if (log_reader_open(&merge->logs[merge->count].reader, merge->dir_fd, name) == 0)
		merge->logs[merge->count++].loaded = false;
}

/* Every "NAME.log" of the directory. */
static void add_all(struct log_merge *merge)
{
	int fd = openat(merge->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir)
		close_p(&fd);
	while (dir && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);
		char name[LOG_NAME_MAX];

		if (len <= 4 || len - 4 >= sizeof(name) ||
			strcmp(entry->d_name + len - 4, ".log") != 0 ||
			!log_name_valid(entry->d_name, len - 4))
			continue;
		memcpy(name, entry->d_name, len - 4);
		name[len - 4] = '\0';
		add(merge, name);
	}
	if (dir)
		(void)closedir(dir);
}

static void add_new(struct log_merge *merge)
{
	if (merge->names_count == 0)
		add_all(merge);
	for (size_t i = 0; i < merge->names_count; i++)
		add(merge, merge->names[i]);
}

int log_merge_open(const char (*names)[LOG_NAME_MAX], size_t count, struct log_merge **result)
{
	struct log_merge *merge = calloc(1, sizeof(*merge));
	int rc;

	if (!merge)
		return -ENOMEM;
	merge->names = names;
	merge->names_count = count;
	merge->watch_fd = -1;
	merge->dir_fd = log_reader_open_directory();
	if (merge->dir_fd < 0) {
		rc = merge->dir_fd;
		free(merge);
		return rc;
	}
	add_new(merge);
	*result = merge;
	return 0;
}

void log_merge_close(struct log_merge *merge)
{
	for (size_t i = 0; i < merge->count; i++)
		log_reader_close(&merge->logs[i].reader);
	close_p(&merge->dir_fd);
	close_p(&merge->watch_fd);
	free(merge);
}

size_t log_merge_logs(const struct log_merge *merge)
{
	return merge->count;
}

void log_merge_seek_tail(struct log_merge *merge, size_t lines)
{
	for (size_t i = 0; i < merge->count; i++) {
		log_reader_seek_tail(&merge->logs[i].reader, lines);
		merge->logs[i].loaded = false;
	}
}

bool log_merge_next(struct log_merge *merge, struct log_line *line, const char **name)
{
	struct log *oldest = NULL;

	for (size_t i = 0; i < merge->count; i++) {
		struct log *log = &merge->logs[i];

		if (!log->loaded)
			log->loaded = log_reader_next(&log->reader, &log->line) > 0;
		if (log->loaded && (!oldest || log->line.boot_us < oldest->line.boot_us))
			oldest = log;
	}
	if (!oldest)
		return false;
	*line = oldest->line;
	*name = oldest->reader.name;
	oldest->loaded = false;
	return true;
}

static int watch(struct log_merge *merge)
{
	const char *path = getenv("KEEL_LOG_DIR");

	if (merge->watch_fd >= 0)
		return 0;
	merge->watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (merge->watch_fd < 0 || inotify_add_watch(merge->watch_fd, path ? path : LOG_DIR,
					   IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
		return -errno;
	return 1;
}

int log_merge_wait(struct log_merge *merge, int out_fd)
{
	static _Alignas(struct inotify_event) char events[16 * 1024];
	int rc = watch(merge);
	/* A reader that has gone shows as an error condition, also when nothing is written to it (poll(2)). */
	struct pollfd wait[] = {{.fd = merge->watch_fd, .events = POLLIN}, {.fd = out_fd}};

	/* What came before there was a watch is looked at first. */
	if (rc != 0)
		return rc < 0 ? rc : 0;
	if (poll(wait, ARRAY_SIZE(wait), -1) < 0 && errno != EINTR)
		return -errno;
	if (wait[1].revents & (POLLERR | POLLNVAL))
		return -EPIPE;
	if (wait[0].revents & POLLIN)
		(void)!read(merge->watch_fd, events, sizeof(events));
	add_new(merge);
	return 0;
}
