/* SPDX-License-Identifier: MIT
 *
 * verb_repair.c - `keel-disk repair`: everything that e2fsck can mend, with a way back, also of a disk that is in use.
 *
 *   1. the engine is stopped and its containers ended, if the disk is mounted (engine_hold.h)
 *   2. every mount of it is undone; of a device that is gone, lazily (unmount_all.h)
 *   3. e2fsck -f -y writes what it overwrites to an undo file; a second look, which changes nothing, says whether it is whole
 *   4. the disk stage runs again, which mounts it, and what was up is started
 *
 * A failure ends the repair with its reason and goes on with step 4. Killed, the next repair or the next boot goes on: a
 * device that is being repaired is not mounted, because it is locked (disk_lock.h) and e2fsck holds it exclusively, and an
 * e2fsck that outlives this process finishes its work. After a power cut in step 3 the file system is as damaged as
 * it was, or less.
 */
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "init/disk/command.h"
#include "init/disk/disk_lock.h"
#include "init/disk/disk_pick.h"
#include "init/disk/e2fsck.h"
#include "init/disk/engine_hold.h"
#include "init/disk/reason.h"
#include "init/disk/undo_file.h"
#include "init/disk/unmount_all.h"
#include "init/disk/verbs.h"

#define E2FSCK     "/usr/sbin/e2fsck"
#define ROUNDS_MAX 2 /* what the first leaves the second mends; a third was never of use */

struct repair {
	struct job *job;
	char device[32];
	char uuid[UUID_TEXT_SIZE];
	uint64_t fs_bytes;
	bool in_use; /* mounted where the data disk belongs, alive or dead */
	char superblock[24], block_size[24]; /* for -b and -B, "" if the first superblock will do */
	struct engine_hold hold;
	char undo[ROUNDS_MAX][128];
	unsigned int rounds;
	bool changed;
	const char *code;
	char message[JOB_MESSAGE];
	struct e2fsck_progress progress;
	const char *step;
};

/* Notes why it ends. */
#define GIVE_UP(repair_, code_, ...)                                                         \
	((repair_)->code = (code_),                                                          \
		(void)snprintf((repair_)->message, sizeof((repair_)->message), __VA_ARGS__), \
		false)

static void on_progress(void *ctx, const char *data, size_t len)
{
	struct repair *repair = ctx;

	if (e2fsck_progress_feed(&repair->progress, data, len))
		job_progress(repair->job, repair->step, repair->progress.permille);
}

/* ---- 1 and 2: free the disk -------------------------------------------------------------------- */

/* The device that is mounted where the data disk belongs; dead if the kernel does not know it any more. False: nothing is. */
static bool find_occupant(const struct repair *repair, unsigned int *major, unsigned int *minor,
	bool *dead)
{
	char path[64];

	if (unmount_find(repair->job->config->disk.mountpoint, major, minor) < 0)
		return false;
	(void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", *major, *minor);
	*dead = access(path, F_OK) < 0;
	return true;
}

static bool free_disk(struct repair *repair)
{
	unsigned int major, minor;
	char reason[CONTROL_REASON_MAX];
	bool dead;

	if (!repair->in_use)
		return true;
	job_progress(repair->job, "stop", 0);
	if (engine_hold_take(&repair->hold, reason, sizeof(reason)) < 0)
		return GIVE_UP(repair, "failed", "%s", reason);
	job_progress(repair->job, "unmount", 0);
	if (find_occupant(repair, &major, &minor, &dead) &&
		unmount_all(major, minor, dead, reason, sizeof(reason)) < 0)
		return GIVE_UP(repair, "in-use", "%s", reason);
	return true;
}

/* ---- 3: repair ------------------------------------------------------------------------------------ */

static int run_e2fsck(struct repair *repair, const char *step, const char *undo, bool look_only)
{
	const char *argv[16] = {E2FSCK, "-f", look_only ? "-n" : "-y", "-C", COMMAND_PROGRESS_TEXT};
	struct command command = {.argv = argv, .progress = on_progress, .ctx = repair};
	size_t n = 5;

	if (undo) {
		argv[n++] = "-z";
		argv[n++] = undo;
	}
	/* After the first round the first superblock is whole. */
	if (repair->superblock[0] && !look_only && repair->rounds == 0) {
		argv[n++] = "-b";
		argv[n++] = repair->superblock;
		argv[n++] = "-B";
		argv[n++] = repair->block_size;
	}
	argv[n] = repair->device;
	repair->step = step;
	repair->progress = (struct e2fsck_progress){0};
	job_progress(repair->job, step, 0);
	return command_run(&command);
}

static bool run_round(struct repair *repair)
{
	char *undo = repair->job->options.no_undo ? NULL : repair->undo[repair->rounds];
	char reason[CONTROL_REASON_MAX];
	int status, rc;

	rc = undo ? undo_file_prepare(repair->uuid, repair->fs_bytes, undo, sizeof(repair->undo[0]),
			    reason, sizeof(reason))
		  : 0;
	if (rc < 0) {
		undo[0] = '\0';
		return GIVE_UP(repair, rc == -ENOSPC ? "no-space" : "failed", "%s", reason);
	}
	status = run_e2fsck(repair, "repair", undo, false);
	if (undo && access(undo, F_OK) < 0)
		undo[0] = '\0'; /* nothing was written */
	undo_file_tidy();
	repair->rounds++;
	if (status != 0)
		repair->changed = true;
	if (e2fsck_judge(status) == DISK_CHECK_CANNOT_RUN)
		return GIVE_UP(repair, "failed",
			"e2fsck -f -y %s ended with %d; see the log for its words", repair->device,
			status);
	return true;
}

static bool mend(struct repair *repair)
{
	while (repair->rounds < ROUNDS_MAX) {
		if (!run_round(repair))
			return false;
		if (run_e2fsck(repair, "verify", NULL, true) == 0)
			return true;
	}
	return GIVE_UP(repair, "failed",
		"%s is still damaged after %u repairs: mount it read-only and copy what can be read (disk.damaged=read-only)",
		repair->device, repair->rounds);
}

static bool repair_device(struct repair *repair)
{
	_cleanup_close_ int lock = disk_lock_take(repair->device, true);

	if (lock == -EWOULDBLOCK)
		return GIVE_UP(repair, "busy", "%s is being worked on by another process",
			repair->device);
	if (lock < 0)
		return GIVE_UP(repair, "failed", "open %s: %s", repair->device, strerror(-lock));
	return mend(repair);
}

/* ---- what is to be repaired ---------------------------------------------------------------------- */

static bool choose_superblock(struct repair *repair, const struct disk_facts *disk)
{
	const struct superblock *superblock =
		disk->superblock.valid ? &disk->superblock : &disk->backup;

	if (!superblock->valid)
		return GIVE_UP(repair, "not-ext4",
			"%s holds no ext4 superblock, at none of the usual places: there is nothing that e2fsck could begin with",
			disk->device);
	repair->fs_bytes = superblock->size_bytes;
	(void)snprintf(repair->uuid, sizeof(repair->uuid), "%s", superblock->uuid);
	if (disk->superblock.valid)
		return true;
	(void)snprintf(repair->superblock, sizeof(repair->superblock), "%llu",
		(unsigned long long)(superblock->offset / superblock->block_size));
	(void)snprintf(repair->block_size, sizeof(repair->block_size), "%u",
		superblock->block_size);
	return true;
}

/* Nothing is unmounted that is not the data disk where it belongs. */
static bool check_use(struct repair *repair, const struct disk_facts *disk)
{
	unsigned int major, minor;
	bool dead = false;

	repair->in_use = disk->at_mountpoint;
	if (!disk->at_mountpoint && find_occupant(repair, &major, &minor, &dead) && dead)
		repair->in_use = true;
	if (disk->at_mountpoint || disk->exclusion == DISK_EXCLUSION_NONE ||
		disk->exclusion == DISK_EXCLUSION_SMALL)
		return true;
	return GIVE_UP(repair, "in-use", "%s is %s%s%s: it cannot be repaired now", disk->device,
		disk_exclusion_name(disk->exclusion), disk->exclusion_detail[0] ? ", " : "",
		disk->exclusion_detail);
}

static int succeed(struct repair *repair, bool mounted, const char *words)
{
	yyjson_mut_doc *doc;
	yyjson_mut_val *result = job_result_new(&doc);
	yyjson_mut_val *undo = result ? yyjson_mut_obj_add_arr(doc, result, "undo") : NULL;

	if (result) {
		job_add_text(doc, result, "device", repair->device);
		job_add_text(doc, result, "uuid", repair->uuid);
		(void)yyjson_mut_obj_add_bool(doc, result, "repaired", repair->changed);
		(void)yyjson_mut_obj_add_bool(doc, result, "mounted", mounted);
		job_add_text(doc, result, "stage", words);
	}
	for (unsigned int i = 0; undo && i < repair->rounds; i++)
		if (repair->undo[i][0])
			(void)yyjson_mut_arr_add_str(doc, undo, repair->undo[i]);
	return job_succeed(repair->job, doc, "%s: %s%s%s%s%s\n%s%s", repair->device,
		repair->changed ? "repaired" : "nothing to repair",
		repair->undo[0][0] ? "; to take that back, with the disk not mounted: e2undo " : "",
		repair->undo[0], repair->undo[0][0] ? " " : "",
		repair->undo[0][0] ? repair->device : "", words, words[0] ? "\n" : "");
}

int verb_repair(struct job *job)
{
	struct repair repair = {.job = job};
	char words[CONTROL_REASON_MAX] = "";
	int status, mounted;
	const struct disk_facts *disk = disk_pick_data(job, &status);
	bool done;

	if (!disk)
		return status;
	(void)snprintf(repair.device, sizeof(repair.device), "%s", disk->device);
	if (!check_use(&repair, disk) || !choose_superblock(&repair, disk))
		return job_fail(job, repair.code, "%s", repair.message);
	done = free_disk(&repair) && repair_device(&repair);
	/* Also after a failure: what can be up is to be up. */
	job_progress(job, "mount", 0);
	mounted = engine_hold_mount(words, sizeof(words));
	engine_hold_release(&repair.hold);
	if (!done)
		return job_fail(job, repair.code, "%s%s%s", repair.message,
			words[0] ? "; the disk stage says: " : "", words);
	return succeed(&repair, mounted > 0, words);
}
