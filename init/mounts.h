/* SPDX-License-Identifier: MIT
 *
 * mounts.h - the file systems that must be there before anything else. How they go away: unmount.h.
 */
#pragma once

#include "lib/control.h"

/* Mounts what is missing of the API file systems (what WSL mounted already is left alone), makes `/`
 * shared and the links that programs expect. 0, or -errno and the culprit in `why`. */
int mounts_setup(enum boot_mode mode, char *why, size_t size) MUST_CHECK;
