/* SPDX-License-Identifier: MIT
 *
 * verb_status.c - `keel-disk status`: the data disk as it is now, without the agent: the devices are looked at, the policy is
 * asked, and the mounted file system is measured. Changes nothing.
 */
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "init/disk/disk_list.h"
#include "init/disk/verbs.h"

static void add_disk(yyjson_mut_doc *doc, yyjson_mut_val *result, const struct disk_facts *disk)
{
	job_add_text(doc, result, "device", disk->device);
	job_add_text(doc, result, "uuid", disk->uuid);
	(void)yyjson_mut_obj_add_uint(doc, result, "size_bytes", disk->size_bytes);
	(void)yyjson_mut_obj_add_bool(doc, result, "mounted", disk->at_mountpoint);
	(void)yyjson_mut_obj_add_bool(doc, result, "read_only", disk->mounted_read_only);
	(void)yyjson_mut_obj_add_uint(doc, result, "error_count", disk->superblock.error_count);
}

static void add_space(yyjson_mut_doc *doc, yyjson_mut_val *result, const struct statvfs *fs)
{
	const uint64_t unit = fs->f_frsize;

	(void)yyjson_mut_obj_add_uint(doc, result, "fs_bytes", fs->f_blocks * unit);
	(void)yyjson_mut_obj_add_uint(doc, result, "used_bytes",
		(fs->f_blocks - fs->f_bfree) * unit);
	(void)yyjson_mut_obj_add_uint(doc, result, "free_bytes", fs->f_bavail * unit);
	(void)yyjson_mut_obj_add_uint(doc, result, "inodes_total", fs->f_files);
	(void)yyjson_mut_obj_add_uint(doc, result, "inodes_free", fs->f_ffree);
}

int verb_status(struct job *job)
{
	static struct disk_scan scan; /* too large for the stack */
	struct disk_decision decision;
	const struct disk_facts *disk;
	char space[96] = "";
	struct statvfs fs;
	yyjson_mut_doc *doc;
	yyjson_mut_val *result;
	int rc = disk_list_decide(job, &scan, &decision);

	if (rc < 0)
		return job_fail(job, "failed", "/sys/class/block cannot be read: %s",
			strerror(-rc));
	disk = decision.index == DISK_INDEX_NONE ? NULL : &scan.disks[decision.index];
	result = job_result_new(&doc);
	if (result) {
		job_add_text(doc, result, "situation", disk_situation_name(decision.situation));
		job_add_text(doc, result, "action", disk_action_name(decision.action));
		job_add_text(doc, result, "reason", decision.reason);
	}
	if (result && disk)
		add_disk(doc, result, disk);
	if (disk && disk->at_mountpoint && statvfs(job->config->disk.mountpoint, &fs) == 0) {
		(void)snprintf(space, sizeof(space), "%llu of %llu MiB free\n",
			(unsigned long long)(fs.f_bavail * fs.f_frsize >> 20),
			(unsigned long long)(fs.f_blocks * fs.f_frsize >> 20));
		if (result)
			add_space(doc, result, &fs);
	}
	return job_succeed(job, doc, "%s%s%s: %s\n%s", disk ? disk->device : "", disk ? ": " : "",
		disk_situation_name(decision.situation), decision.reason, space);
}
