/* SPDX-License-Identifier: MIT
 *
 * memory_body.h - what somebody wants of the guest's memory: the bodies of POST /v1/memory/..., strictly read. Pure;
 * fuzzed. 0, or -EINVAL and in *why a sentence that says what is expected.
 */
#pragma once

#include "agent/common/memory_facts.h"
#include "lib/base.h"

#define MEMORY_BODY_TIMEOUT_MS     10000
#define MEMORY_BODY_TIMEOUT_MS_MAX 600000

/* {"bytes":N} or {"bytes":"all"}, with "timeout_ms":T or without. `bytes` UINT64_MAX: all. */
int memory_body_reclaim(const char *body, size_t len, uint64_t *bytes, unsigned int *timeout_ms,
	const char **why) MUST_CHECK;
/* {"bytes":N} or {"bytes":null}. `bytes` 0: none. */
int memory_body_target(const char *body, size_t len, uint64_t *bytes, const char **why) MUST_CHECK;
/* {"mode":WORD} */
int memory_body_mode(const char *body, size_t len, enum memory_mode *mode,
	const char **why) MUST_CHECK;
