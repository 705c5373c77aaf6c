/* SPDX-License-Identifier: MIT
 *
 * shutdown.h - the way down: services in reverse order, keel's own last, then processes, then mounts.
 */
#pragma once

#include "init/init.h"

/* Begins (once; a second request only hurries the first along). `command` is an RB_* of reboot(2). */
void shutdown_start(struct init *init, int command, const char *why);
/* Looks whether the next step can be taken; called once a batch of events while shutting down. */
void shutdown_advance(struct init *init);
