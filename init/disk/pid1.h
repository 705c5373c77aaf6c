/* SPDX-License-Identifier: MIT
 *
 * pid1.h - what a job asks of PID 1 (lib/control.h), each with a deadline. Blocks.
 *
 * Without a PID 1 of keel's (run by hand elsewhere) connecting fails, which callers take for "nothing is up here".
 */
#pragma once

#include "lib/control.h"

/* False if who listens is PID 1 of another PID namespace (init --fallback, seen from a session): its processes and mounts are
 * not ours to work with. */
bool pid1_is_ours(void);

/* One request that changes something. 0 or -errno of the connection or of the answer. */
int pid1_request(enum control_verb verb, const char *unit) MUST_CHECK;

/* Follows the records until `done` says so of one of them; it sees each record at the beginning and then each that
 * changes. 0, -ETIMEDOUT, or -errno. */
int pid1_watch(bool (*done)(void *ctx, const struct control_record *record), void *ctx,
	unsigned int seconds) MUST_CHECK;
