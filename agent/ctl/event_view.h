/* SPDX-License-Identifier: MIT
 *
 * event_view.h - one event of GET /v1/events as a line for people. Pure.
 */
#pragma once

#include "lib/base.h"

#define EVENT_VIEW_MAX 2048 /* a line, with its NUL */

/* "14:03:22.123 service  docker.service: active (was starting)", local time, clean for a terminal. An event of a kind that is
 * not known shows its members. 0, or -EINVAL: `json` is no object. */
int event_view_line(const char *kind, const char *json, size_t len,
	char line[EVENT_VIEW_MAX]) MUST_CHECK;
