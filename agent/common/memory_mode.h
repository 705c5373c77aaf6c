/* SPDX-License-Identifier: MIT
 *
 * memory_mode.h - the words for enum memory_mode: those of memory.mode in keel.conf(5).
 */
#pragma once

#include "agent/common/memory_facts.h"
#include "lib/base.h"

#define MEMORY_MODES (MEMORY_MODE_OFF + 1)

const char *memory_mode_name(enum memory_mode mode);
/* 0, or -ENOENT for a word that is none. */
int memory_mode_find(const char *word, size_t len, enum memory_mode *mode) MUST_CHECK;
