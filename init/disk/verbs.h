/* SPDX-License-Identifier: MIT
 *
 * verbs.h - the jobs of keel-disk, one a file: verb_NAME.c. Each is called by main.c with the lock of jobs held and returns the
 * exit status; what it found is told by job_succeed() or job_fail().
 */
#pragma once

#include "init/disk/job.h"

/* Gives what is free in the mounted file system back to the disk's file, in pieces and politely. */
int verb_trim(struct job *job) MUST_CHECK;
/* Enlarges the mounted file system to its device. */
int verb_grow(struct job *job) MUST_CHECK;
/* Repairs the data disk with an undo file; it may be mounted and in use. */
int verb_repair(struct job *job) MUST_CHECK;
/* Lets go of a data disk that is gone: engine stopped, unmounted, waited for. */
int verb_release(struct job *job) MUST_CHECK;
/* Makes a new file system on a device whose present identity was typed back. */
int verb_init(struct job *job) MUST_CHECK;
/* Gives the marker to an ext4 that keel did not make. */
int verb_adopt(struct job *job) MUST_CHECK;
/* What there is, what would be decided. Without the lock: they change nothing. */
int verb_list(struct job *job) MUST_CHECK;
int verb_status(struct job *job) MUST_CHECK;
