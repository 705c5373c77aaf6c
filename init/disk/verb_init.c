/* SPDX-License-Identifier: MIT
 *
 * verb_init.c - `keel-disk init --uuid IDENTITY DEVICE`: the only way to format what is not blank. It wants the identity of
 * what is there now (identity.h), which `keel-disk list` shows, and touches nothing that somebody uses.
 *
 * Killed before the first signature is wiped, the content is what it was. Then the disk is a half-made one that
 * disk_format.h describes, and init can be run again with the identity that it has then.
 */
#include <blkid/blkid.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>

#include "init/disk/disk_format.h"
#include "init/disk/disk_lock.h"
#include "init/disk/disk_pick.h"
#include "init/disk/engine_hold.h"
#include "init/disk/identity.h"
#include "init/disk/verbs.h"
#include "lib/log.h"

#define SIGNATURES_MAX 64 /* on one disk; more is no disk but an attack on our patience */

/* Every signature that libblkid knows, one after the other. 0 or -errno. */
static int wipe_all(const char *device)
{
	/* O_EXCL: nobody has it mounted or in a device mapper, here or in another namespace. */
	_cleanup_close_ int fd = open(device, O_RDWR | O_EXCL | O_CLOEXEC);
	blkid_probe probe;
	int rc = 1;

	if (fd < 0)
		return -errno;
	probe = blkid_new_probe();
	if (!probe)
		return -ENOMEM;
	if (blkid_probe_set_device(probe, fd, 0, 0) < 0) {
		blkid_free_probe(probe);
		return -EIO;
	}
	(void)blkid_probe_enable_superblocks(probe, 1);
	(void)blkid_probe_set_superblocks_flags(probe,
		BLKID_SUBLKS_MAGIC | BLKID_SUBLKS_TYPE | BLKID_SUBLKS_BADCSUM);
	(void)blkid_probe_enable_partitions(probe, 1);
	(void)blkid_probe_set_partitions_flags(probe, BLKID_PARTS_MAGIC | BLKID_PARTS_FORCE_GPT);
	for (int i = 0; i < SIGNATURES_MAX; i++) {
		rc = blkid_do_probe(probe);
		if (rc != 0 || blkid_do_wipe(probe, 0) != 0)
			break;
	}
	blkid_free_probe(probe);
	if (rc != 1 || fsync(fd) < 0)
		return -EIO;
	/* The partitions of a table that is gone are gone. A device that takes none says EINVAL. */
	(void)ioctl(fd, BLKRRPART);
	return 0;
}

/* 0, or the exit status: told. */
static int check_device(struct job *job, const struct disk_facts *disk)
{
	char identity[IDENTITY_TEXT];
	int rc;

	if (disk->exclusion != DISK_EXCLUSION_NONE)
		return job_fail(job, "in-use", "%s is %s%s%s: nothing was done", disk->device,
			disk_exclusion_name(disk->exclusion), disk->exclusion_detail[0] ? ", " : "",
			disk->exclusion_detail);
	if (disk->size_bytes > DISK_SIZE_MAX)
		return job_fail(job, "too-large", "%s is larger than 64 TiB: nothing was done",
			disk->device);
	rc = identity_read(disk, identity);
	if (rc < 0)
		return job_fail(job, "read-error", "%s cannot be read: %s", disk->device,
			strerror(-rc));
	if (strcasecmp(identity, job->options.uuid) != 0)
		return job_fail(job, "identity",
			"the identity of %s is %s, not %s: nothing was done; if nothing of it is wanted, say --uuid %s",
			disk->device, identity, job->options.uuid, identity);
	return 0;
}

static int succeed(struct job *job, const char *device, const char *uuid, const char *words)
{
	yyjson_mut_doc *doc;
	yyjson_mut_val *result = job_result_new(&doc);

	if (result) {
		job_add_text(doc, result, "device", device);
		job_add_text(doc, result, "uuid", uuid);
		job_add_text(doc, result, "label", job->config->disk.label);
		job_add_text(doc, result, "stage", words);
	}
	return job_succeed(job, doc, "%s: formatted, its UUID is %s\n%s%s", device, uuid, words,
		words[0] ? "\n" : "");
}

int verb_init(struct job *job)
{
	char reason[CONTROL_REASON_MAX], uuid[UUID_TEXT_SIZE], words[CONTROL_REASON_MAX] = "";
	_cleanup_close_ int lock = disk_lock_take(job->options.device, true);
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
	log_info("%s is to be formatted: its content is given up by name", disk->device);
	job_progress(job, "wipe", 0);
	rc = wipe_all(disk->device);
	if (rc < 0)
		return job_fail(job, rc == -EBUSY ? "in-use" : "failed", "%s cannot be wiped: %s",
			disk->device, strerror(-rc));
	job_progress(job, "format", 0);
	if (disk_format_run(disk, job->config->disk.label, false, uuid, reason, sizeof(reason)) < 0)
		return job_fail(job, "failed", "%s", reason);
	close_p(&lock);
	job_progress(job, "mount", 0);
	(void)!engine_hold_take_up(words, sizeof(words));
	return succeed(job, disk->device, uuid, words);
}
