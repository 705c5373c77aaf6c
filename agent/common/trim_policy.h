/* SPDX-License-Identifier: MIT
 *
 * trim_policy.h - when is it worth while to give the freed space of the data disk back to the host? Pure.
 *
 * A trim reads the block bitmaps of the whole disk and makes the host work, so it is done when it pays: when
 * much was freed and the disk is quiet, when very much was freed also if it is not quite, once after the mount
 * (what was freed before it is not known), and daily after much was written. keel-agent(8) tells people.
 */
#pragma once

#include "lib/base.h"

#define TRIM_FREED_MIN  (UINT64_C(64) << 20) /* or 1 % of what is used, if that is more */
#define TRIM_FREED_MUCH (UINT64_C(1) << 30)
/* A removal goes on for a while, and ext4 lets go of the blocks only with its next commit. */
#define TRIM_CALM_S        10
#define TRIM_QUIET_PERCENT 5 /* somebody waited for disks for less of the last 10 s: quiet */
#define TRIM_LOUD_PERCENT \
	10 /* for more: not even after TRIM_FREED_MUCH; keel-disk would end it at once */
#define TRIM_FIRST_S     1800                /* after the mount, if nothing was freed that pays */
#define TRIM_AGAIN_S     86400               /* after the last one, likewise */
#define TRIM_WRITTEN_MIN (UINT64_C(1) << 30) /* since the last one, for TRIM_AGAIN_S */
#define TRIM_PAUSE_S     60 /* after one that failed or stopped half-way; doubles with each more */

struct trim_facts {
	bool enabled;          /* disk.trim */
	bool possible;         /* the device takes discards */
	bool writable;         /* mounted, and without errors: else nothing is done to it */
	bool busy;             /* the guest boots, or its engine does not answer */
	bool job;              /* another job runs on the disk */
	bool trimmed;          /* at least once since the mount */
	unsigned int failures; /* the last so many failed or stopped half-way */
	uint64_t since_us;     /* since the last one began, else since the mount */
	uint64_t used,
		freed;    /* bytes; freed: since the last one, the most that was used less `used` */
	uint64_t calm_us; /* since `freed` last grew */
	uint64_t written; /* bytes since the last one */
	int io_pressure;  /* percent of the last 10 s, < 0: not known */
};

enum trim_verdict {
	TRIM_NOW,
	/* Never, as things are: */
	TRIM_OFF,
	TRIM_IMPOSSIBLE,
	TRIM_NOT_WRITABLE,
	TRIM_NOTHING, /* nothing that pays was freed */
	/* Soon: */
	TRIM_BUSY,
	TRIM_JOB,
	TRIM_PAUSE,
	TRIM_FREEING,
	TRIM_PRESSURE,
};

/* `again_us`: after how long to ask again although nothing changed; 0: with the next sample of the disk. */
enum trim_verdict trim_policy(const struct trim_facts *facts, uint64_t *again_us);
/* Why not now, "" for NOW and NOTHING. */
const char *trim_verdict_reason(enum trim_verdict verdict);
