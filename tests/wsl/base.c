/* SPDX-License-Identifier: MIT
 *
 * base.c - see base.h.
 */
#include "tests/wsl/base.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void die(const char *format, ...)
{
	int error = errno;
	va_list args;

	va_start(args, format);
	(void)fprintf(stderr, "%s: ", program_invocation_short_name);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fprintf(stderr, "%s%s\n", error ? ": " : "", error ? strerror(error) : "");
	_exit(125);
}

void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die("cannot write %s", path);
	(void)close(fd);
}

void create_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || (text && write(fd, text, strlen(text)) < 0))
		die("cannot make %s", path);
	(void)close(fd);
}

void make_dir(const char *path, mode_t mode)
{
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		die("cannot make %s", path);
	(void)chmod(path, mode);
}

void make_dirs(const char *path)
{
	char part[512];

	for (size_t i = 1; path[i]; i++) {
		if (path[i] != '/')
			continue;
		(void)snprintf(part, sizeof(part), "%.*s", (int)i, path);
		(void)mkdir(part, 0755);
	}
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		die("cannot make %s", path);
}

void do_mount(const char *source, const char *target, const char *type, unsigned long flags,
	const char *data)
{
	if (mount(source, target, type, flags, data) < 0)
		die("cannot mount %s on %s", type ? type : source, target);
}

void bind_node(const char *source, const char *target)
{
	create_file(target, NULL);
	do_mount(source, target, NULL, MS_BIND, NULL);
}

bool find_cgroup2(char path[256])
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	const struct mntent *entry;
	bool found = false;

	while (mounts && !found && (entry = getmntent(mounts))) {
		found = strcmp(entry->mnt_type, "cgroup2") == 0;
		if (found)
			(void)snprintf(path, 256, "%s", entry->mnt_dir);
	}
	if (mounts)
		(void)endmntent(mounts);
	return found;
}

long long now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

void say(const char *distro, const char *format, ...)
{
	char text[512], line[640];
	va_list args;
	int length;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* "EVENT rest": the distro's name goes between. */
	length = (int)strcspn(text, " ");
	length = snprintf(line, sizeof(line), "%.*s %s%s t=%lld\n", length, text, distro,
		text + length, now_us());
	if (write(EVENTS_FD, line, (size_t)length) < 0)
		return; /* nobody listens any more */
}
