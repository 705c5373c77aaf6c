/* SPDX-License-Identifier: MIT
 *
 * docker_facts.h - whether Docker's API is offered to the host: what became of the agent's own listeners for it.
 *
 * Written by agent.c, judged by health.c. A guest without vsock (no such socket family: a namespace on somebody's
 * machine, a kernel without it) is not to be blamed for a listener that cannot be; every other failure is one,
 * for then the host does not reach a dockerd that is well.
 */
#pragma once

#include "agent/common/address.h"
#include "lib/base.h"

enum docker_api_state {
	DOCKER_API_NONE,   /* configured away */
	DOCKER_API_OPEN,   /* every address listens */
	DOCKER_API_ABSENT, /* there is no vsock here (yet: its module may still be loaded) */
	DOCKER_API_CLOSED, /* an address does not listen, for another reason */
};

struct docker_facts {
	enum docker_api_state state;
	char address[ADDRESS_TEXT_MAX]; /* of the listener that is worst off, "" if there is none */
	int error;                      /* -errno of that */
};

const char *docker_api_state_name(enum docker_api_state state);
/* Takes in what became of one more listener: 0 or -errno. The worst is kept. */
void docker_facts_add(struct docker_facts *docker, const struct address *address, int error);
