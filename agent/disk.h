/* SPDX-License-Identifier: MIT
 *
 * disk.h - the agent's part in the data disk: watches it while it is mounted, lets ext4 follow a device that grew, gives
 * freed space back, runs what people ask for. What is done to a disk is always done by keel-disk.
 *
 * One job at a time. What the agent began by itself gives way: a trim is interrupted, and then what was asked for runs.
 */
#pragma once

#include "agent/common/facts.h"
#include "agent/disk_job.h"
#include "agent/disk_space.h"
#include "agent/disk_trim.h"
#include "agent/disk_watch.h"
#include "lib/base.h"
#include "lib/loop.h"

struct disk_options {
	bool trim; /* by itself */
	struct space_policy space;
};

/* The facts have changed in a way that the host is to know; not from inside disk_update. */
typedef void disk_change_fn(void *ctx);

struct disk {
	struct loop *loop;
	struct facts *facts;
	struct disk_watch watch;
	struct disk_space space;
	struct disk_trim trim;
	struct disk_job job,
		list; /* the one that changes something; the list, which may run beside it */
	struct loop_timer again; /* the trim policy wants to be asked then */
	bool automatic;          /* nobody asked for the job that runs */
	bool grow_wanted;
	bool release_wanted;             /* the disk went away while it was mounted */
	struct loop_timer release_again; /* after a release that failed */
	uint64_t release_pause_us;       /* the last one, 0: none yet */
	bool updating;
	struct disk_news {
		bool vanished, read_only, io_errors, ext4_errors;
		const char *unmounted;
		uint64_t size_bytes, errors;
	} told;               /* last, of what is watched */
	uint64_t grown_bytes; /* the size of the device that ext4 has followed, or tries to */
	uint64_t life_us;     /* the mount that is watched: the disk stage's start; 0: none */
	bool queued;          /* waits for an interrupted trim to end */
	struct disk_request next;
	struct disk_job_listener *next_listener;
	disk_change_fn *changed;
	disk_change_fn *heard; /* a job has said something: whoever waits for its words may go on */
	void *ctx;
};

void disk_init(struct disk *disk, struct loop *loop, const struct disk_options *options,
	struct facts *facts, disk_change_fn *changed, disk_change_fn *heard, void *ctx);
/* PID 1's record of the disk or its stage may have changed. */
void disk_update(struct disk *disk);
/* Something happened that changes how much space there is. */
void disk_look(struct disk *disk);
/* Somebody asks: looks unless that was done within the last 100 ms. */
void disk_refresh(struct disk *disk);
/* The agent is awake anyway. */
void disk_tick(struct disk *disk);
/* Starts it, or queues it behind a trim that nobody asked for. `listener` hears of it, until disk_ignore. 0; -EBUSY;
 * -errno when it cannot be started. */
int disk_submit(struct disk *disk, const struct disk_request *request,
	struct disk_job_listener *listener) MUST_CHECK;
void disk_ignore(struct disk *disk, struct disk_job_listener *listener);
/* Jobs live on. */
void disk_stop(struct disk *disk);
