/* SPDX-License-Identifier: MIT
 *
 * metrics_node.c - see metrics_node.h. Caller: metrics.c. The meanings are those of node-exporter's collectors meminfo,
 * pressure, vmstat, loadavg, time and stat, and of cAdvisor's machine metrics.
 */
#include "agent/metrics_node.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

const char *const metrics_vmstat_keys[METRICS_VMSTAT] = {
	"oom_kill", "pgfault", "pgmajfault", "pgpgin", "pgpgout", "pswpin", "pswpout"};

static bool is_camel_case(const char *word)
{
	for (; word[1]; word++)
		if (islower((unsigned char)word[0]) && isupper((unsigned char)word[1]))
			return true;
	return false;
}

static void put_info(struct metrics_text *text, const struct memory_info *info, bool camel_case)
{
	const struct {
		const char *field;
		uint64_t value;
	} fields[] = {
		{"MemTotal", info->total},
		{"MemFree", info->free},
		{"MemAvailable", info->available},
		{"Buffers", info->buffers},
		{"Cached", info->cached},
		{"Shmem", info->shmem},
		{"AnonPages", info->anon},
		{"SReclaimable", info->slab_reclaimable},
		{"SUnreclaim", info->slab_unreclaimable},
		{"SwapTotal", info->swap_total},
		{"SwapFree", info->swap_free},
		{"Dirty", info->dirty},
		{"Writeback", info->writeback},
	};
	char name[64], help[64];

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (!camel_case && is_camel_case(fields[i].field))
			continue;
		(void)snprintf(name, sizeof(name), "node_memory_%s_bytes", fields[i].field);
		(void)snprintf(help, sizeof(help), "%s of /proc/meminfo.", fields[i].field);
		metrics_put_number(text, name, "gauge", help, fields[i].value);
	}
	metrics_put_number(text, "machine_memory_bytes", "gauge", "Memory of the VM.", info->total);
	metrics_put_number(text, "machine_swap_bytes", "gauge", "Swap of the VM.",
		info->swap_total);
	metrics_put_number(text, "keel_memory_free_bytes", "gauge", "Memory that nobody uses.",
		info->free);
	metrics_put_number(text, "keel_memory_available_bytes", "gauge",
		"Memory that programs can have without swapping.", info->available);
	metrics_put_number(text, "keel_memory_anon_bytes", "gauge",
		"Memory of processes, not of files.", info->anon);
	metrics_put_number(text, "keel_memory_swap_free_bytes", "gauge", "Swap that nobody uses.",
		info->swap_free);
}

static void put_pressure(struct metrics_text *text, const char *resource,
	const struct memory_pressure *pressure, bool stalls)
{
	char name[64], help[96];

	(void)snprintf(name, sizeof(name), "node_pressure_%s_waiting_seconds_total", resource);
	(void)snprintf(help, sizeof(help), "Time in which some task waited for %s.", resource);
	metrics_put_seconds(text, name, "counter", help, pressure->some_us);
	if (!stalls)
		return;
	(void)snprintf(name, sizeof(name), "node_pressure_%s_stalled_seconds_total", resource);
	(void)snprintf(help, sizeof(help), "Time in which no task could go on for want of %s.",
		resource);
	metrics_put_seconds(text, name, "counter", help, pressure->full_us);
}

static void put_pressures(struct metrics_text *text, const struct metrics_node *node)
{
	static const char *const names[] = {"cpu", "io", "memory"};

	for (size_t i = 0; i < METRICS_PRESSURES; i++)
		if (node->pressure_known[i])
			/* Of the processors as a whole "full" means nothing (Documentation/accounting/psi.rst). */
			put_pressure(text, names[i], &node->pressure[i], i != METRICS_CPU);
}

static void put_vmstat(struct metrics_text *text, const struct metrics_node *node)
{
	char name[64], help[64];

	for (size_t i = 0; i < METRICS_VMSTAT; i++) {
		if (!node->vmstat_known[i])
			continue;
		(void)snprintf(name, sizeof(name), "node_vmstat_%s", metrics_vmstat_keys[i]);
		(void)snprintf(help, sizeof(help), "%s of /proc/vmstat.", metrics_vmstat_keys[i]);
		metrics_put_number(text, name, "untyped", help, node->vmstat[i]);
	}
}

static void put_loads(struct metrics_text *text, const uint64_t load_centi[3])
{
	static const char *const names[] = {"node_load1", "node_load5", "node_load15"};
	static const char *const helps[] = {"Load average of the last minute.",
		"Load average of the last 5 minutes.", "Load average of the last 15 minutes."};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		metrics_put_head(text, names[i], "gauge", helps[i]);
		metrics_put(text, "%s %llu.%02llu\n", names[i],
			(unsigned long long)(load_centi[i] / 100),
			(unsigned long long)(load_centi[i] % 100));
	}
}

void metrics_put_node(struct metrics_text *text, const struct metrics_node *node)
{
	if (node->info_known)
		put_info(text, &node->info, node->camel_case);
	put_pressures(text, node);
	put_vmstat(text, node);
	if (node->load_known)
		put_loads(text, node->load_centi);
	if (node->boot_s > 0)
		metrics_put_number(text, "node_boot_time_seconds", "gauge",
			"When the kernel was booted, Unix time.", node->boot_s);
	metrics_put_seconds(text, "node_time_seconds", "gauge", "The clock, Unix time.",
		node->time_us);
	if (node->cpus > 0)
		metrics_put_number(text, "machine_cpu_cores", "gauge",
			"Logical processors that are online.", node->cpus);
}

/* "12.34" in hundredths. */
static int read_centi(const char **text, uint64_t *centi)
{
	uint64_t value = 0;
	size_t digits = 0;

	for (; **text >= '0' && **text <= '9' && digits < 12; (*text)++, digits++)
		value = value * 10 + (uint64_t)(**text - '0');
	if (digits == 0 || **text != '.')
		return -EPROTO;
	(*text)++;
	for (digits = 0; digits < 2; (*text)++, digits++) {
		if (**text < '0' || **text > '9')
			return -EPROTO;
		value = value * 10 + (uint64_t)(**text - '0');
	}
	*centi = value;
	return 0;
}

int metrics_read_load(const char *text, uint64_t load_centi[3])
{
	for (size_t i = 0; i < 3; i++) {
		int rc = read_centi(&text, &load_centi[i]);

		if (rc < 0 || *text != ' ')
			return -EPROTO;
		text++;
	}
	return 0;
}
