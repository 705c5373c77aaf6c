/* SPDX-License-Identifier: MIT
 *
 * shutdown_plan.h - how long each phase of a shutdown may take. Pure; shutdown.c keeps to it.
 *
 * Under WSL all of it together has one end: WSL powers the distro off when initTimeout is over, and the whole VM
 * 30 s after `wsl --shutdown` (src/linux/init/init.cpp, InitTerminateInstanceInternal). So each phase leaves to those
 * after it what they need at the least, the unmounting of the data disk above all. A virtual machine has no such end.
 */
#pragma once

#include "init/init.h"

struct shutdown_plan {
	uint64_t start_us;       /* of the shutdown */
	unsigned int shutdown_s; /* boot.shutdown */
	unsigned int grace_s;    /* for everything; 0: no end */
	bool patient;            /* there may be containers whose engine did not stop them */
};

/* The plan of a shutdown that begins at `now_us`. */
struct shutdown_plan shutdown_plan_make(enum boot_mode mode, const struct config *config,
	uint64_t now_us);

/* When a phase that begins at `now_us` expires: after now_us, and if every phase before ended by its own end, so early that
 * the phases after it fit into the grace. SHUTDOWN_NONE and SHUTDOWN_END do not expire: UINT64_MAX. */
uint64_t shutdown_plan_end(const struct shutdown_plan *plan, enum shutdown_phase phase,
	uint64_t now_us);

/* How long one step of unmounting may show no progress when there are `left_us` for all: a third, at most 10 s, so that
 * one that hangs leaves time for the others. */
uint64_t shutdown_plan_stuck(uint64_t left_us);
