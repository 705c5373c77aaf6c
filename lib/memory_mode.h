/* SPDX-License-Identifier: MIT
 *
 * memory_mode.h - the reclaim policies, and their words: those of memory.mode in keel.conf(5), of the API and of keelctl.
 */
#pragma once

#include "lib/base.h"

enum memory_mode {
	MEMORY_MODE_ADAPTIVE,
	MEMORY_MODE_GRADUAL,
	MEMORY_MODE_DROPCACHE,
	MEMORY_MODE_OFF
};

#define MEMORY_MODES (MEMORY_MODE_OFF + 1)

/* By mode, NULL after the last. */
extern const char *const memory_mode_words[MEMORY_MODES + 1];

const char *memory_mode_name(enum memory_mode mode);
/* 0, or -ENOENT for a word that is none. */
int memory_mode_find(const char *word, size_t len, enum memory_mode *mode) MUST_CHECK;
