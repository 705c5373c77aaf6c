/* SPDX-License-Identifier: MIT
 *
 * image_sync.h - makes images durable. dockerd syncs its own records of an image that it pulled, imported, loaded, built or
 * committed, but not the image's files: with ext4's delayed allocation these have no blocks for up to half a
 * minute, and a power cut within leaves an image that is listed and whose files are empty. So the data disk is
 * synced (syncfs(2)) when dockerd's event stream tells of an image. What the alternatives cost: docs/data-disk.md.
 *
 * dockerd's events are not parsed: that one came is all that is used. The sync blocks, so it is a child's: sync(1).
 */
#pragma once

#include <sys/types.h>

#include "agent/common/facts.h"
#include "agent/common/transport.h"
#include "lib/base.h"
#include "lib/loop.h"

struct image_sync {
	struct loop *loop;
	struct address address; /* dockerd's */
	const struct facts *facts;
	struct transport transport;
	struct loop_source events, exit;
	int fd, pidfd; /* -1: not connected; no sync runs */
	pid_t pid;
	bool connecting;
	bool again; /* there was an event while a sync ran */
	uint64_t begun_us;
};

void image_sync_init(struct image_sync *sync, struct loop *loop, const struct address *address,
	const struct facts *facts);
/* dockerd or the disk may have come or gone; also now and then, for a stream that broke. */
void image_sync_update(struct image_sync *sync);
/* A sync that runs lives on. */
void image_sync_stop(struct image_sync *sync);
