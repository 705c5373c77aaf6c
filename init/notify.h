/* SPDX-License-Identifier: MIT
 *
 * notify.h - readiness as the daemons themselves tell it: sd_notify(3) datagrams.
 *
 * The sender is identified by SCM_CREDENTIALS and must be a service's main process or in its cgroup;
 * anybody else is ignored. Understood: READY=1, STATUS=..., STOPPING=1 (as a status).
 */
#pragma once

#include "init/init.h"

#define NOTIFY_SOCKET_PATH "/run/keel/notify"

/* 0 or -errno. */
int notify_listen(struct init *init) MUST_CHECK;

struct notify_message {
	bool ready;
	char status[96]; /* "" if none */
};

/* Pure: reads a datagram of `len` bytes (need not end in NUL). */
void notify_parse(const char *text, size_t len, struct notify_message *message);
