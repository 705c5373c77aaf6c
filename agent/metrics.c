/* SPDX-License-Identifier: MIT
 *
 * metrics.c - see metrics.h. Caller: api.c. Reads some files of procfs when it is asked, never on a timer.
 */
#include "agent/metrics.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "agent/common/proxy.h"
#include "agent/common/system.h"
#include "agent/events.h"
#include "agent/http.h"
#include "agent/metrics_agent.h"
#include "agent/metrics_clock.h"
#include "agent/metrics_disk.h"
#include "agent/metrics_memory.h"
#include "agent/metrics_node.h"
#include "agent/metrics_services.h"
#include "agent/query.h"
#include "agent/report.h"
#include "lib/clock.h"
#include "lib/file.h"

#define PROC_TEXT_MAX (16 * 1024) /* /proc/vmstat has about 5 KiB */

static char file[PROC_TEXT_MAX];

static bool read_file(const char *path)
{
	return file_read(path, file, sizeof(file)) > 0;
}

/* What cannot be read, or is not there, stays unknown. */
static void read_node(struct metrics_node *node)
{
	static const char *const pressures[] = {
		"/proc/pressure/cpu", "/proc/pressure/io", "/proc/pressure/memory"};
	struct timespec now;

	*node = (struct metrics_node){0};
	node->info_known = read_file("/proc/meminfo") && memory_read_info(file, &node->info) == 0;
	for (size_t i = 0; i < METRICS_PRESSURES; i++)
		node->pressure_known[i] = read_file(pressures[i]) &&
					  memory_read_pressure(file, &node->pressure[i]) == 0;
	if (read_file("/proc/vmstat"))
		for (size_t i = 0; i < METRICS_VMSTAT; i++)
			node->vmstat_known[i] = memory_read_key(file, metrics_vmstat_keys[i],
							&node->vmstat[i]) == 0;
	node->load_known =
		read_file("/proc/loadavg") && metrics_read_load(file, node->load_centi) == 0;
	if (read_file("/sys/devices/system/cpu/online"))
		node->cpus = system_count_cpus(file);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	node->time_us = (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
	node->boot_s = (node->time_us - clock_now_us()) / USEC_PER_SEC;
}

static uint64_t count_fds(void)
{
	struct file_dir dir = {.fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	uint64_t count = 0;
	unsigned char type;

	if (dir.fd < 0)
		return 0;
	while (file_dir_next(&dir, &type))
		count++;
	close_p(&dir.fd);
	return count > 0 ? count - 1 : 0; /* without the one that looks */
}

static void read_process(struct metrics_process *process)
{
	struct rlimit limit;

	*process = (struct metrics_process){.fds = count_fds()};
	if (read_file("/proc/self/stat"))
		(void)!metrics_read_process(file, (uint64_t)sysconf(_SC_CLK_TCK),
			(uint64_t)sysconf(_SC_PAGESIZE), process);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		process->fds_max = limit.rlim_cur;
}

static void gather_doors(const struct metrics_sources *sources, struct metrics_doors *doors)
{
	const struct http_counts *counts = &sources->http->counts;
	const struct event_ring *ring = &sources->events->ring;

	*doors = (struct metrics_doors){.accepted = counts->accepted,
		.busy = counts->busy,
		.connections = sources->http->count,
		.streams = http_server_count_streams(sources->http),
		.events = ring->next - 1,
		.events_dropped = ring->dropped,
		.followers = sources->events->followers,
		.report_connected = sources->report->fd >= 0,
		.report_connects = sources->report->connects};
	for (size_t i = 0; i < ARRAY_SIZE(doors->answers); i++)
		doors->answers[i] = counts->answers[i];
	for (unsigned int i = 0; i < sources->doors; i++) {
		const struct proxy *proxy = &sources->proxies[i];

		doors->refused += sources->listeners[i].refused;
		doors->proxy_refused += proxy->listener.refused;
		doors->proxy_connections += proxy->count;
		doors->proxy_accepted += proxy->counts.accepted;
		doors->proxy_unavailable += proxy->counts.unavailable;
		proxy_add_bytes(proxy, doors->proxy_bytes);
	}
}

static int take_pair(void *ctx, const struct query_pair *pair)
{
	static const char names[] = "node-exporter";
	bool *camel_case = ctx;

	*camel_case = query_key_is(pair, "names") && pair->value_len == sizeof(names) - 1 &&
		      memcmp(pair->value, names, pair->value_len) == 0;
	return *camel_case ? 0 : -EINVAL;
}

int metrics_parse_query(const char *query, size_t len, bool *camel_case)
{
	*camel_case = false;
	return query_each(query, len, take_pair, camel_case);
}

const char *metrics_answer(const struct metrics_sources *sources, bool camel_case, size_t *len)
{
	static char buffer[METRICS_MAX];
	struct metrics_text text = {.buffer = buffer, .size = sizeof(buffer)};
	struct metrics_node node;
	struct metrics_process process;
	struct metrics_doors doors;

	read_node(&node);
	node.camel_case = camel_case;
	read_process(&process);
	gather_doors(sources, &doors);
	metrics_put_head(&text, "keel_build_info", "gauge", "The version of keel; always 1.");
	metrics_put_sample(&text, "keel_build_info", "version", KEEL_VERSION, 1);
	metrics_put_node(&text, &node);
	metrics_put_services(&text, sources->facts);
	metrics_put_disk(&text, sources->facts);
	metrics_put_memory(&text, &sources->facts->memory_seen);
	metrics_put_clock(&text, &sources->facts->clock);
	metrics_put_doors(&text, &doors);
	metrics_put_process(&text, &process, node.time_us - clock_now_us());
	*len = text.len;
	return text.full ? NULL : buffer;
}
