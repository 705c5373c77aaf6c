/* SPDX-License-Identifier: MIT
 *
 * health_disk.h - the data disk's part of the verdict, and how a check words what it found. Used by health.c only; for the
 * words see health.h. Pure.
 */
#pragma once

#include "agent/common/health.h"

/* Sets the verdict; always returns true, so that a check can end with it. */
bool health_object(struct health *health, enum health_status status, const char *format, ...)
	PRINTF(3, 4);
/* ": TEXT" or "". */
#define DETAIL(text) (text)[0] ? ": " : "", (text)

/* The disk is not there, not yet, or not usable: the engine cannot be ready. */
bool health_disk_objects(const struct facts *facts, struct health *health);
/* It goes on, but not as it should. */
bool health_disk_blemish(const struct facts *facts, struct health *health);
