/* SPDX-License-Identifier: MIT
 *
 * disk_list.h - `keel-disk list`.
 */
#pragma once

#include "init/disk/disk_scan.h"
#include "lib/config.h"

/* Prints every block device, why it is or is not a candidate, and what would be decided after the
 * deadline. 0 or -errno. */
int disk_list_print(const struct config *config,
	const struct disk_scan_options *options) MUST_CHECK;
