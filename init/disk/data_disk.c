/* SPDX-License-Identifier: MIT
 *
 * data_disk.c - the effects of the policy's decisions, called by disk_stage.c and the verbs. Whatever fails leaves the disk
 * as it is; nothing is retried with more force.
 */
#include "init/disk/data_disk.h"

#include <fcntl.h>
#include <linux/ext4.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include "init/disk/command.h"
#include "init/disk/e2fsck.h"
#include "init/disk/mount_table.h"
#include "init/disk/reason.h"
#include "lib/file.h"
#include "lib/log.h"

#define E2FSCK "/usr/sbin/e2fsck"

/* Each with its reason; docs/data-disk.md has the figures.
 * noatime: reading images must not write; each access time would be a journal transaction and a block more in the disk's
 *   file on the host.
 * errors=remount-ro: after a metadata error every further write can make it worse, and panic would take the
 *   healthy part of the guest along.
 * Not discard: freed space is given back in batches (verb_trim.c).
 * The rest is ext4's default: data=ordered and barriers keep what was fsynced through a power cut. */
#define MOUNT_FLAGS   MS_NOATIME
#define MOUNT_OPTIONS "errors=remount-ro"

struct check {
	struct e2fsck_progress progress;
	data_disk_progress_fn *fn;
	void *ctx;
};

static void on_progress(void *ctx, const char *data, size_t len)
{
	struct check *check = ctx;

	if (e2fsck_progress_feed(&check->progress, data, len))
		check->fn(check->ctx, check->progress.permille);
}

enum disk_check data_disk_check(const char *device, data_disk_progress_fn *progress, void *ctx,
	int *status)
{
	/* -f: what led here may not have left the error flag, and then -p would only look at the superblock. */
	const char *const argv[] = {E2FSCK, "-f", "-p", "-C", COMMAND_PROGRESS_TEXT, device, NULL};
	struct check check = {.fn = progress, .ctx = ctx};
	struct command command = {.argv = argv, .progress = on_progress, .ctx = &check};

	*status = command_run(&command);
	log_info("e2fsck -f -p %s ended with %d: %s", device, *status, command.words);
	return e2fsck_judge(*status);
}

/* Of a directory that something is going to be mounted on: should that ever be unmounted by somebody, nobody is to write
 * into it instead, and fill the root's disk with data that nobody finds again. Where the file system cannot do that, it
 * is as without. */
static void set_immutable(const char *path, bool on)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int flags, wanted;

	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return;
	wanted = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
	if (wanted != flags && ioctl(fd, FS_IOC_SETFLAGS, &wanted) < 0)
		log_debug("%s: cannot change its flags: %m", path);
}

void data_disk_unguard(const char *mountpoint)
{
	set_immutable(mountpoint, false);
	set_immutable("/var/lib/docker", false);
	set_immutable("/var/lib/containerd", false);
}

/* Which directory above keeps `path` from being made: one that a disk was mounted on before. */
static void name_immutable(const char *path)
{
	char above[128];
	int flags;

	(void)snprintf(above, sizeof(above), "%s", path);
	for (char *end; (end = strrchr(above, '/')) && end > above;) {
		_cleanup_close_ int fd = -1;

		*end = '\0';
		fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
			continue;
		if (flags & FS_IMMUTABLE_FL)
			log_error(
				"%s cannot be made: %s is immutable since a disk was mounted on it; "
				"chattr -i %s",
				path, above, above);
		return;
	}
}

int data_disk_mount(const char *device, const char *mountpoint, bool rescue)
{
	int rc = file_make_dirs(mountpoint);

	if (rc == -EPERM)
		name_immutable(mountpoint);
	if (rc < 0)
		return rc;
	set_immutable(mountpoint, true);
	if (mount(device, mountpoint, "ext4", MOUNT_FLAGS | (rescue ? MS_RDONLY : 0),
		    rescue ? "noload" : MOUNT_OPTIONS) < 0)
		return -errno;
	return 0;
}

int data_disk_grow(const char *mountpoint, uint64_t device_bytes)
{
	/* The one ioctl that resize2fs makes of an online growth too. resize2fs would add a process, a look at the
	 * device while it is mounted, and messages to read. */
	_cleanup_close_ int fd = open(mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;
	uint64_t blocks;

	if (fd < 0 || fstatfs(fd, &fs) < 0)
		return -errno;
	blocks = device_bytes / (uint64_t)fs.f_bsize;
	return ioctl(fd, EXT4_IOC_RESIZE_FS, &blocks) < 0 ? -errno : 0;
}

/* 1 if `target` is a mount of `directory` of the file system that holds it, 0 if nothing is mounted
 * there, -EBUSY if something else is. */
static int check_bound(const char *mountpoint, const char *directory, const char *target)
{
	struct mount_entry disk, bound;
	char root[512];

	if (mount_table_find_target(target, &bound) < 0)
		return 0;
	if (mount_table_find_target(mountpoint, &disk) < 0)
		return -EBUSY;
	(void)snprintf(root, sizeof(root), "%s/%s", strcmp(disk.root, "/") == 0 ? "" : disk.root,
		directory);
	return bound.major == disk.major && bound.minor == disk.minor &&
			       strcmp(bound.root, root) == 0
		       ? 1
		       : -EBUSY;
}

static int bind_one(const char *mountpoint, const char *directory, const char *target, char *reason,
	size_t reason_size)
{
	char source[128];
	int rc = check_bound(mountpoint, directory, target);

	if (rc > 0)
		return 0;
	if (rc < 0)
		return REASON_FAIL(reason, reason_size, rc,
			"%s is a mount of something else; unmount it", target);
	(void)snprintf(source, sizeof(source), "%s/%s", mountpoint, directory);
	rc = file_make_dirs(source);
	if (rc == 0)
		rc = file_make_dirs(target);
	if (rc == 0)
		set_immutable(target, true);
	if (rc == 0 && mount(source, target, NULL, MS_BIND, NULL) < 0)
		rc = -errno;
	if (rc < 0)
		return REASON_FAIL(reason, reason_size, rc, "bind %s to %s: %s", source, target,
			strerror(-rc));
	return 0;
}

int data_disk_bind(const char *mountpoint, char *reason, size_t reason_size)
{
	int rc = bind_one(mountpoint, "docker", "/var/lib/docker", reason, reason_size);

	if (rc < 0)
		return rc;
	return bind_one(mountpoint, "containerd", "/var/lib/containerd", reason, reason_size);
}
