/* SPDX-License-Identifier: MIT
 *
 * problem.h - errors as application/problem+json (RFC 9457), with a stable `code` for programs.
 */
#pragma once

#include "lib/base.h"

#define PROBLEM_DETAIL_MAX 512 /* escaped, with NUL */
#define PROBLEM_MAX        (2 * PROBLEM_DETAIL_MAX + 192)

/* The reason phrase of an HTTP status (RFC 9110), "Error" for one that keel does not use. */
const char *problem_title(int status);

/* {"type":"about:blank","title":…,"status":…,"code":…,"detail":…,"message":…} and a newline. Always
 * NUL-terminated; a detail that does not fit is cut. `code` is a plain word. The same text is also
 * in `message`, which is where Docker's clients look. Returns the length. */
size_t problem_format(char *buffer, size_t size, int status, const char *code, const char *detail);
