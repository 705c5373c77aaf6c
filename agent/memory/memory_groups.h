/* SPDX-License-Identifier: MIT
 *
 * memory_groups.h - the control groups' part of a look: who uses what, who has ended, who waits. Caller:
 * memory_gather.c.
 *
 * base/containers counts what its groups use and also what removed ones have left behind. So what no living group
 * uses is the dead ones'. The whole is read before its parts: what grows meanwhile makes the dead's share
 * smaller, never larger.
 */
#pragma once

#include "agent/common/memory_facts.h"
#include "agent/memory/memory_gather.h"
#include "lib/base.h"

/* `slab`: reclaimable, of the whole VM. `ages`: the text of lru_gen, if abilities has it. Not reentrant. */
void memory_groups_gather(const struct memory_paths *paths,
	const struct memory_abilities *abilities, uint64_t slab, const char *ages,
	struct reclaim_facts *facts, struct memory_names *names, struct memory_seen *seen);
