/* SPDX-License-Identifier: MIT
 *
 * unit_files.h - the unit files themselves, for systemctl cat, is-enabled and show.
 */
#pragma once

#include <stdio.h>

#include "lib/base.h"

/* Prints the unit's file and its drop-ins, each under its path, in the order in which they count. `name` is complete
 * ("docker.service", "docker.socket"). 0 or -ENOENT. */
int unit_files_print(FILE *out, const char *name) MUST_CHECK;

/* systemd's words: "enabled" (WantedBy=), "static" (without), "masked" (empty); NULL: no such file. */
const char *unit_files_state(const char *name);

#define UNIT_FILES_VALUE_MAX 1024

/* The value of the last `key` line in `section`, "" if there is none. Returns `value`. */
const char *unit_files_value(const char *name, const char *section, const char *key,
	char value[UNIT_FILES_VALUE_MAX]);
