/* SPDX-License-Identifier: MIT
 *
 * group_kind.h - whose group is it, below base/containers? The only place where that is decided: for memory_groups.c, which
 * counts the living and the dead, and reclaim_worker.c, which passes the living by.
 */
#pragma once

#include <string.h>

#include "lib/base.h"

/* Docker's name for a container's group. */
static inline bool memory_is_container_id(const char *name)
{
	return strspn(name, "0123456789abcdef") == 64 && name[64] == '\0';
}

/* What a group below base/containers is. */
enum memory_group_kind {
	MEMORY_GROUP_EMPTY, /* no process is in it or below it: what is charged to it belongs to the dead */
	MEMORY_GROUP_LIVING, /* a container, or what is looked at as one; what lies below it is its own affair */
	MEMORY_GROUP_PARENT, /* a group of groups, as BuildKit's: it has the living below it */
};

#define MEMORY_GROUP_DEPTH \
	3 /* of groups with groups below base/containers; deeper ones are not told apart */

/* Of `name` in the directory, whose depth below base/containers is 1 for a group right below it. What cannot be read
 * might live. */
enum memory_group_kind memory_group_kind(int dir_fd, const char *name, unsigned int depth);
