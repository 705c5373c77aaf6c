/* SPDX-License-Identifier: MIT
 *
 * leftovers.h - the processes that services and containers leave behind, found by what we started: control groups.
 *
 * Under WSL foreign processes live in our PID namespace (the launcher's init, sessions). They are never signalled:
 * killing them makes WSL tear the namespace down in the middle of our work. kill(-1) is for a VM of our own.
 */
#pragma once

#include "init/init.h"

/* SIGTERM or SIGKILL to everybody in the groups of services and containers, but not to keel's own. */
void leftovers_signal_groups(struct init *init, int signal);
bool leftovers_in_groups(struct init *init);
/* The same for containers alone: they get more time. */
bool leftovers_have_containers(struct init *init);

/* To everybody who is left: in a VM every process, under WSL also keel's own services and helpers. */
void leftovers_signal_all(struct init *init, int signal);
bool leftovers_any(struct init *init);
