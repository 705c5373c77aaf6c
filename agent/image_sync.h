/* SPDX-License-Identifier: MIT
 *
 * image_sync.h - makes images durable. dockerd syncs its own records of an image that it pulled, imported, loaded, built or
 * committed, but not the image's files: with ext4's delayed allocation these have no blocks for up to half a
 * minute, and a power cut within leaves an image that is listed and whose files are empty. So the data disk is
 * synced (syncfs(2)) when dockerd's event stream tells of an image. What the alternatives cost: docs/data-disk.md.
 *
 * The sync blocks, so it is a child's: sync(1).
 */
#pragma once

#include <sys/types.h>

#include "agent/engine_events.h"

struct image_sync {
	struct loop *loop;
	const struct facts *facts;
	struct engine_events events;
	struct loop_source exit;
	int pidfd; /* -1: no sync runs */
	pid_t pid;
	bool again; /* there was an event while a sync ran */
	uint64_t begun_us;
};

void image_sync_init(struct image_sync *sync, struct loop *loop, const struct address *address,
	const struct facts *facts);
/* dockerd or the disk may have come or gone; also now and then, for a stream that broke. */
void image_sync_update(struct image_sync *sync);
/* A sync that runs lives on. */
void image_sync_stop(struct image_sync *sync);
