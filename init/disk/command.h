/* SPDX-License-Identifier: MIT
 *
 * command.h - runs one program to its end and logs what it says.
 */
#pragma once

#include "lib/base.h"

/* Runs argv[0] (an absolute path) with no input and a minimal environment. Its output, both
 * streams, is logged line by line, at most 100 lines. Blocks until it ends. Returns the exit status
 * (128 + N for signal N) or -errno if it could not be started. */
int command_run(const char *const argv[]) MUST_CHECK;
