/* SPDX-License-Identifier: MIT
 *
 * verb_release.c - `keel-disk release`: lets go of a data disk that was taken away while it was mounted. The agent runs it when
 * it sees that; so the engine follows a disk that comes and goes without a restart of the system.
 *
 *   1. the engine is stopped, which stops its containers with their own signals (engine_hold.h)
 *   2. every mount of the dead file system is undone, lazily (unmount_all.h)
 *   3. the disk stage runs again: it waits for the disk, and decides anew about whatever comes
 *   4. what was up is wanted again: it starts when the stage is done
 *
 * A disk that is there is never let go of. Killed on the way, the next release or repair goes on.
 */
#include <stdio.h>
#include <string.h>

#include "init/disk/engine_hold.h"
#include "init/disk/pid1.h"
#include "init/disk/unmount_all.h"
#include "init/disk/verbs.h"

static int succeed(struct job *job, bool released)
{
	yyjson_mut_doc *doc;
	yyjson_mut_val *result = job_result_new(&doc);

	if (result)
		(void)yyjson_mut_obj_add_bool(doc, result, "released", released);
	return job_succeed(job, doc, "%s\n",
		released ? "the data disk that went away is let go of; waiting for it"
			 : "no data disk is mounted");
}

int verb_release(struct job *job)
{
	const char *mountpoint = job->config->disk.mountpoint;
	char reason[CONTROL_REASON_MAX], path[64];
	struct engine_hold hold = {0};
	unsigned int major, minor;
	int rc;

	if (unmount_find(mountpoint, &major, &minor) < 0)
		return succeed(job, false);
	(void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major, minor);
	if (access(path, F_OK) == 0)
		return job_fail(job, "in-use", "the disk on %s is there: nothing to let go of",
			mountpoint);
	job_progress(job, "stop", 0);
	rc = engine_hold_take(&hold, reason, sizeof(reason));
	if (rc == 0) {
		job_progress(job, "unmount", 0);
		rc = unmount_all(major, minor, true, reason, sizeof(reason));
	}
	/* Also after a failure: what can be up is to be up. -EALREADY: it waits already. */
	if (rc == 0 && (rc = pid1_request(CONTROL_VERB_RESTART_STAGE, "disk")) < 0 &&
		rc != -EALREADY)
		(void)snprintf(reason, sizeof(reason), "the disk stage does not run again: %s",
			strerror(-rc));
	engine_hold_release(&hold);
	if (rc < 0 && rc != -EALREADY)
		return job_fail(job, "failed", "%s", reason);
	return succeed(job, true);
}
