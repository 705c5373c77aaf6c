/* SPDX-License-Identifier: MIT
 *
 * disk_stage.h - the disk stage: wait, scan, decide, act, report.
 */
#pragma once

#include "init/disk/disk_scan.h"
#include "lib/config.h"

/* Runs until the data disk is mounted and bound. Reports to PID 1 on the way. Returns 0 when it is,
 * or -errno if waiting itself is impossible (reported too). */
int disk_stage_run(const struct config *config, const struct disk_scan_options *options) MUST_CHECK;
