/* SPDX-License-Identifier: MIT
 *
 * dns_slot.h - which of a fixed number of places a new query or connection gets, so that no client can take them all.
 * Pure.
 */
#pragma once

#include "lib/base.h"

struct dns_slot {
	bool used;
	uint32_t client; /* its address, in any order of bytes */
	uint64_t number; /* of the one that has it: the lowest is the oldest */
};

/* The client's own oldest if it has `share` already, else a free one, else the oldest of all. */
size_t dns_slot_choose(const struct dns_slot *slots, size_t count, uint32_t client, size_t share);
