/* SPDX-License-Identifier: MIT
 *
 * metrics_disk.h - the data disk as metrics: its file system under node-exporter's names, the rest as keel_disk_. Pure.
 */
#pragma once

#include "agent/common/facts.h"
#include "agent/metrics_text.h"

/* What is not known is left out. */
void metrics_put_disk(struct metrics_text *text, const struct facts *facts);
