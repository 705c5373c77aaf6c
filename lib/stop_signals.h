/* SPDX-License-Identifier: MIT
 *
 * stop_signals.h - what asks a program of the loop to end, as events. Callers: keel-agent, keel-log, keel-dns, keel-share, keelctl
 * forward. PID 1 has its own.
 */
#pragma once

#include "lib/loop.h"

/* SIGTERM, SIGINT and SIGHUP are blocked and make `source` readable (a signalfd, which is the loop's for as long as the
 * program runs); SIGPIPE is ignored. 0 or -errno. */
int stop_signals_watch(struct loop *loop, struct loop_source *source, loop_io_fn *fn,
	void *ctx) MUST_CHECK;
/* An `fn` for it that does nothing but end the loop, which is its `ctx`. */
void stop_signals_end_loop(struct loop_source *source, uint32_t events);
