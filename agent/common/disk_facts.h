/* SPDX-License-Identifier: MIT
 *
 * disk_facts.h - what the agent itself sees of the data disk while it is mounted, as plain data. What PID 1
 * says about it is struct control_disk. Filled in by disk.c and its parts; judged by health.c.
 *
 * Times whose name ends in _at are seconds since 1970, 0: not known.
 */
#pragma once

#include "agent/common/space_policy.h"
#include "lib/base.h"
#include "lib/control.h"

#define DISK_FUNCTION_MAX 48

struct disk_errors {
	uint64_t count; /* of ext4, since its last check */
	uint64_t first_at, last_at;
	char first_function[DISK_FUNCTION_MAX], last_function[DISK_FUNCTION_MAX];
	uint64_t io_count, io_at; /* what the kernel complained about since the mount */
};

struct disk_trims {
	uint64_t last_at, last_bytes, total_bytes; /* since the agent started */
	bool running;
	const char *waiting; /* why not now, a literal; "" */
};

struct disk_job_facts {
	char verb[16]; /* "": none runs */
	char step[32];
	double percent; /* < 0: not known */
};

struct disk_seen {
	bool watched;          /* it is mounted, and looked at: else all of this means nothing */
	char kernel[32];       /* the block device as the kernel calls it: "sda", "sda1" */
	bool vanished;         /* the device is gone */
	const char *unmounted; /* a mount point of it that somebody unmounted, or NULL */
	bool read_only;        /* ext4 no longer writes */
	uint64_t size_bytes;   /* of the block device, now */
	bool grown;            /* by a job of the agent */
	bool space_known;
	struct space_sample space;
	struct space_verdict forecast;
	struct disk_errors errors;
	struct disk_trims trims;
	struct disk_job_facts job; /* also while no disk is mounted */
};
