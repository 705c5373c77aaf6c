/* SPDX-License-Identifier: MIT
 *
 * environment.h - the environment of what PID 1 starts: ours first, then the unit's own.
 */
#pragma once

#include "init/init.h"

#define ENVIRONMENT_MAX (8 + UNIT_ENV_MAX)

struct environment_pool {
	char cgroup[300];
	char mode[16];
};

/* Fills a NULL-terminated list. It points into `pool`, the unit and static text: use it before they
 * change. `service` NULL: a stage helper. */
void environment_make(const struct init *init, const struct service *service,
	struct environment_pool *pool, char *environment[ENVIRONMENT_MAX + 1]);

/* Expands ${NAME} in each argument from the list, plus ${MAINPID} and $MAINPID; unknown names
 * become empty, as in systemd. Results live in `text`. 0 or -E2BIG. */
int environment_expand(char *const *args, char *const *environment, pid_t main_pid, char *text,
	size_t size, char *expanded[UNIT_ARGS_MAX + 1]) MUST_CHECK;
