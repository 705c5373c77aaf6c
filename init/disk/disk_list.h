/* SPDX-License-Identifier: MIT
 *
 * disk_list.h - what there is, and what would be decided after the deadline. Changes nothing, and does not read a disk for
 * blankness.
 */
#pragma once

#include "init/disk/job.h"

/* 0 or -errno. */
int disk_list_decide(const struct job *job, struct disk_scan *scan,
	struct disk_decision *decision) MUST_CHECK;
