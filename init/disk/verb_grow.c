/* SPDX-License-Identifier: MIT
 *
 * verb_grow.c - `keel-disk grow`. The agent runs it when the capacity of the device grew. What the kernel did is read back
 * from the superblock, not assumed.
 */
#include <string.h>

#include "init/disk/data_disk.h"
#include "init/disk/disk_pick.h"
#include "init/disk/verbs.h"

static int succeed(struct job *job, const char *device, uint64_t old_bytes, uint64_t new_bytes)
{
	yyjson_mut_doc *doc;
	yyjson_mut_val *result = job_result_new(&doc);

	if (result) {
		job_add_text(doc, result, "device", device);
		(void)yyjson_mut_obj_add_uint(doc, result, "old_bytes", old_bytes);
		(void)yyjson_mut_obj_add_uint(doc, result, "new_bytes", new_bytes);
	}
	if (old_bytes == new_bytes)
		return job_succeed(job, doc, "%s: the file system is as large as its device\n",
			device);
	return job_succeed(job, doc, "%s: the file system grew from %llu to %llu MiB\n", device,
		(unsigned long long)(old_bytes >> 20), (unsigned long long)(new_bytes >> 20));
}

int verb_grow(struct job *job)
{
	int status, rc;
	const struct disk_facts *disk = disk_pick_mounted(job, &status);
	uint64_t old_bytes;
	char device[32];

	if (!disk)
		return status;
	old_bytes = disk->superblock.size_bytes;
	memcpy(device, disk->device, sizeof(device));
	if (disk->mounted_read_only)
		return job_fail(job, "read-only",
			"%s is mounted read-only and cannot grow: keelctl disk repair", device);
	if (disk->size_bytes < old_bytes + DISK_GROW_MIN)
		return succeed(job, device, old_bytes, old_bytes);
	job_progress(job, "grow", 0);
	rc = data_disk_grow(job->config->disk.mountpoint, disk->size_bytes);
	if (rc < 0)
		return job_fail(job, "failed",
			"%s did not grow: %s; see dmesg for the kernel's reason", device,
			strerror(-rc));
	disk = disk_pick_mounted(job, &status);
	if (!disk)
		return status;
	return succeed(job, device, old_bytes, disk->superblock.size_bytes);
}
