/* SPDX-License-Identifier: MIT
 *
 * verb_adopt.c - `keel-disk adopt --uuid UUID DEVICE`: an ext4 that keel did not make gets keel's marker. It is mounted where
 * nobody sees it: on a mount that hangs in no directory and ends with this process, however that ends.
 */
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/syscall.h>

#include "init/disk/disk_lock.h"
#include "init/disk/disk_pick.h"
#include "init/disk/engine_hold.h"
#include "init/disk/marker_write.h"
#include "init/disk/verbs.h"

/* A descriptor of the root directory of the file system, mounted detached (fsmount(2)), or -errno. */
static int mount_detached(const char *device)
{
	_cleanup_close_ int context = (int)syscall(SYS_fsopen, "ext4", FSOPEN_CLOEXEC);
	int fd;

	if (context < 0 ||
		syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "source", device, 0) < 0 ||
		syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "errors", "remount-ro", 0) <
			0 ||
		syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOATIME);
	return fd < 0 ? -errno : fd;
}

static int write_marker(const char *device, const char *uuid)
{
	_cleanup_close_ int mounted = mount_detached(device);
	char path[40];

	if (mounted < 0)
		return mounted;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", mounted);
	return marker_write(path, uuid);
}

/* 0, or the exit status: told. */
static int check_device(struct job *job, const struct disk_facts *disk)
{
	const struct superblock *superblock = &disk->superblock;

	if (!superblock->valid || strcmp(disk->type, "ext4") != 0)
		return job_fail(job, "not-ext4", "%s holds no ext4 that could be adopted",
			disk->device);
	if (strcasecmp(disk->uuid, job->options.uuid) != 0)
		return job_fail(job, "identity", "the UUID of %s is %s, not %s: nothing was done",
			disk->device, disk->uuid, job->options.uuid);
	if (disk->exclusion != DISK_EXCLUSION_NONE)
		return job_fail(job, "in-use", "%s is %s%s%s: nothing was done", disk->device,
			disk_exclusion_name(disk->exclusion), disk->exclusion_detail[0] ? ", " : "",
			disk->exclusion_detail);
	if (superblock->error || superblock->unknown_incompat || superblock->unknown_ro)
		return job_fail(job, "needs-repair",
			"%s is damaged or of a newer kind: keelctl disk repair --uuid %s %s comes first",
			disk->device, disk->uuid, disk->device);
	if (disk->marker == DISK_MARKER_NEWER)
		return job_fail(job, "marker-newer",
			"%s was made by a later keel, whose rules are not known here: update this one",
			disk->device);
	return 0;
}

static int succeed(struct job *job, const struct disk_facts *disk, const char *words)
{
	const bool labelled = strcmp(disk->label, job->config->disk.label) == 0;
	yyjson_mut_doc *doc;
	yyjson_mut_val *result = job_result_new(&doc);

	if (result) {
		job_add_text(doc, result, "device", disk->device);
		job_add_text(doc, result, "uuid", disk->uuid);
		job_add_text(doc, result, "label", disk->label);
		job_add_text(doc, result, "stage", words);
	}
	return job_succeed(job, doc, "%s: adopted%s%s\n%s%s", disk->device,
		labelled ? "" : "; its label is another, so name it in keel.conf: disk.data=UUID=",
		labelled ? "" : disk->uuid, words, words[0] ? "\n" : "");
}

int verb_adopt(struct job *job)
{
	_cleanup_close_ int lock = disk_lock_take(job->options.device, true);
	char words[CONTROL_REASON_MAX] = "";
	const struct disk_facts *disk;
	int status = 0, rc;

	if (lock == -EWOULDBLOCK)
		return job_fail(job, "busy", "%s is being worked on by another process",
			job->options.device);
	disk = disk_pick_named(job, &status);
	if (!disk)
		return status;
	status = check_device(job, disk);
	if (status != 0)
		return status;
	rc = disk->marker == DISK_MARKER_VALID ? 0 : write_marker(disk->device, disk->uuid);
	if (rc < 0)
		return job_fail(job, "failed", "the marker of %s cannot be written: %s",
			disk->device, strerror(-rc));
	close_p(&lock);
	job_progress(job, "mount", 0);
	(void)!engine_hold_take_up(words, sizeof(words));
	return succeed(job, disk, words);
}
