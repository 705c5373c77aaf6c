/* SPDX-License-Identifier: MIT
 *
 * disk_trim.c - see disk_trim.h. Caller: disk.c.
 */
#include "agent/disk_trim.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "agent/common/memory_read.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"

void disk_trim_init(struct disk_trim *trim, bool enabled, struct facts *facts)
{
	*trim = (struct disk_trim){.enabled = enabled, .facts = facts};
	facts->disk_seen.trims.waiting = "";
}

static void count_from_now(struct disk_trim *trim, const struct disk_watch *watch)
{
	trim->begun_us = clock_now_us();
	trim->peak = trim->facts->disk_seen.space.used;
	trim->freed = 0;
	trim->freed_us = trim->begun_us;
	trim->written_kb = disk_watch_ext4_number(watch, "lifetime_write_kbytes");
}

void disk_trim_start(struct disk_trim *trim, const struct disk_watch *watch)
{
	trim->possible = disk_watch_takes_discards(watch);
	trim->trimmed = false;
	trim->failures = 0;
	trim->facts->disk_seen.trims.waiting = "";
	count_from_now(trim, watch);
}

/* Of those who have their data on the disk: the engine and its containers. The system's would count what waits for other
 * disks, and under WSL other distros. -1: not known. */
static int io_pressure(void)
{
	static const char *const slices[] = {"engine", "containers"};
	const char *base = getenv("KEEL_CGROUP");
	int most = -1;

	for (size_t i = 0; base && i < ARRAY_SIZE(slices); i++) {
		struct memory_pressure pressure;
		char path[512], text[256];

		(void)snprintf(path, sizeof(path), "/sys/fs/cgroup%s/%s/io.pressure", base,
			slices[i]);
		if (file_read(path, text, sizeof(text)) > 0 &&
			memory_read_pressure(text, &pressure) == 0 &&
			(int)pressure.some_avg10_permille / 10 > most)
			most = (int)pressure.some_avg10_permille / 10;
	}
	return most;
}

static struct trim_facts gather(const struct disk_trim *trim, const struct disk_watch *watch,
	bool job)
{
	const struct facts *facts = trim->facts;
	const struct disk_seen *seen = &facts->disk_seen;
	uint64_t written_kb = disk_watch_ext4_number(watch, "lifetime_write_kbytes");

	return (struct trim_facts){
		.enabled = trim->enabled,
		.possible = trim->possible,
		.writable = seen->watched && !seen->vanished && !seen->read_only &&
			    seen->errors.count == 0,
		.busy = facts->boot.state == BOOT_STATE_STARTING ||
			facts->boot.state == BOOT_STATE_STOPPING ||
			facts->engine.state == ENGINE_STATE_UNREACHABLE,
		.job = job,
		.trimmed = trim->trimmed,
		.failures = trim->failures,
		.since_us = clock_now_us() - trim->begun_us,
		.used = seen->space.used,
		.freed = trim->freed,
		.calm_us = clock_now_us() - trim->freed_us,
		.written =
			written_kb > trim->written_kb ? (written_kb - trim->written_kb) << 10 : 0,
		.io_pressure = -1,
	};
}

static void take_space(struct disk_trim *trim)
{
	uint64_t used = trim->facts->disk_seen.space.used, before = trim->freed;

	if (used > trim->peak)
		trim->peak = used;
	trim->freed = trim->peak - used;
	if (trim->freed > before)
		trim->freed_us = clock_now_us();
}

bool disk_trim_is_due(struct disk_trim *trim, const struct disk_watch *watch, bool job,
	uint64_t *again_us)
{
	struct disk_seen *seen = &trim->facts->disk_seen;
	struct trim_facts facts;
	enum trim_verdict verdict;

	take_space(trim);
	facts = gather(trim, watch, job);
	verdict = trim_policy(&facts, again_us);
	/* Asked for only when all else is said: most of the time nothing is to be trimmed. */
	if (verdict == TRIM_NOW) {
		facts.io_pressure = io_pressure();
		verdict = trim_policy(&facts, again_us);
	}
	seen->trims.waiting = trim_verdict_reason(verdict);
	if (verdict == TRIM_NOW)
		log_info("%s: %llu MiB were freed, %llu MiB written: giving space back",
			seen->kernel, (unsigned long long)facts.freed >> 20,
			(unsigned long long)facts.written >> 20);
	return verdict == TRIM_NOW;
}

void disk_trim_begin(struct disk_trim *trim, const struct disk_watch *watch)
{
	trim->facts->disk_seen.trims.running = true;
	trim->facts->disk_seen.trims.waiting = "";
	count_from_now(trim, watch);
}

void disk_trim_end(struct disk_trim *trim, const struct job_line *line)
{
	struct disk_trims *trims = &trim->facts->disk_seen.trims;

	trims->running = false;
	if (line->kind != JOB_LINE_RESULT || line->stopped) {
		trim->failures++;
	} else {
		trim->failures = 0;
		trim->trimmed = true;
	}
	if (line->kind != JOB_LINE_RESULT)
		return;
	trims->last_at = (uint64_t)time(NULL);
	trims->last_bytes = line->trimmed_bytes;
	trims->total_bytes += line->trimmed_bytes;
}
