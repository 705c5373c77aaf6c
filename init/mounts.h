/* SPDX-License-Identifier: MIT
 *
 * mounts.h - the file systems that must be there before anything else, and how they go away.
 */
#pragma once

#include "lib/control.h"

/* Mounts what is missing of the API file systems (what WSL mounted already is left alone), makes `/`
 * shared and the links that programs expect. 0, or -errno and the culprit in `why`. */
int mounts_setup(enum boot_mode mode, char *why, size_t size) MUST_CHECK;

/* Shutdown, blocking: unmounts below `data` and, in VM mode, everything but the API file systems
 * and `/`, in passes until no progress; what stays busy is remounted read-only. Returns the number of
 * file systems that could be neither unmounted nor made read-only. */
unsigned int mounts_teardown(enum boot_mode mode, const char *data);
