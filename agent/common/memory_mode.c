/* SPDX-License-Identifier: MIT
 *
 * memory_mode.c - see memory_mode.h. Callers: document_memory.c, metrics_memory.c, memory_body.c.
 */
#include "agent/common/memory_mode.h"

#include <assert.h>
#include <string.h>

static const char *const names[] = {
	[MEMORY_MODE_ADAPTIVE] = "adaptive",
	[MEMORY_MODE_GRADUAL] = "gradual",
	[MEMORY_MODE_DROPCACHE] = "dropcache",
	[MEMORY_MODE_OFF] = "off",
};

static_assert(ARRAY_SIZE(names) == MEMORY_MODES, "a name for each mode");

const char *memory_mode_name(enum memory_mode mode)
{
	return names[mode];
}

int memory_mode_find(const char *word, size_t len, enum memory_mode *mode)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strlen(names[i]) != len || memcmp(names[i], word, len) != 0)
			continue;
		*mode = (enum memory_mode)i;
		return 0;
	}
	return -ENOENT;
}
