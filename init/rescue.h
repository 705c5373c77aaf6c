/* SPDX-License-Identifier: MIT
 *
 * rescue.h - a boot that cannot start services: a shell on the console (VM) and the reason everywhere. Under WSL
 * sessions open by themselves.
 */
#pragma once

#include <signal.h>

#include "init/init.h"

/* Decides whether this boot is one, from what failed and what was loaded; the reason is in init->rescue. Then the
 * shell's unit is there too. Before the loop. */
void rescue_prepare(struct init *init);
/* Starts the shell and the agent, and nothing else. */
void rescue_start(struct init *init);

/* Nobody can ask PID 1: its name says so (CONTROL_DEAF). */
void rescue_deaf(void);

/* What is left when the loop itself cannot be had: a shell on the console of a VM, again and again, and an end when
 * one of the signals for it comes. `mask` blocks all signals. */
_Noreturn void rescue_last_resort(struct init *init, const sigset_t *mask, int error);
