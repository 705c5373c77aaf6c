/* SPDX-License-Identifier: MIT
 *
 * helper.h - what the stage helpers (keel-modules, keel-disk, keel-net) have in common when they
 * start.
 */
#pragma once

#include "lib/config.h"

/* Opens the log and loads the configuration. To be called before anything else is opened:
 * - STAGE_REPORT_FD is kept for reports: if nobody handed it over, /dev/null takes its place, so
 * that no other file gets that number and receives frames. It is made close-on-exec.
 * - As PID 1's child (STAGE_REPORT_FD is a socket) the log goes to /dev/kmsg, by hand to stderr.
 * Returns true for PID 1's child. */
bool helper_start(const char *name, struct config *config);

/* Applies an option of the form "SECTION.KEY=VALUE". 0, -EINVAL (form or value), -ENOENT (no such
 * key). */
int helper_set_option(struct config *config, const char *option) MUST_CHECK;
