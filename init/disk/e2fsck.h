/* SPDX-License-Identifier: MIT
 *
 * e2fsck.h - what e2fsck says: its exit status and its progress lines. Pure, no I/O.
 */
#pragma once

#include "init/disk/disk_policy.h"

/* `status` as command_run() gives it: an exit status, 128 + N for a signal, -errno if it never ran. The bits are
 * those of e2fsck(8): 1 corrected, 2 reboot needed, 4 left uncorrected, 8 operational error, 16 usage, 32
 * cancelled, 128 library error. The reboot bit is only set for a mounted file system, on which it never is to
 * run: not trusted. */
enum disk_check e2fsck_judge(int status);

/* `e2fsck -C FD` writes lines "PASS CURRENT MAXIMUM DEVICE\n". A zeroed struct is a parser at the beginning. */
struct e2fsck_progress {
	char line[96];
	size_t len; /* more than the array has: the line is too long and is skipped */
	unsigned int permille;
};

/* Takes what was read, in pieces of any size. True if `permille` (0 to 1000, never less than before) has grown. */
bool e2fsck_progress_feed(struct e2fsck_progress *progress, const char *data, size_t len);
