/* SPDX-License-Identifier: MIT
 *
 * relay_pipe.h - pipes for splice(2), shared by all relays of the process: one is with a side only while bytes are in it.
 *
 * Empty pipes are kept for the next one who needs any, a few of them; none is made before bytes flow in bulk.
 * One thread only.
 */
#pragma once

#include "lib/base.h"

/* So many are kept while nobody uses them. */
#define RELAY_PIPES_SPARE 4
/* In use at once; who gets none copies. Bounds descriptors, and the kernel memory of peers that take nothing. */
#define RELAY_PIPES_MAX 256

struct relay_pipe {
	int in, out; /* to write to, to read from; -1: none */
};

#define RELAY_PIPE_NONE ((struct relay_pipe){.in = -1, .out = -1})

/* False if there is none to be had. */
bool relay_pipe_take(struct relay_pipe *pipe) MUST_CHECK;
/* Takes it back. One that is not empty is closed. Does nothing if there is none. */
void relay_pipe_give(struct relay_pipe *pipe, bool empty);
