/* SPDX-License-Identifier: MIT
 *
 * crash_log.h - the last words of a service: what its log says before its last process ended badly.
 */
#pragma once

#include "agent/common/facts.h"
#include "lib/base.h"

/* Did its last process end in a way that wants an explanation? Pure. */
bool crash_log_wanted(const struct control_service *service);

/* Fills facts->logs for each service that wants it, and empties the others. Reads files, never blocks.
 * True if anything changed. */
bool crash_log_read(struct facts *facts);
