/* SPDX-License-Identifier: MIT
 *
 * reason.h - a failure and its sentence in one expression: `return REASON_FAIL(reason, size, rc, "...", ...)`.
 */
#pragma once

#include <stdio.h>

#define REASON_FAIL(reason_, size_, rc_, ...) (snprintf((reason_), (size_), __VA_ARGS__), (rc_))
