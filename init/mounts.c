/* SPDX-License-Identifier: MIT
 *
 * mounts.c - see mounts.h. A table says what; under WSL most of it is found done.
 */
#include "init/mounts.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "lib/file.h"
#include "lib/log.h"
#include "lib/log_files.h"

struct mount_entry {
	const char *source, *target, *type, *options;
	unsigned long flags;
	bool optional; /* the kernel may lack it */
};

#define NO_SUID_DEV_EXEC (MS_NOSUID | MS_NODEV | MS_NOEXEC)

static const struct mount_entry entries[] = {
	{"proc", "/proc", "proc", NULL, NO_SUID_DEV_EXEC, false},
	{"sysfs", "/sys", "sysfs", NULL, NO_SUID_DEV_EXEC, false},
	{"devtmpfs", "/dev", "devtmpfs", "mode=0755", MS_NOSUID, false},
	/* gid 5 is tty, as everywhere: grantpt(3) users expect it */
	{"devpts", "/dev/pts", "devpts", "gid=5,mode=0620,ptmxmode=0666", MS_NOSUID | MS_NOEXEC,
		false},
	{"tmpfs", "/dev/shm", "tmpfs", "mode=1777", MS_NOSUID | MS_NODEV, false},
	{"mqueue", "/dev/mqueue", "mqueue", NULL, NO_SUID_DEV_EXEC, true},
	{"tmpfs", "/run", "tmpfs", "mode=0755,size=20%", MS_NOSUID | MS_NODEV, false},
	{"tmpfs", "/tmp", "tmpfs", "mode=1777,size=25%", MS_NOSUID | MS_NODEV, true},
	{"cgroup2", "/sys/fs/cgroup", "cgroup2", "nsdelegate,memory_recursiveprot",
		NO_SUID_DEV_EXEC, true},
	{"bpf", "/sys/fs/bpf", "bpf", "mode=0700", NO_SUID_DEV_EXEC, true},
	/* The ages of pages, where MGLRU is on (agent/memory/memory_groups.c). For root alone. */
	{"debugfs", "/sys/kernel/debug", "debugfs", "mode=0700", NO_SUID_DEV_EXEC, true},
	{"securityfs", "/sys/kernel/security", "securityfs", NULL, NO_SUID_DEV_EXEC, true},
	/* Bounded by their sizes: a service that floods its log fills these and nothing else. What services
	 * write (lib/log_files.h), and what keel-log makes of it: three files for each service, which are two
	 * of 512 KiB for 36 that write as much as they may. */
	{"tmpfs", LOG_SPOOL_DIR, "tmpfs", "mode=0755,size=8m,nr_inodes=256", NO_SUID_DEV_EXEC,
		false},
	{"tmpfs", LOG_DIR, "tmpfs", "mode=0755,size=36m,nr_inodes=512", NO_SUID_DEV_EXEC, false},
};

/* A mount point is a directory on another device than its parent (or bound: mountinfo knows, but /proc
 * may not be there yet). */
static bool is_mount_point(const char *path)
{
	struct stat self, parent;
	char up[64];

	(void)snprintf(up, sizeof(up), "%s/..", path);
	return stat(path, &self) == 0 && stat(up, &parent) == 0 && self.st_dev != parent.st_dev;
}

static int mount_one(const struct mount_entry *entry)
{
	if (is_mount_point(entry->target))
		return 0;
	/* Fails where the parent file system makes its own directories (sysfs); mount(2) will tell. */
	(void)!file_make_dirs(entry->target);
	if (mount(entry->source, entry->target, entry->type, entry->flags, entry->options) == 0)
		return 0;
	/* An old kernel refuses an option it does not know: better without than not at all. */
	if (errno == EINVAL &&
		mount(entry->source, entry->target, entry->type, entry->flags, NULL) == 0)
		return 0;
	return -errno;
}

static void make_links(void)
{
	static const char *const links[][2] = {
		{"/proc/self/fd", "/dev/fd"}, {"fd/0", "/dev/stdin"}, {"fd/1", "/dev/stdout"},
		{"fd/2", "/dev/stderr"},
		{"../run", "/var/run"}, /* dockerd's socket is /var/run/docker.sock */
	};

	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		(void)!symlink(links[i][0], links[i][1]);
}

int mounts_setup(enum boot_mode mode, char *why, size_t size)
{
	/* The image may be booted with `ro`; the root must be writable for the links and /var. */
	if (mode == BOOT_MODE_VM && mount(NULL, "/", NULL, MS_REMOUNT, NULL) < 0)
		log_warning("cannot remount / read-write: %m");
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		int rc = mount_one(&entries[i]);

		if (rc == 0 || (entries[i].optional && (rc == -ENODEV || rc == -ENOENT ||
							       rc == -EBUSY || rc == -EPERM)))
			continue;
		(void)snprintf(why, size, "cannot mount %s on %s: %s", entries[i].type,
			entries[i].target, strerror(-rc));
		if (!entries[i].optional)
			return rc;
		log_warning("%s", why);
	}
	/* Sessions and containers live in mount namespaces cloned from ours: later mounts reach them. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) < 0)
		log_warning("cannot make / shared: %m");
	make_links();
	return 0;
}
