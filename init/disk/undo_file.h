/* SPDX-License-Identifier: MIT
 *
 * undo_file.h - where a repair notes what it overwrites, so that it can be taken back (e2undo(8)).
 */
#pragma once

#include "lib/base.h"

#define UNDO_DIRECTORY \
	"/var/lib/keel/undo" /* on the root file system: not on the disk that is repaired */
#define UNDO_KEEP 2          /* the newest; older ones are removed */

/* What a repair may overwrite: all the metadata, of which inode tables are the most (1.6 %), and some room. */
uint64_t undo_file_need(uint64_t fs_bytes);

/* Chooses the path of a new one and sees to it that there is room. 0; -ENOSPC or another -errno with a sentence that
 * says the way out. */
int undo_file_prepare(const char *uuid, uint64_t fs_bytes, char *path, size_t path_size,
	char *reason, size_t reason_size) MUST_CHECK;

/* Removes all but the newest UNDO_KEEP. */
void undo_file_tidy(void);
