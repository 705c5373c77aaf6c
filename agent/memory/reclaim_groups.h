/* SPDX-License-Identifier: MIT
 *
 * reclaim_groups.h - what the policy remembers of each group: its floor, whether it is idle, what came back to it; and how
 * much may be taken at which depth. Pure; a part of reclaim_policy.c.
 */
#pragma once

#include "agent/memory/reclaim_policy.h"
#include "lib/base.h"

#define MIB (UINT64_C(1) << 20)

#define RECLAIM_PAGE  4096
#define RECLAIM_WORTH (4 * MIB) /* less is not taken */

enum reclaim_depth {
	RECLAIM_DEPTH_BALANCE, /* what the kernel would take before it looks at anything used twice */
	RECLAIM_DEPTH_QUARTER, /* inactive until a quarter of active is left, and slab */
	RECLAIM_DEPTH_ALL,
};

/* a - b, not below 0. */
uint64_t reclaim_less(uint64_t a, uint64_t b);
uint64_t reclaim_min(uint64_t a, uint64_t b);
uint64_t reclaim_max(uint64_t a, uint64_t b);

/* Bytes that may be taken without going below the floor. What is not written yet is not counted. */
uint64_t reclaim_takeable(const struct reclaim_group *group, enum reclaim_depth depth,
	uint64_t floor);

/* NULL: never seen. */
struct reclaim_known *reclaim_know(struct reclaim_state *state, uint64_t id);

/* Takes over counters, forgets who has gone and floors whose time is over, counts what came back since the last call. */
void reclaim_groups_look(struct reclaim_state *state, const struct reclaim_facts *facts);
/* Does little and needs no more cache than before. */
bool reclaim_group_is_calm(const struct reclaim_known *known, uint64_t now_us);
/* When it is calm unless it works again. */
uint64_t reclaim_group_calms_us(const struct reclaim_known *known);
/* Does nothing, for minutes. */
bool reclaim_group_is_idle(const struct reclaim_known *known, uint64_t now_us);
/* `floor` is what it needs. */
void reclaim_groups_learn(struct reclaim_known *known, uint64_t floor, uint64_t now_us);
/* An episode begins, or something ended within one: everybody may give again, at most what he has now. */
void reclaim_groups_renew(struct reclaim_state *state, const struct reclaim_facts *facts);
