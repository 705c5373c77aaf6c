/* SPDX-License-Identifier: MIT
 *
 * bytes.h - sizes as people type them. Pure.
 */
#pragma once

#include "lib/base.h"

/* "4096", "512M": a number above 0, with K, M, G or T for powers of 1024. 0 or -EINVAL. */
int bytes_parse(const char *text, uint64_t *bytes) MUST_CHECK;
