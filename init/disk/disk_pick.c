/* SPDX-License-Identifier: MIT
 *
 * disk_pick.c - see disk_pick.h. Called by the verbs. It guesses nothing: two that fit are an error that names both.
 */
#include "init/disk/disk_pick.h"

#include <string.h>
#include <strings.h>

static struct disk_scan
	scan; /* too large for the stack; a job looks at the devices again and again */

static bool look(struct job *job, int *status)
{
	int rc = disk_scan_run(&job->scan, &scan);

	if (rc < 0)
		*status = job_fail(job, "failed", "/sys/class/block cannot be read: %s",
			strerror(-rc));
	return rc == 0;
}

const char *disk_pick_uuid(const struct disk_facts *disk)
{
	if (disk->uuid[0] || !disk->backup.valid)
		return disk->uuid;
	return disk->backup.uuid;
}

static const char *label_of(const struct disk_facts *disk)
{
	return disk->label[0] || !disk->backup.valid ? disk->label : disk->backup.label;
}

const struct disk_facts *disk_pick_named(struct job *job, int *status)
{
	const char *device = job->options.device;

	job->scan.only_count = 1;
	job->scan.only[0] = device;
	if (!look(job, status))
		return NULL;
	for (size_t i = 0; i < scan.count; i++)
		if (strcmp(scan.disks[i].device, device) == 0)
			return &scan.disks[i];
	*status = job_fail(job, "no-such-device",
		"%s is no block device that the kernel knows; keelctl disk list shows all", device);
	return NULL;
}

static bool has_identity(const struct job *job, const struct disk_facts *disk)
{
	const struct config *config = job->config;

	if (disk->exclusion == DISK_EXCLUSION_NOT_NAMED || disk->exclusion == DISK_EXCLUSION_EMPTY)
		return false;
	if (job->options.uuid)
		return strcasecmp(disk_pick_uuid(disk), job->options.uuid) == 0;
	if (config->disk.uuid[0])
		return strcasecmp(disk_pick_uuid(disk), config->disk.uuid) == 0;
	return strcmp(label_of(disk), config->disk.label) == 0 &&
	       (disk->backup.valid || disk->superblock.valid);
}

static const struct disk_facts *pick_by_identity(struct job *job, int *status)
{
	const struct disk_facts *found = NULL;

	for (size_t i = 0; i < scan.count; i++) {
		const struct disk_facts *disk = &scan.disks[i];

		if (!has_identity(job, disk))
			continue;
		if (found) {
			*status = job_fail(job, "two-disks",
				"%s and %s both have the identity of the data disk: name the device that is meant",
				found->device, disk->device);
			return NULL;
		}
		found = disk;
	}
	if (!found)
		*status = job_fail(job, "not-found",
			"no disk has the identity of the data disk: name the device that is meant, keelctl disk list shows all");
	return found;
}

static const struct disk_facts *find_mounted(void)
{
	for (size_t i = 0; i < scan.count; i++)
		if (scan.disks[i].at_mountpoint)
			return &scan.disks[i];
	return NULL;
}

const struct disk_facts *disk_pick_data(struct job *job, int *status)
{
	const struct disk_facts *disk;

	if (job->options.device) {
		disk = disk_pick_named(job, status);
	} else {
		if (!look(job, status))
			return NULL;
		disk = find_mounted();
		if (!disk)
			disk = pick_by_identity(job, status);
	}
	if (!disk || !job->options.uuid || strcasecmp(disk_pick_uuid(disk), job->options.uuid) == 0)
		return disk;
	*status = job_fail(job, "identity", "the UUID of %s is %s, not %s: nothing was done",
		disk->device, disk_pick_uuid(disk)[0] ? disk_pick_uuid(disk) : "not known",
		job->options.uuid);
	return NULL;
}

const struct disk_facts *disk_pick_mounted(struct job *job, int *status)
{
	const struct disk_facts *disk;

	if (!look(job, status))
		return NULL;
	disk = find_mounted();
	if (!disk)
		*status = job_fail(job, "not-mounted",
			"the data disk is not mounted on %s; keelctl disk status says why",
			job->config->disk.mountpoint);
	return disk;
}
