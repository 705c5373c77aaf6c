/* SPDX-License-Identifier: MIT
 *
 * data_disk.c - the effects of the policy's decisions, called by disk_stage.c. Whatever fails
 * leaves the disk as it is and ends in a sentence; nothing is retried with more force.
 *
 * Mount options: noatime, because reading images must not write (each access time is a journal
 * transaction and a block more in the host's VHDX); errors=remount-ro, because after a metadata
 * error every further write can make it worse, and panic would take the healthy part of the guest
 * along. The rest is ext4's default: data=ordered and barriers keep what was fsynced through a
 * power cut.
 */
#include "init/disk/data_disk.h"

#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "init/disk/command.h"
#include "init/disk/disk_policy.h"
#include "init/disk/mount_table.h"
#include "lib/file.h"
#include "lib/log.h"

#define MKE2FS "/usr/sbin/mke2fs"
#define E2FSCK "/usr/sbin/e2fsck"

#define FAIL(reason_, size_, rc_, ...) (snprintf((reason_), (size_), __VA_ARGS__), (rc_))

int data_disk_format(const char *device, const char *label, char *reason, size_t reason_size)
{
	/* -m 1: on a disk for data a reserve of 5 % is waste, but none at all fragments and leaves
	 * no room to clean up. lazy_itable_init: the kernel zeroes the inode tables later, and a
	 * blank disk has them zero already. nodiscard: there is nothing on it to give back. */
	const char *const argv[] = {MKE2FS, "-q", "-t", "ext4", "-L", label, "-m", "1", "-E",
		"lazy_itable_init=1,nodiscard", device, NULL};
	int status = command_run(argv);

	if (status < 0)
		return FAIL(reason, reason_size, status, "cannot run %s: %s", MKE2FS,
			strerror(-status));
	if (status != 0)
		return FAIL(reason, reason_size, -EIO,
			"mke2fs %s failed with status %d; see dmesg for its words", device, status);
	return 0;
}

int data_disk_check(const char *device, char *reason, size_t reason_size)
{
	const char *const argv[] = {E2FSCK, "-p", device, NULL};
	int status = command_run(argv);

	if (status < 0)
		return FAIL(reason, reason_size, status, "cannot run %s to check %s: %s", E2FSCK,
			device, strerror(-status));
	if (!disk_policy_check_passed(status))
		return FAIL(reason, reason_size, -EUCLEAN,
			"%s needs a decision (e2fsck -p ended with %d): copy the disk, then run "
			"e2fsck -f %s in the "
			"guest and reboot",
			device, status, device);
	log_info("e2fsck -p %s: %s", device, status == 0 ? "clean" : "repaired");
	return 0;
}

static int mount_ext4(const char *device, const char *mountpoint)
{
	if (mount(device, mountpoint, "ext4", MS_NOATIME, "errors=remount-ro") < 0)
		return -errno;
	return 0;
}

int data_disk_mount(const char *device, const char *mountpoint, bool check, char *reason,
	size_t reason_size)
{
	int rc = file_make_dirs(mountpoint);

	if (rc < 0)
		return FAIL(reason, reason_size, rc, "make directory %s: %s", mountpoint,
			strerror(-rc));
	if (check) {
		rc = data_disk_check(device, reason, reason_size);
		if (rc < 0)
			return rc;
	}
	rc = mount_ext4(device, mountpoint);
	if (rc < 0 && !check && rc != -EBUSY) {
		log_warning("mount %s on %s: %s; checking it", device, mountpoint, strerror(-rc));
		rc = data_disk_check(device, reason, reason_size);
		if (rc < 0)
			return rc;
		rc = mount_ext4(device, mountpoint);
	}
	if (rc < 0)
		return FAIL(reason, reason_size, rc,
			"mount %s on %s: %s; see dmesg for the kernel's reason", device, mountpoint,
			strerror(-rc));
	return 0;
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
		return FAIL(reason, reason_size, rc, "%s is a mount of something else; unmount it",
			target);
	(void)snprintf(source, sizeof(source), "%s/%s", mountpoint, directory);
	rc = file_make_dirs(source);
	if (rc == 0)
		rc = file_make_dirs(target);
	if (rc == 0 && mount(source, target, NULL, MS_BIND, NULL) < 0)
		rc = -errno;
	if (rc < 0)
		return FAIL(reason, reason_size, rc, "bind %s to %s: %s", source, target,
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
