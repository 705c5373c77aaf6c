/* SPDX-License-Identifier: MIT
 *
 * event_pressure.h - an event when tasks of the guest begin to wait for memory, and one when they no longer do. The kernel
 * wakes us (PSI, Documentation/accounting/psi.rst, "Monitoring for pressure thresholds").
 */
#pragma once

#include "agent/events.h"
#include "lib/base.h"
#include "lib/clock.h"
#include "lib/loop.h"

/* Some task waited for a tenth of the window. The kernel accepts windows of whole 2 s from everybody, and tells at most once
 * in each. */
#define EVENT_PRESSURE_WINDOW_US (2 * USEC_PER_SEC)
#define EVENT_PRESSURE_STALL_US  (200 * USEC_PER_MSEC)
/* So long without it is the end. */
#define EVENT_PRESSURE_CALM_US (3 * EVENT_PRESSURE_WINDOW_US)

struct event_pressure {
	struct events *events;
	struct loop_source source;
	struct loop_timer calm;
	uint64_t since_us; /* 0: nobody waits */
};

void event_pressure_init(struct event_pressure *pressure, struct events *events);
/* Watches the pressure of the whole machine. Without PSI it is logged, and nothing is ever told. */
void event_pressure_start(struct event_pressure *pressure);
void event_pressure_stop(struct event_pressure *pressure);

/* Of event_pressure_start, for tests: the kernel has woken us. */
void event_pressure_take(struct event_pressure *pressure, uint64_t now_us);
