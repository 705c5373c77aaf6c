/* SPDX-License-Identifier: MIT
 *
 * memory_read.h - the kernel's texts about memory, parsed. Pure and bounded; each is fuzzed. What is missing stays 0,
 * what is no number, or too large for one, is as if it were missing. Texts are NUL-terminated; their last line is
 * ignored if it is cut.
 */
#pragma once

#include "agent/common/memory_facts.h"
#include "lib/base.h"

/* Bytes, but for the counters in pages. memory.stat: cgroup-v2.rst. `file` includes shmem; the lists do not. */
struct memory_stat {
	uint64_t anon, file, shmem, file_mapped, file_dirty, file_writeback;
	uint64_t inactive_file, active_file, slab_reclaimable, slab_unreclaimable;
	uint64_t refault_file, restore_file; /* pages */
};

/* 0; -EPROTO: no memory.stat at all (neither `file` nor `anon`). */
int memory_read_stat(const char *text, struct memory_stat *stat) MUST_CHECK;
/* Subtracts, never below 0. */
void memory_stat_subtract(struct memory_stat *from, const struct memory_stat *part);
/* What reclaim could take of it: file pages that are no tmpfs, and slab. */
uint64_t memory_stat_cache(const struct memory_stat *stat);

/* A pressure file, of memory or another resource (Documentation/accounting/psi.rst). Without a "full" line (that of cpu,
 * before Linux 5.13) its part is 0. 0 or -EPROTO. */
struct memory_pressure {
	unsigned int some_avg10_permille, full_avg10_permille;
	uint64_t some_us, full_us;
};
int memory_read_pressure(const char *text, struct memory_pressure *pressure) MUST_CHECK;

/* proc_meminfo(5), bytes. 0; -EPROTO: no MemTotal. */
struct memory_info {
	uint64_t total, free, available, buffers, cached, shmem, anon, slab_reclaimable,
		slab_unreclaimable;
	uint64_t swap_total, swap_free, dirty, writeback;
};
int memory_read_info(const char *text, struct memory_info *info) MUST_CHECK;

/* Adds up the free blocks of all nodes and zones. 0 or -EPROTO. */
int memory_read_buddyinfo(const char *text, uint64_t blocks[MEMORY_ORDERS]) MUST_CHECK;

/* /proc/zoneinfo: the pages that are free but wait in the per-cpu lists of all zones. 0; -EPROTO: no zone. */
int memory_read_zoneinfo(const char *text, uint64_t *pcp_pages) MUST_CHECK;

/* /sys/kernel/debug/lru_gen (Documentation/admin-guide/mm/multigen_lru.rst): the file pages of the group at `path` (as
 * the kernel says it, "/containers/ID") and of those below it in generations at least `age_ms` old, all nodes. 0;
 * -ENOENT: not there. */
int memory_read_lru_gen(const char *text, const char *path, uint64_t age_ms,
	uint64_t *pages) MUST_CHECK;

/* /proc/stat, first line, in ticks: all, and without idle and iowait. 0 or -EPROTO. */
int memory_read_cpu(const char *text, uint64_t *total, uint64_t *busy) MUST_CHECK;

/* cpu.stat and others of the form "key value": the value, or -ENOENT. */
int memory_read_key(const char *text, const char *key, uint64_t *value) MUST_CHECK;
/* The whole text is a decimal number: memory.current and others. 0 or -EPROTO ("max" is none). */
int memory_read_number(const char *text, uint64_t *value) MUST_CHECK;
