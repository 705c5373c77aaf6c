/* SPDX-License-Identifier: MIT
 *
 * docker_facts.c - see docker_facts.h. Pure. Callers: agent.c, document.c.
 */
#include "agent/common/docker_facts.h"

#include <assert.h>

const char *docker_api_state_name(enum docker_api_state state)
{
	static const char *const names[] = {"none", "open", "absent", "closed"};

	static_assert(ARRAY_SIZE(names) == DOCKER_API_CLOSED + 1, "a name for each state");
	return (unsigned int)state < ARRAY_SIZE(names) ? names[state] : "?";
}

void docker_facts_add(struct docker_facts *docker, const struct address *address, int error)
{
	enum docker_api_state state = DOCKER_API_OPEN;

	if (address->kind == ADDRESS_NONE)
		return;
	if (error == -EAFNOSUPPORT)
		state = DOCKER_API_ABSENT;
	else if (error < 0)
		state = DOCKER_API_CLOSED;
	if (state <= docker->state)
		return;
	docker->state = state;
	docker->error = error;
	(void)address_format(address, docker->address, sizeof(docker->address));
}
