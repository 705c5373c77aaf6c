/* SPDX-License-Identifier: MIT
 *
 * component_facts.h - the parts of the guest that health is told of, as plain data: see component.h.
 */
#pragma once

#include "lib/base.h"

/* In order of dependency: the first that is not well is where to begin. */
enum component_id {
	COMPONENT_AGENT, /* keel-agent, and whether PID 1 answers it */
	COMPONENT_BOOT,  /* the stages of no other component */
	COMPONENT_DISK,
	COMPONENT_NETWORK,
	COMPONENT_MEMORY,
	COMPONENT_CLOCK, /* the wall clock */
	COMPONENT_CONTAINERD,
	COMPONENT_DOCKER,
	COMPONENT_SERVICES, /* all but those two */
	COMPONENTS,
};

enum component_state {
	COMPONENT_STATE_OK,
	COMPONENT_STATE_STARTING, /* on its way, nothing is wrong */
	COMPONENT_STATE_DEGRADED,
	COMPONENT_STATE_FAILED, /* and it will not mend by itself */
	COMPONENT_STATE_UNKNOWN,
	COMPONENT_STATE_OFF, /* not there, not wanted, or on its way down */
};

/* When the state became what it is, as far as the agent saw. */
struct component_since {
	bool known;
	enum component_state state;
	uint64_t boot_us;     /* CLOCK_BOOTTIME */
	uint64_t realtime_ms; /* Unix time at that moment, by the clock of that moment */
};
