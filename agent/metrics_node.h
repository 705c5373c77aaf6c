/* SPDX-License-Identifier: MIT
 *
 * metrics_node.h - what the kernel counts for the whole VM, under the names of node-exporter and cAdvisor and with their
 * meaning. Pure; what is read is read by metrics.c.
 */
#pragma once

#include "agent/common/memory_read.h"
#include "agent/metrics_text.h"

enum metrics_pressure { METRICS_CPU, METRICS_IO, METRICS_MEMORY, METRICS_PRESSURES };

/* Of /proc/vmstat, in its order of `metrics_vmstat_keys`. */
#define METRICS_VMSTAT 7

struct metrics_node {
	bool info_known, pressure_known[METRICS_PRESSURES], vmstat_known[METRICS_VMSTAT],
		load_known;
	struct memory_info info;
	struct memory_pressure pressure[METRICS_PRESSURES];
	uint64_t vmstat[METRICS_VMSTAT];
	uint64_t load_centi[3]; /* of the last 1, 5 and 15 minutes, times 100 */
	uint64_t boot_s;        /* Unix time, 0: not known */
	uint64_t time_us;       /* Unix time */
	unsigned int cpus;      /* that are online, 0: not known */
	bool camel_case; /* with the names that Prometheus' own lint does not like, see below */
};

extern const char *const metrics_vmstat_keys[METRICS_VMSTAT];

/* /proc/loadavg (proc_loadavg(5)). 0 or -EPROTO. */
int metrics_read_load(const char *text, uint64_t load_centi[3]) MUST_CHECK;

/* Six of node-exporter's names have a capital letter behind a small one (node_memory_MemTotal_bytes), which
 * `promtool check metrics` refuses. Their values are told as machine_ and keel_memory_ too; under these names only if they are
 * asked for. */
void metrics_put_node(struct metrics_text *text, const struct metrics_node *node);
