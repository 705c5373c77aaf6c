/* SPDX-License-Identifier: MIT
 *
 * cgroup.c - see cgroup.h. Called by the cgroup stage, by service.c and by shutdown.c.
 */
#include "init/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "lib/file.h"

/* What the groups below use; `memory` and `pids` are what Docker's own limits need. */
static const char *const controllers[] = {"memory", "pids", "cpu", "io", "cpuset"};

/* The text of /proc/PID/cgroup: beside v2 a dozen v1 hierarchies may be mounted, each a line. */
#define PROC_CGROUP_MAX 4096

static int find_mount(struct cgroup *cgroup)
{
	static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		struct statfs fs;

		if (statfs(mounts[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC) {
			(void)snprintf(cgroup->mount, sizeof(cgroup->mount), "%s", mounts[i]);
			return 0;
		}
	}
	return -ENOTSUP;
}

/* The path after "0::" in the text of /proc/PID/cgroup (cgroups(7)), cut at its line end. */
static char *unified_path(char *text)
{
	for (char *line = text; line && *line;
		line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		if (strncmp(line, "0::", 3) == 0) {
			line[strcspn(line, "\n")] = '\0';
			return line + 3;
		}
	}
	return NULL;
}

/* 1 if we are in our own group already, 0 if not, or -errno. */
static int find_base(struct cgroup *cgroup)
{
	static const char own[] = "/keel/init";
	bool again;
	char text[PROC_CGROUP_MAX], path[384], *base;
	ssize_t len = file_read("/proc/self/cgroup", text, sizeof(text));
	size_t base_len;

	if (len < 0)
		return -ENOTSUP; /* no /proc/self/cgroup: a kernel without cgroups */
	base = unified_path(text);
	if (!base)
		return -ENOTSUP;
	base_len = strlen(base);
	/* After a re-exec we are in our own leaf already. */
	again = base_len >= sizeof(own) - 1 &&
		strcmp(base + base_len - (sizeof(own) - 1), own) == 0;
	if (again)
		base_len -= sizeof(own) - 1;
	if (base_len == 1)
		base_len = 0;
	if (base_len >= sizeof(cgroup->path))
		return -ENAMETOOLONG;
	memcpy(cgroup->path, base, base_len);
	cgroup->path[base_len] = '\0';
	(void)snprintf(path, sizeof(path), "%s%s", cgroup->mount, cgroup->path);
	cgroup->base_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup->base_fd < 0)
		return -errno;
	return again;
}

static int make_dir(int dir_fd, const char *name)
{
	if (mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

/* Switches the controllers on: all in one write, which costs the kernel one walk of the tree; if that
 * is refused one by one, because one that is missing must not cost the others. */
static void enable_controllers(int dir_fd, const char *control, char *missing, size_t size,
	bool *busy)
{
	char text[64] = "";
	int rc;

	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "+%s ",
			controllers[i]);
	if (file_write_at(dir_fd, control, text) == 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++) {
		(void)snprintf(text, sizeof(text), "+%s", controllers[i]);
		rc = file_write_at(dir_fd, control, text);
		if (rc == -EBUSY && busy)
			*busy = true;
		if (rc < 0 && missing && strlen(missing) + strlen(controllers[i]) + 2 < size)
			(void)snprintf(missing + strlen(missing), size - strlen(missing), " %s",
				controllers[i]);
	}
}

/* ---- what was there before us --------------------------------------------------------------------- */

#define REMAINS_DEPTH_MAX 16

/* Empty groups, the deepest first; one with a process stays, with those above it. */
/* NOLINTNEXTLINE(misc-no-recursion): at most REMAINS_DEPTH_MAX deep, under 2 KiB each */
static void remove_empty(int dir_fd, const char *name, unsigned int depth)
{
	_cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct file_dir dir = {.fd = fd};
	const char *below;
	unsigned char type;

	while (fd >= 0 && depth < REMAINS_DEPTH_MAX && (below = file_dir_next(&dir, &type)))
		if (type == DT_DIR)
			remove_empty(fd, below, depth + 1);
	(void)unlinkat(dir_fd, name, AT_REMOVEDIR);
}

/* A distro that is started again finds the groups of its last time where WSL keeps the VM, and containers theirs. They were
 * killed at the end, and a kernel that counts kills (kill_seq, since 6.14) would kill at once what is cloned into one. */
static void remove_remains(const struct cgroup *cgroup)
{
	static const char *const names[] = {
		"containers", "engine", "system", "user", "reclaim", "keel"};

	/* Without its `keel` no keel was here: then groups of these names are somebody else's. It goes last. */
	if (faccessat(cgroup->base_fd, "keel", F_OK, 0) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		remove_empty(cgroup->base_fd, names[i], 0);
}

/* All distros may share the root, and another of them may be a keel: whoever comes second lives one level deeper, because
 * to kill a group of ours must not kill one of theirs. */
#define NEIGHBOURS_MAX 8

/* A base below `top`. Its directory, or -errno. */
static int make_base(struct cgroup *cgroup, int top, unsigned int number)
{
	size_t len = strlen(cgroup->path);
	char name[16];
	int fd, rc;

	if (number > NEIGHBOURS_MAX || len + sizeof(name) >= sizeof(cgroup->path))
		return -EBUSY;
	(void)snprintf(name, sizeof(name), "keel-%u", number);
	rc = make_dir(top, name);
	if (rc < 0)
		return rc;
	enable_controllers(top, "cgroup.subtree_control", NULL, 0, NULL);
	fd = openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	(void)snprintf(cgroup->path + len, sizeof(cgroup->path) - len, "/%s", name);
	return fd;
}

static int avoid_neighbour(struct cgroup *cgroup)
{
	size_t len = strlen(cgroup->path);
	int top = cgroup->base_fd;

	for (unsigned int n = 2; cgroup_is_populated(cgroup->base_fd, "keel/init") == 1; n++) {
		if (cgroup->base_fd != top)
			close_p(&cgroup->base_fd);
		cgroup->path[len] = '\0';
		cgroup->base_fd = make_base(cgroup, top, n);
	}
	if (cgroup->base_fd != top)
		close_p(&top);
	return cgroup->base_fd < 0 ? cgroup->base_fd : 0;
}

static int join_own_group(const struct cgroup *cgroup)
{
	int rc = make_dir(cgroup->base_fd, "keel");

	if (rc == 0)
		rc = make_dir(cgroup->base_fd, "keel/init");
	if (rc == 0)
		rc = file_write_at(cgroup->base_fd, "keel/init/cgroup.procs", "0");
	return rc;
}

/* Why controllers could not be switched on. Whoever is above has to hand them on; with another process in our group
 * the kernel does not let us ("no internal processes", cgroup-v2.rst), and it is not ours to move. */
static void explain(const struct cgroup *cgroup, const char *missing, bool busy, char *why,
	size_t size)
{
	if (busy)
		(void)snprintf(why, size,
			"cgroup controllers not available:%s: other processes are in %s%s; their limits have no effect",
			missing, cgroup->mount, cgroup->path);
	else if (cgroup->path[0])
		(void)snprintf(why, size,
			"cgroup controllers not available:%s: not handed on to %s%s; their limits have no effect",
			missing, cgroup->mount, cgroup->path);
	else
		(void)snprintf(why, size,
			"cgroup controllers not available:%s; their limits have no effect",
			missing);
}

int cgroup_setup(struct cgroup *cgroup, char *why, size_t size)
{
	char missing[64] = "";
	bool busy = false;
	int rc;

	cgroup->base_fd = -1;
	cgroup->path[0] = '\0';
	rc = find_mount(cgroup);
	if (rc == 0)
		rc = find_base(cgroup);
	if (rc == 0 && cgroup->base_fd >= 0)
		rc = avoid_neighbour(cgroup);
	if (rc == 0 && cgroup->base_fd >= 0)
		remove_remains(cgroup);
	if (rc == -ENOTSUP)
		(void)snprintf(why, size,
			"no cgroup v2 hierarchy: services cannot be limited or stopped as a whole");
	else if (rc < 0)
		(void)snprintf(why, size,
			"no control group to be had in %s%s: %s; services cannot be limited or stopped as a whole",
			cgroup->mount, cgroup->path, strerror(-rc));
	if (rc < 0 || cgroup->base_fd < 0)
		return rc < 0 ? rc : -ENOTSUP;
	/* First out of the base: a group with controllers below it may hold no process of its own. */
	rc = join_own_group(cgroup);
	if (rc < 0) {
		(void)snprintf(why, size, "cannot make %s%s/keel/init: %s", cgroup->mount,
			cgroup->path, strerror(-rc));
		close_p(&cgroup->base_fd);
		return rc;
	}
	enable_controllers(cgroup->base_fd, "cgroup.subtree_control", missing, sizeof(missing),
		&busy);
	enable_controllers(cgroup->base_fd, "keel/cgroup.subtree_control", NULL, 0, NULL);
	if (missing[0] == '\0')
		return 0;
	explain(cgroup, missing, busy, why, size);
	return 1;
}

int cgroup_make_slice(const struct cgroup *cgroup, const char *slice)
{
	char path[96];

	if (cgroup->base_fd < 0)
		return -ENOTSUP;
	if (mkdirat(cgroup->base_fd, slice, 0755) < 0)
		return errno == EEXIST ? 0 : -errno;
	(void)snprintf(path, sizeof(path), "%s/cgroup.subtree_control", slice);
	enable_controllers(cgroup->base_fd, path, NULL, 0, NULL);
	return 0;
}

int cgroup_make(const struct cgroup *cgroup, const char *slice, const char *name)
{
	char path[96];
	int fd, rc = cgroup_make_slice(cgroup, slice);

	if (rc < 0)
		return rc;
	(void)snprintf(path, sizeof(path), "%s/%s", slice, name);
	/* One of the last time, in a slice that remove_remains() does not know. */
	(void)unlinkat(cgroup->base_fd, path, AT_REMOVEDIR);
	rc = make_dir(cgroup->base_fd, path);
	if (rc < 0)
		return rc;
	fd = openat(cgroup->base_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* Its part of what the slice is protected with; of a slice without protection that is nothing. Not memory.min,
	 * which would withstand a reclaim of the slice itself. */
	(void)!file_write_at(fd, "memory.low", "max");
	return fd;
}

int cgroup_kill(int dir_fd, const char *name)
{
	char path[128];

	if (dir_fd < 0)
		return -ENOTSUP;
	/* cgroup.kill is there since Linux 5.14, the oldest kernel that WSL still ships is 5.15. */
	(void)snprintf(path, sizeof(path), "%s%scgroup.kill", name, name[0] ? "/" : "");
	return file_write_at(dir_fd, path, "1");
}

/* One walk of cgroup_signal(). Who forks as fast as we read is not followed for ever. */
#define SIGNAL_DEPTH_MAX     16
#define SIGNAL_GROUPS_MAX    4096
#define SIGNAL_PROCESSES_MAX 65536

struct signal_walk {
	int signal;
	unsigned int groups, processes;
};

static void signal_process(struct signal_walk *walk, pid_t pid)
{
	/* 0 stands for a process of another PID namespace, and is our own process group to kill(2). */
	if (pid > 1 && kill(pid, walk->signal) == 0)
		walk->processes++;
}

/* Numbers, one a line, of which a read may end in the middle. */
static int signal_members(struct signal_walk *walk, int group_fd)
{
	_cleanup_close_ int fd = openat(group_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	char text[512];
	ssize_t len;
	pid_t pid = 0;

	if (fd < 0)
		return -errno;
	while (walk->processes < SIGNAL_PROCESSES_MAX && (len = read(fd, text, sizeof(text))) > 0) {
		for (ssize_t i = 0; i < len; i++) {
			if (text[i] >= '0' && text[i] <= '9') {
				pid = pid * 10 + (text[i] - '0');
				continue;
			}
			signal_process(walk, pid);
			pid = 0;
		}
	}
	return 0;
}

static int signal_group(struct signal_walk *walk, int dir_fd, const char *name, unsigned int depth);

/* The groups below, depth first. */
static void signal_below(struct signal_walk *walk, int group_fd, unsigned int depth)
{
	struct file_dir dir = {.fd = group_fd};
	const char *name;
	unsigned char type;

	if (depth >= SIGNAL_DEPTH_MAX)
		return;
	while ((name = file_dir_next(&dir, &type)))
		if (type == DT_DIR)
			(void)!signal_group(walk, group_fd, name, depth + 1);
}

/* NOLINTNEXTLINE(misc-no-recursion): at most SIGNAL_DEPTH_MAX deep, under 2 KiB each */
static int signal_group(struct signal_walk *walk, int dir_fd, const char *name, unsigned int depth)
{
	_cleanup_close_ int fd = -1;
	int rc;

	if (walk->groups >= SIGNAL_GROUPS_MAX)
		return 0;
	walk->groups++;
	fd = openat(dir_fd, name[0] ? name : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = signal_members(walk, fd);
	signal_below(walk, fd, depth);
	return rc;
}

int cgroup_signal(int dir_fd, const char *name, int signal)
{
	struct signal_walk walk = {.signal = signal};
	int rc = dir_fd < 0 ? -ENOTSUP : signal_group(&walk, dir_fd, name, 0);

	return rc < 0 && walk.processes == 0 ? rc : (int)walk.processes;
}

int cgroup_is_populated(int dir_fd, const char *name)
{
	char path[128], text[128];
	ssize_t len;

	if (dir_fd < 0)
		return -ENOTSUP;
	(void)snprintf(path, sizeof(path), "%s%scgroup.events", name, name[0] ? "/" : "");
	len = file_read_at(dir_fd, path, text, sizeof(text));
	if (len < 0)
		return (int)len;
	return strstr(text, "populated 1") != NULL;
}

bool cgroup_is_occupied(int dir_fd, const char *name)
{
	return cgroup_is_populated(dir_fd, name) == 1 && cgroup_signal(dir_fd, name, 0) > 0;
}

bool cgroup_text_has(char *text, const char *base, const char *slice, const char *name)
{
	char expected[384];
	const char *path = unified_path(text);
	size_t len;

	(void)snprintf(expected, sizeof(expected), "%s/%s/%s", base, slice, name);
	len = strlen(expected);
	return path && strncmp(path, expected, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

bool cgroup_has_process(const struct cgroup *cgroup, const char *slice, const char *name, int pid)
{
	char file[32], text[PROC_CGROUP_MAX];

	if (cgroup->base_fd < 0)
		return false;
	(void)snprintf(file, sizeof(file), "/proc/%d/cgroup", pid);
	if (file_read(file, text, sizeof(text)) < 0)
		return false;
	return cgroup_text_has(text, cgroup->path, slice, name);
}
