/* SPDX-License-Identifier: MIT
 *
 * diagnostics_guest.c - see diagnostics_part.h: units, control groups, processes, block devices, versions.
 */
#include "agent/common/diagnostics_part.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#include "agent/common/dockerd.h"

#define DEPTH_MAX 5 /* of directories below the base, of control groups and of drop-ins */

static int open_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* ---- units ------------------------------------------------------------------------------------ */

static int put_units(struct diagnostics *d, const char *path, bool drop_ins)
{
	_cleanup_close_ int fd = open_directory(path);
	struct file_dir dir = {.fd = fd};
	char child[512];
	const char *name;
	unsigned char type;

	if (fd < 0)
		return fd;
	while ((name = file_dir_next(&dir, &type)) && diagnostics_room(d) > 0) {
		(void)snprintf(child, sizeof(child), "%s/%s", path, name);
		if (type != DT_DIR)
			diagnostics_put_section(d, child);
		else if (drop_ins)
			(void)!put_units(d, child, false);
	}
	return 0;
}

int diagnostics_fill_units(struct diagnostics *d)
{
	int rc = put_units(d, "/etc/keel/units", true);
	int shipped = put_units(d, "/usr/lib/keel/units", true);

	return rc < 0 ? shipped : 0;
}

/* ---- control groups --------------------------------------------------------------------------- */

static void put_group(struct diagnostics *d, int fd, const char *path)
{
	static const char *const files[] = {"cgroup.events", "memory.current", "memory.min",
		"memory.low", "memory.high", "memory.max", "memory.swap.current", "memory.events",
		"memory.stat", "memory.pressure", "pids.current", "pids.max", "cpu.max", "cpu.stat",
		"io.stat"};
	char text[8192];

	diagnostics_put(d, "==> %s <==\n", path);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		ssize_t n = file_read_at(fd, files[i], text, sizeof(text));

		if (n < 0 && n != -EFBIG)
			continue;
		diagnostics_put(d, "%s:%s", files[i],
			strchr(text, '\n') == strrchr(text, '\n') ? " " : "\n");
		diagnostics_put_bytes(d, text, strlen(text));
	}
	diagnostics_put(d, "\n");
}

static void put_groups(struct diagnostics *d, char *path, size_t size, int depth)
{
	_cleanup_close_ int fd = open_directory(path);
	struct file_dir dir = {.fd = fd};
	size_t len = strlen(path);
	const char *name;
	unsigned char type;

	if (fd < 0)
		return;
	d->groups++;
	put_group(d, fd, path);
	while (depth < DEPTH_MAX && (name = file_dir_next(&dir, &type))) {
		if (type != DT_DIR || strlen(name) + 2 > size - len)
			continue;
		if (d->groups == DIAGNOSTICS_GROUPS_MAX || diagnostics_room(d) == 0) {
			d->cut = true;
			return;
		}
		(void)snprintf(path + len, size - len, "/%s", name);
		put_groups(d, path, size, depth + 1);
		path[len] = '\0';
	}
}

/* The group that PID 1 keeps everything in (ARCHITECTURE.md): told to services, else seen by where PID 1 is. */
static int find_base(char *path, size_t size)
{
	const char *base = getenv("KEEL_CGROUP");
	char text[512], *own, *end;
	ssize_t n;

	if (!base) {
		n = file_read("/proc/1/cgroup", text, sizeof(text));
		if (n < 0)
			return (int)n;
		own = strstr(text, "0::");
		if (!own)
			return -ENOENT;
		own += strlen("0::");
		own[strcspn(own, "\n")] = '\0';
		end = strstr(own, "/keel");
		if (end)
			*end = '\0';
		base = strcmp(own, "/") == 0 ? "" : own;
	}
	(void)snprintf(path, size, "/sys/fs/cgroup%s", base);
	return 0;
}

int diagnostics_fill_groups(struct diagnostics *d)
{
	char path[1024];
	int rc = find_base(path, sizeof(path));

	if (rc < 0)
		return rc;
	if (access(path, R_OK) < 0)
		return -errno;
	d->groups = 0;
	put_groups(d, path, sizeof(path), 0);
	return 0;
}

/* ---- processes -------------------------------------------------------------------------------- */

/* One of keel's or the engine's own: what stands in its command line is nobody's secret, but what redact.h knows. */
static bool is_ours(const char *group)
{
	return !strstr(group, "/containers") &&
	       (strstr(group, "/keel/") || strstr(group, "/engine/"));
}

/* Words with what would end a word written as \xNN: a value is taken out as a whole then. */
static void put_command_line(struct diagnostics *d, const char *pid)
{
	char path[64], text[2048];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	n = file_read(path, text, sizeof(text));
	if (n == -EFBIG)
		n = (ssize_t)sizeof(text) - 1;
	while (n > 0 && text[n - 1] == '\0')
		n--;
	for (ssize_t i = 0; i < n; i++) {
		if (text[i] == '\0')
			diagnostics_put_bytes(d, " ", 1);
		else if ((unsigned char)text[i] <= ' ' || strchr("\"'`<>", text[i]))
			diagnostics_put(d, "\\x%02x", (unsigned char)text[i]);
		else
			diagnostics_put_bytes(d, text + i, 1);
	}
}

/* proc(5), /proc/PID/stat: the name may have anything in it but its last parenthesis ends it. */
static void put_process(struct diagnostics *d, const char *pid)
{
	char path[64], stat[1024], groups[1024], *group, *name, *rest;
	unsigned int parent = 0, threads = 0;
	unsigned long long start = 0;
	long pages = 0;
	char state = '?';

	(void)snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	if (file_read(path, stat, sizeof(stat)) < 0)
		return;
	name = strchr(stat, '(');
	rest = strrchr(stat, ')');
	if (!name || !rest || rest < name ||
		sscanf(rest + 1,
			" %c %u %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %u %*d %llu %*u %ld",
			&state, &parent, &threads, &start, &pages) < 5)
		return;
	*rest = '\0';
	for (char *p = name + 1; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = '?';
	(void)snprintf(path, sizeof(path), "/proc/%s/cgroup", pid);
	if (file_read(path, groups, sizeof(groups)) < 0)
		groups[0] = '\0';
	group = strstr(groups, "0::"); /* the unified hierarchy's line */
	group = group ? group + strlen("0::") : groups + strlen(groups);
	group[strcspn(group, "\n")] = '\0';
	diagnostics_put(d, "%7s %7u %c %4u %9ld  %-16s %s  ", pid, parent, state, threads,
		pages * (sysconf(_SC_PAGESIZE) / 1024), name + 1, group);
	if (is_ours(group))
		put_command_line(d, pid);
	diagnostics_put_bytes(d, "\n", 1);
}

int diagnostics_fill_processes(struct diagnostics *d)
{
	_cleanup_close_ int fd = open_directory("/proc");
	struct file_dir dir = {.fd = fd};
	const char *name;
	unsigned char type;

	if (fd < 0)
		return fd;
	diagnostics_put(d,
		"    PID  PARENT S THRD   RSS KiB  NAME             GROUP  COMMAND LINE (of keel and the engine)\n");
	while ((name = file_dir_next(&dir, &type)) && diagnostics_room(d) > 0)
		if (name[0] >= '0' && name[0] <= '9')
			put_process(d, name);
	return 0;
}

/* ---- storage, versions ------------------------------------------------------------------------ */

static int look(const char *path, uint64_t *total, uint64_t *used, uint64_t *free_bytes)
{
	struct statvfs info;

	if (statvfs(path, &info) < 0)
		return -errno;
	*total = (uint64_t)info.f_blocks * info.f_frsize;
	*used = (uint64_t)(info.f_blocks - info.f_bfree) * info.f_frsize;
	*free_bytes = (uint64_t)info.f_bavail * info.f_frsize;
	return 0;
}

static void put_room(struct diagnostics *d, const char *path)
{
	uint64_t total = 0, used = 0, free_bytes = 0;
	int rc = (d->source.look ? d->source.look : look)(path, &total, &used, &free_bytes);

	if (rc < 0)
		diagnostics_put(d, "%-16s %s\n", path, strerror(-rc));
	else
		diagnostics_put(d, "%-16s %15llu total %15llu used %15llu free\n", path,
			(unsigned long long)total, (unsigned long long)used,
			(unsigned long long)free_bytes);
}

static void put_device(struct diagnostics *d, const char *name)
{
	static const char *const files[] = {"dev", "size", "ro", "removable", "device/model",
		"queue/rotational", "queue/logical_block_size", "queue/discard_max_bytes",
		"queue/write_cache", "stat"};
	char path[256], text[256];

	diagnostics_put(d, "%s:", name);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		(void)snprintf(path, sizeof(path), "/sys/class/block/%.64s/%s", name, files[i]);
		if (file_read(path, text, sizeof(text)) < 0)
			continue;
		text[strcspn(text, "\n")] = '\0';
		diagnostics_put(d, " %s=%s", files[i], text);
	}
	diagnostics_put(d, "\n");
}

int diagnostics_fill_storage(struct diagnostics *d)
{
	static const char *const mounts[] = {"/", "/run", ENGINE_DIRECTORIES};
	_cleanup_close_ int fd = open_directory("/sys/class/block");
	struct file_dir dir = {.fd = fd};
	const char *name;
	unsigned char type;

	put_room(d, d->source.data ? d->source.data : "/data");
	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++)
		put_room(d, mounts[i]);
	diagnostics_put(d, "\nBlock devices; sizes in units of 512 bytes\n");
	if (fd < 0)
		diagnostics_put(d, "(%s)\n", strerror(-fd));
	while (fd >= 0 && (name = file_dir_next(&dir, &type)) && diagnostics_room(d) > 0)
		put_device(d, name);
	return 0;
}

int diagnostics_fill_versions(struct diagnostics *d)
{
	struct utsname name;

	diagnostics_put(d, "keel: %s\n", KEEL_VERSION);
	if (uname(&name) == 0)
		diagnostics_put(d, "kernel: %s %s %s\nhost name: %s\n", name.release, name.version,
			name.machine, name.nodename);
	diagnostics_put(d,
		"engine: its API's version is in health.json; each daemon says its own in its log\n\n");
	diagnostics_put_section(d, "/proc/version");
	diagnostics_put_section(d, "/proc/sys/kernel/random/boot_id");
	diagnostics_put_section(d, "/proc/uptime");
	diagnostics_put_section(d, "/etc/os-release");
	return 0;
}
