/* SPDX-License-Identifier: MIT
 *
 * relay_pipe.c - see relay_pipe.h. Caller: relay.c.
 */
#include "agent/common/relay_pipe.h"

#include <fcntl.h>

static struct relay_pipe spare[RELAY_PIPES_SPARE];
static unsigned int spares, taken;

bool relay_pipe_take(struct relay_pipe *pipe)
{
	int ends[2];

	if (taken == RELAY_PIPES_MAX)
		return false;
	if (spares > 0) {
		*pipe = spare[--spares];
	} else {
		if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
			return false;
		*pipe = (struct relay_pipe){.in = ends[1], .out = ends[0]};
	}
	taken++;
	return true;
}

void relay_pipe_give(struct relay_pipe *pipe, bool empty)
{
	if (pipe->in < 0)
		return;
	taken--;
	if (empty && spares < RELAY_PIPES_SPARE) {
		spare[spares++] = *pipe;
	} else {
		close_p(&pipe->in);
		close_p(&pipe->out);
	}
	*pipe = RELAY_PIPE_NONE;
}
