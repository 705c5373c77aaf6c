/* SPDX-License-Identifier: MIT
 *
 * dns_slot.c - see dns_slot.h. Caller: dns_forward.c.
 */
#include "agent/dns/dns_slot.h"

/* The one to give up of two; a free one is older than all. `count` stands for none. */
static size_t older(const struct dns_slot *slots, size_t count, size_t a, size_t b)
{
	if (a == count)
		return b;
	if (slots[a].used != slots[b].used)
		return slots[a].used ? b : a;
	return slots[b].number < slots[a].number ? b : a;
}

size_t dns_slot_choose(const struct dns_slot *slots, size_t count, uint32_t client, size_t share)
{
	size_t own = count, any = count, has = 0;

	for (size_t i = 0; i < count; i++) {
		any = older(slots, count, any, i);
		if (!slots[i].used || slots[i].client != client)
			continue;
		own = older(slots, count, own, i);
		has++;
	}
	return has >= share ? own : any;
}
