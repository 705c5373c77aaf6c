/* SPDX-License-Identifier: MIT
 *
 * event_watch.h - facts become events: what is known is compared with what was told last, and each difference that is worth
 * it is an event. What a new agent finds is told as well, without a `was`: its events alone give the whole picture.
 */
#pragma once

#include "agent/common/facts.h"
#include "agent/common/health.h"
#include "agent/event_kernel.h"
#include "agent/event_oom.h"
#include "agent/event_pressure.h"
#include "agent/events.h"
#include "lib/base.h"

struct event_watch_service {
	char name[CONTROL_NAME_MAX]; /* "": not told of yet */
	uint8_t state, wanted;
	uint32_t restarts;
	uint64_t exit_us;
};

struct event_watch_disk {
	const char *state, *situation, *forecast; /* literals */
	char job[16];
	uint64_t size_bytes, errors;
};

struct event_watch {
	struct events *events;
	const struct facts *facts;
	bool begun;
	struct health health;
	struct event_watch_service services[CONTROL_SERVICES_MAX];
	uint8_t stages[CONTROL_STAGES_MAX]; /* enum stage_state */
	struct facts_daemon daemons[ENGINE_DAEMONS];
	struct event_watch_disk disk;
	const char *memory_mode; /* a literal; NULL: not told of yet */
	uint64_t memory_target, memory_reclaimed;
	struct event_oom oom;
	struct event_kernel kernel;
	struct event_pressure pressure;
};

void event_watch_init(struct event_watch *watch, struct events *events, const struct facts *facts);
/* Listens to the kernel itself as well. */
void event_watch_start(struct event_watch *watch);
/* Something has changed, or may have. */
void event_watch_update(struct event_watch *watch);
void event_watch_stop(struct event_watch *watch);
