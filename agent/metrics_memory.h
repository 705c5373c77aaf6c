/* SPDX-License-Identifier: MIT
 *
 * metrics_memory.h - memory in the Prometheus text format, version 0.0.4 (prometheus.io, "Exposition formats"). Pure.
 *
 * What node-exporter has too has its name, so that dashboards fit; the rest begins with keel_.
 */
#pragma once

#include "agent/common/memory_facts.h"
#include "agent/common/memory_read.h"
#include "lib/base.h"

#define METRICS_MAX (128 * 1024) /* the most that is written takes half */

/* What the kernel counts for the whole VM. */
struct metrics_kernel {
	bool info_known, pressure_known, oom_kill_known;
	struct memory_info info;
	struct memory_pressure pressure;
	uint64_t oom_kill; /* since boot */
};

/* The length; 0: it did not fit. What is not known is left out. */
size_t metrics_write_memory(char *buffer, size_t size, const struct metrics_kernel *kernel,
	const struct memory_seen *seen);
