/* SPDX-License-Identifier: MIT
 *
 * state_file.h - the health status as one word in a file, for prompts: reading it costs a shell no process and no
 * question. It is as old as the last change; when the agent ends, its unit removes it (ExecStopPost=).
 */
#pragma once

#include "agent/common/facts.h"

#define STATE_FILE "/run/keel/state"

/* Writes the word if it is another than last time. An error is logged once. */
void state_file_update(const struct facts *facts);
