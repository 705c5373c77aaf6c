/* SPDX-License-Identifier: MIT
 *
 * notify.h - readiness as the daemons themselves tell it: sd_notify(3) datagrams.
 *
 * The sender is identified by SCM_CREDENTIALS and must be what the unit's NotifyAccess= names: its main process,
 * that or a command, or any process in its control group. Anybody else is ignored. Descriptors that come along are
 * closed (BARRIER=1 wants just that; FDSTORE=1 is not ours).
 */
#pragma once

#include "init/init.h"

#define NOTIFY_SOCKET_PATH "/run/keel/notify"

/* 0 or -errno. */
int notify_listen(struct init *init) MUST_CHECK;
/* Takes what has arrived. Called before children are reaped: what a process said before it died counts. */
void notify_drain(struct init *init);

struct notify_message {
	bool ready, reloading, stopping;
	bool watchdog, watchdog_trigger; /* WATCHDOG=1, WATCHDOG=trigger */
	bool has_status;
	int main_pid;         /* 0: none */
	uint64_t extend_us;   /* EXTEND_TIMEOUT_USEC=, 0: none */
	uint64_t watchdog_us; /* WATCHDOG_USEC=, 0: none */
	char status[96];
};

/* Pure: reads a datagram of `len` bytes (need not end in NUL). Values out of range are as if not said. */
void notify_parse(const char *text, size_t len, struct notify_message *message);
