/* SPDX-License-Identifier: MIT
 *
 * metrics_agent.h - the agent itself as metrics: its doors, and its process under the names that every Prometheus client
 * library has. Pure; what is counted is gathered by metrics.c. Counters begin anew with the agent.
 */
#pragma once

#include "agent/metrics_text.h"

struct metrics_process {
	bool known;                  /* of the next three */
	uint64_t cpu_us, started_us; /* started: CLOCK_BOOTTIME */
	uint64_t resident_bytes, virtual_bytes;
	uint64_t fds, fds_max; /* 0: not known */
};

struct metrics_doors {
	uint64_t answers[6]; /* by the first digit of the status */
	uint64_t accepted, busy, refused;
	uint64_t connections, streams;
	uint64_t events, events_dropped, followers;
	uint64_t proxy_connections, proxy_accepted, proxy_unavailable, proxy_refused;
	uint64_t proxy_bytes[2]; /* to the client, to the engine */
	uint64_t report_connected, report_connects;
};

/* /proc/PID/stat (proc_pid_stat(5)), with clock ticks of `hertz` a second and pages of `page` bytes. 0 or -EPROTO. */
int metrics_read_process(const char *text, uint64_t hertz, uint64_t page,
	struct metrics_process *process) MUST_CHECK;

/* `boot_us`: Unix time of CLOCK_BOOTTIME's zero. */
void metrics_put_process(struct metrics_text *text, const struct metrics_process *process,
	uint64_t boot_us);
void metrics_put_doors(struct metrics_text *text, const struct metrics_doors *doors);
