/* SPDX-License-Identifier: MIT
 *
 * trim_policy.c - see trim_policy.h. Caller: disk_trim.c.
 */
#include "agent/common/trim_policy.h"

#include <assert.h>

#include "lib/clock.h"

/* A load that keeps the disk busy now may be over soon. */
#define PRESSURE_AGAIN_US (10 * USEC_PER_SEC)
#define PAUSE_DOUBLINGS   8 /* to some hours */

static bool freed_enough(const struct trim_facts *facts)
{
	return facts->freed >= TRIM_FREED_MIN && facts->freed >= facts->used / 100;
}

/* What was freed before the mount (removed, then shut down) is not known: it is found only by trying, once. Little by
 * little much is freed too, if much was written. */
static bool is_due(const struct trim_facts *facts)
{
	if (!facts->trimmed)
		return facts->since_us >= TRIM_FIRST_S * USEC_PER_SEC;
	return facts->written >= TRIM_WRITTEN_MIN && facts->since_us >= TRIM_AGAIN_S * USEC_PER_SEC;
}

static int loudest(const struct trim_facts *facts)
{
	return facts->freed >= TRIM_FREED_MUCH ? TRIM_LOUD_PERCENT : TRIM_QUIET_PERCENT;
}

static uint64_t pause_us(const struct trim_facts *facts)
{
	unsigned int doublings =
		facts->failures - 1 < PAUSE_DOUBLINGS ? facts->failures - 1 : PAUSE_DOUBLINGS;

	return facts->failures > 0 ? (TRIM_PAUSE_S * USEC_PER_SEC) << doublings : 0;
}

enum trim_verdict trim_policy(const struct trim_facts *facts, uint64_t *again_us)
{
	*again_us = 0;
	if (!facts->enabled)
		return TRIM_OFF;
	if (!facts->possible)
		return TRIM_IMPOSSIBLE;
	if (!facts->writable)
		return TRIM_NOT_WRITABLE;
	if (!freed_enough(facts) && !is_due(facts) && facts->failures == 0)
		return TRIM_NOTHING;
	if (facts->job)
		return TRIM_JOB;
	if (facts->busy)
		return TRIM_BUSY;
	if (facts->since_us < pause_us(facts)) {
		*again_us = pause_us(facts) - facts->since_us;
		return TRIM_PAUSE;
	}
	if (facts->calm_us < TRIM_CALM_S * USEC_PER_SEC) {
		*again_us = TRIM_CALM_S * USEC_PER_SEC - facts->calm_us;
		return TRIM_FREEING;
	}
	if (facts->io_pressure >= loudest(facts)) {
		*again_us = PRESSURE_AGAIN_US;
		return TRIM_PRESSURE;
	}
	return TRIM_NOW;
}

const char *trim_verdict_reason(enum trim_verdict verdict)
{
	static const char *const reasons[] = {
		[TRIM_NOW] = "",
		[TRIM_OFF] = "disk.trim is off",
		[TRIM_IMPOSSIBLE] = "the device takes no discards",
		[TRIM_NOT_WRITABLE] = "the disk is not in order",
		[TRIM_NOTHING] = "",
		[TRIM_BUSY] = "the engine is starting or does not answer",
		[TRIM_JOB] = "another job runs on the disk",
		[TRIM_PAUSE] = "the last trim did not end well; pausing",
		[TRIM_FREEING] = "space is being freed right now",
		[TRIM_PRESSURE] = "the disk is busy",
	};

	static_assert(ARRAY_SIZE(reasons) == TRIM_PRESSURE + 1, "a reason for each verdict");
	return (unsigned int)verdict < ARRAY_SIZE(reasons) ? reasons[verdict] : "?";
}
