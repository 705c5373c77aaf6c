/* SPDX-License-Identifier: MIT
 *
 * metrics_agent.c - see metrics_agent.h. Caller: metrics.c.
 */
#include "agent/metrics_agent.h"

#include <string.h>

/* Fields behind the name, which begin with the third (proc_pid_stat(5)). */
enum { FIELD_UTIME = 14, FIELD_STIME = 15, FIELD_STARTTIME = 22, FIELD_VSIZE = 23, FIELD_RSS = 24 };

int metrics_read_process(const char *text, uint64_t hertz, uint64_t page,
	struct metrics_process *process)
{
	/* The name, in parentheses, may have any character in it. */
	const char *p = strrchr(text, ')');
	uint64_t fields[FIELD_RSS + 1] = {0};
	int field = 2;

	if (!p || hertz == 0)
		return -EPROTO;
	for (p++; *p == ' ' && field < FIELD_RSS;) {
		field++;
		for (p++; *p && *p != ' '; p++)
			if (*p >= '0' && *p <= '9')
				fields[field] = fields[field] * 10 + (uint64_t)(*p - '0');
	}
	if (field < FIELD_RSS)
		return -EPROTO;
	process->known = true;
	process->cpu_us = (fields[FIELD_UTIME] + fields[FIELD_STIME]) * 1000000 / hertz;
	process->started_us = fields[FIELD_STARTTIME] * 1000000 / hertz;
	process->virtual_bytes = fields[FIELD_VSIZE];
	process->resident_bytes = fields[FIELD_RSS] * page;
	return 0;
}

void metrics_put_process(struct metrics_text *text, const struct metrics_process *process,
	uint64_t boot_us)
{
	if (process->known) {
		metrics_put_seconds(text, "process_cpu_seconds_total", "counter",
			"CPU time of the agent.", process->cpu_us);
		metrics_put_number(text, "process_resident_memory_bytes", "gauge",
			"Memory of the agent that is resident.", process->resident_bytes);
		metrics_put_number(text, "process_virtual_memory_bytes", "gauge",
			"Address space of the agent.", process->virtual_bytes);
		metrics_put_seconds(text, "process_start_time_seconds", "gauge",
			"When the agent was started, Unix time.", boot_us + process->started_us);
	}
	if (process->fds > 0)
		metrics_put_number(text, "process_open_fds", "gauge",
			"Descriptors that the agent has open.", process->fds);
	if (process->fds_max > 0)
		metrics_put_number(text, "process_max_fds", "gauge",
			"Descriptors that it may have open.", process->fds_max);
}

static void put_api(struct metrics_text *text, const struct metrics_doors *doors)
{
	static const char *const classes[] = {NULL, "1xx", "2xx", "3xx", "4xx", "5xx"};
	static const char name[] = "keel_api_requests_total";

	metrics_put_head(text, name, "counter", "Requests to the API, by the status they got.");
	for (size_t i = 1; i < ARRAY_SIZE(classes); i++)
		metrics_put_sample(text, name, "class", classes[i], doors->answers[i]);
	metrics_put_number(text, "keel_api_connections", "gauge", "Connections that are open.",
		doors->connections);
	metrics_put_number(text, "keel_api_streams", "gauge",
		"Of these, those with an answer that goes on: logs, events, jobs.", doors->streams);
	metrics_put_number(text, "keel_api_connections_total", "counter",
		"Connections of peers that are served.", doors->accepted);
	metrics_put_number(text, "keel_api_connections_busy_total", "counter",
		"Of these, those that were too many.", doors->busy);
	metrics_put_number(text, "keel_api_peers_refused_total", "counter",
		"Connections of peers that are not served.", doors->refused);
}

static void put_events(struct metrics_text *text, const struct metrics_doors *doors)
{
	metrics_put_number(text, "keel_events_total", "counter", "Events since the agent started.",
		doors->events);
	metrics_put_number(text, "keel_events_dropped_total", "counter",
		"Of these, those that were too long.", doors->events_dropped);
	metrics_put_number(text, "keel_events_followers", "gauge",
		"Streams of events that are open.", doors->followers);
}

static void put_proxy(struct metrics_text *text, const struct metrics_doors *doors)
{
	static const char name[] = "keel_docker_proxy_bytes_total";

	metrics_put_number(text, "keel_docker_proxy_connections", "gauge",
		"Connections to Docker's API through the agent.", doors->proxy_connections);
	metrics_put_number(text, "keel_docker_proxy_connections_total", "counter",
		"Such connections so far.", doors->proxy_accepted);
	metrics_put_number(text, "keel_docker_proxy_unavailable_total", "counter",
		"Of these, those for which dockerd did not answer.", doors->proxy_unavailable);
	metrics_put_number(text, "keel_docker_proxy_peers_refused_total", "counter",
		"Connections of peers that are not served.", doors->proxy_refused);
	metrics_put_head(text, name, "counter", "Bytes that were passed on.");
	metrics_put_sample(text, name, "to", "client", doors->proxy_bytes[0]);
	metrics_put_sample(text, name, "to", "engine", doors->proxy_bytes[1]);
}

void metrics_put_doors(struct metrics_text *text, const struct metrics_doors *doors)
{
	put_api(text, doors);
	put_events(text, doors);
	put_proxy(text, doors);
	metrics_put_number(text, "keel_report_connected", "gauge",
		"1 if a host listens to the report.", doors->report_connected);
	metrics_put_number(text, "keel_report_connects_total", "counter",
		"How often one was reached.", doors->report_connects);
}
