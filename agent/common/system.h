/* SPDX-License-Identifier: MIT
 *
 * system.h - what the kernel says when it is asked: memory, processors, clock, identity; and what the network
 * is to dockerd. Read when somebody wants
 * a document, never on a timer. Blocking reads of procfs only.
 */
#pragma once

#include "agent/common/facts.h"
#include "agent/common/memory_read.h"
#include "agent/common/network_facts.h"
#include "lib/base.h"

/* The kernel check's result, JSON, written by its own service. */
#define SYSTEM_KERNEL_CHECK     "/run/keel/kernel.json"
#define SYSTEM_KERNEL_CHECK_MAX (32 * 1024)

enum system_resource { SYSTEM_CPU, SYSTEM_MEMORY, SYSTEM_IO, SYSTEM_RESOURCES };

struct system_pressure {
	bool known; /* the kernel has PSI */
	struct memory_pressure of;
};

struct system_facts {
	uint64_t uptime_us;    /* CLOCK_BOOTTIME */
	uint64_t realtime_ms;  /* Unix time */
	uint64_t monotonic_us; /* CLOCK_MONOTONIC: the kernel's log, without the time asleep */
	char boot_id[40];
	char release[65];
	unsigned int cpus;         /* that are online */
	unsigned int cpus_usable;  /* that we may run on: affinity and cpuset */
	unsigned int cpus_present; /* with those that are there and offline */
	struct network_facts network;
	struct memory_info memory; /* of /proc/meminfo, what documents tell */
	struct system_pressure
		pressure[SYSTEM_RESOURCES]; /* of the whole VM; system_read_pressure */
	size_t kernel_check_len;            /* 0: none, or longer than SYSTEM_KERNEL_CHECK_MAX */
	char kernel_check[SYSTEM_KERNEL_CHECK_MAX + 1];
};

/* How many processors a list of the kernel's has: "0-3,8\n". 0: it is none. Pure. */
unsigned int system_count_cpus(const char *list);
/* What cannot be read stays empty. `known`: what PID 1 told, for what dockerd was started with. */
void system_read_facts(struct system_facts *system, const struct facts *known);
/* /proc/pressure, which only GET /v1/memory tells. */
void system_read_pressure(struct system_facts *system);
/* "cpu", "memory", "io". */
const char *system_resource_name(enum system_resource resource);
