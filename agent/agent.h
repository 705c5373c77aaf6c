/* SPDX-License-Identifier: MIT
 *
 * agent.h - the agent as a whole: who is told when a fact changes.
 */
#pragma once

#include "agent/common/address.h"
#include "agent/clock_keeper.h"
#include "agent/disk.h"
#include "agent/engine.h"
#include "agent/memory/memory.h"
#include "lib/base.h"
#include "lib/vmm_address.h"

#define AGENT_API_SOCKET    "/run/keel/api.sock"
#define AGENT_LISTENERS_MAX 4

struct agent_options {
	struct address api[AGENT_LISTENERS_MAX];    /* unused ones are "none" */
	struct address docker[AGENT_LISTENERS_MAX]; /* where Docker's API is offered */
	struct engine_options engine;
	struct disk_options disk;
	struct memory_options memory;
	struct clock_limits clock;
	struct address report;
	struct vmm_address vmm; /* of the monitor that wants to hear of the boot, if one does */
	const char *control;    /* PID 1's socket, NULL: none */
	unsigned int heartbeat_s;
	const char *data; /* where the data disk is mounted */
	bool shell;       /* commands are run for the host */
};

/* Runs until SIGTERM or SIGINT. 0, or -errno when it cannot start. */
int agent_run(const struct agent_options *options) MUST_CHECK;
