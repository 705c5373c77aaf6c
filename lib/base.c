/* SPDX-License-Identifier: MIT
 *
 * base.c - cleanup helpers of base.h.
 */
#include "lib/base.h"

#include <stdlib.h>
#include <string.h>

void close_p(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}

void free_p(void *p)
{
	void *memory;

	/* p is the address of a pointer of unknown type: read it without an aliasing cast. */
	memcpy(&memory, p, sizeof(memory));
	free(memory);
	memory = NULL;
	memcpy(p, &memory, sizeof(memory));
}
