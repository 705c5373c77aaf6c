/* SPDX-License-Identifier: MIT
 *
 * event_kernel.h - the kernel's own messages of level error and worse, each an event; from the log's beginning, so that a
 * new agent tells those of the boot. A flood is cut down, and how many were left out is told: what the ring keeps is not
 * only theirs.
 */
#pragma once

#include "agent/common/kernel_message.h"
#include "agent/event_flood.h"
#include "agent/events.h"
#include "agent/kmsg_reader.h"
#include "lib/base.h"
#include "lib/loop.h"

struct event_kernel {
	struct events *events;
	struct kmsg_reader kmsg;
	struct event_flood flood;
	uint64_t sequence; /* of the record that is expected next */
	bool begun;
	uint64_t
		overwritten; /* records of any level that the log had lost before they were read; not told of yet */
	struct loop_timer timer;
};

void event_kernel_init(struct event_kernel *kernel, struct events *events);
/* Without the kernel's log (a namespace) nothing is ever told. */
void event_kernel_start(struct event_kernel *kernel);
void event_kernel_stop(struct event_kernel *kernel);

/* Of event_kernel_start, for tests: one record of the log, NULL after the last one for now. */
void event_kernel_take(struct event_kernel *kernel, const char *record, size_t len,
	uint64_t now_us);
