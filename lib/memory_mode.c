/* SPDX-License-Identifier: MIT
 *
 * memory_mode.c - see memory_mode.h. Callers: config.c; the agent's document_memory.c, metrics_memory.c, memory_body.c;
 * keelctl's memory.c.
 */
#include "lib/memory_mode.h"

#include <string.h>

const char *const memory_mode_words[MEMORY_MODES + 1] = {
	[MEMORY_MODE_ADAPTIVE] = "adaptive",
	[MEMORY_MODE_GRADUAL] = "gradual",
	[MEMORY_MODE_DROPCACHE] = "dropcache",
	[MEMORY_MODE_OFF] = "off",
};

const char *memory_mode_name(enum memory_mode mode)
{
	return memory_mode_words[mode];
}

int memory_mode_find(const char *word, size_t len, enum memory_mode *mode)
{
	for (size_t i = 0; i < MEMORY_MODES; i++) {
		if (strlen(memory_mode_words[i]) != len ||
			memcmp(memory_mode_words[i], word, len) != 0)
			continue;
		*mode = (enum memory_mode)i;
		return 0;
	}
	return -ENOENT;
}
