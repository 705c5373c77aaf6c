/* SPDX-License-Identifier: MIT
 *
 * control_server.h - PID 1's end of lib/control.h.
 */
#pragma once

#include "init/init.h"

/* 0 or -errno. */
int control_listen(struct init *init) MUST_CHECK;
/* Sends what became dirty to whoever can take it; called once a batch of events. */
void control_flush(struct init *init);
