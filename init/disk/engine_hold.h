/* SPDX-License-Identifier: MIT
 *
 * engine_hold.h - the engine, out of the way while the data disk is repaired.
 *
 * What was up is noted in ENGINE_HOLD_NOTE before anything is stopped, and the note is removed when it was asked to start
 * again. A job that is killed in between leaves the engine down and the note: the next repair starts what it names.
 */
#pragma once

#include "lib/base.h"

#define ENGINE_HOLD_NOTE  "/run/keel/engine-hold"
#define ENGINE_HOLD_UNITS 2

struct engine_hold {
	bool was_up[ENGINE_HOLD_UNITS];
};

/* Stops dockerd, which stops its containers with their own signals and times because the note is there
 * (rootfs/usr/lib/keel/docker-stop), and containerd through PID 1; then ends whatever is left of them and waits until
 * it is gone. Without a PID 1 there is nothing to do. 0 or -errno with
 * a sentence; also then engine_hold_release() is to be called. */
int engine_hold_take(struct engine_hold *hold, char *reason, size_t reason_size) MUST_CHECK;

/* Starts again what was up. */
void engine_hold_release(const struct engine_hold *hold);

/* The helper of the disk stage is to look again: it is run unless it waits already, where the close of the device woke it. Waits
 * until the stage has ended, one way or the other. `reason` gets PID 1's words about it. 1: the disk is
 * mounted; 0: it is not; -errno: PID 1 does not tell. */
int engine_hold_mount(char *reason, size_t reason_size) MUST_CHECK;

/* The same for a disk that was made ready beside what is mounted: nothing is done if the stage has what it wants. */
int engine_hold_take_up(char *reason, size_t reason_size) MUST_CHECK;
