/* SPDX-License-Identifier: MIT
 *
 * vmm_words.h - what the virtual machine monitor is told, in systemd's words (systemd(1), "Readiness Protocol"), and what
 * it has been told already. Pure.
 *
 * It is told states, not events: whatever could not be said is said later, as it is then. Each message is one thing:
 *   X_SYSTEMD_MACHINE_ID=, X_SYSTEMD_HOSTNAME=   if there is one
 *   X_SYSTEMD_UNIT_ACTIVE=, _INACTIVE=           the targets below, and services (systemd: targets only)
 *   READY=1 and STATUS=                          when every service that is wanted has become active or has failed, or
 *                                                waits for a data disk that is not there, as systemd's queue of jobs
 *                                                is empty then; once
 *   STATUS=                                      whenever the status or the reason of health is another
 * The targets are boot stages: sysinit.target up to the modules, local-fs.target the data disk, network.target and
 * network-online.target the network, basic.target all of them, multi-user.target the services; shutdown.target the way
 * down. EXIT_STATUS= is not here: PID 1's last child says it (init/shutdown.c).
 */
#pragma once

#include "agent/common/facts.h"
#include "agent/common/health.h"

#define VMM_WORDS_MAX     512 /* of a message, with its NUL */
#define VMM_WORDS_TARGETS 7

struct vmm_identity {
	char machine_id[33]; /* 32 hexadecimal digits, or "" */
	char hostname[65];   /* or "" */
};

struct vmm_said {
	bool machine_id, hostname, ready;
	bool targets[VMM_WORDS_TARGETS];                       /* active */
	char services[CONTROL_SERVICES_MAX][CONTROL_NAME_MAX]; /* active; "": none */
	char status[sizeof(((struct health *)0)->reason) + 16];
};

/* The next message, and in *said what will have been said with it. False: everything has been said. */
bool vmm_words_next(const struct facts *facts, const struct health *health,
	const struct vmm_identity *identity, struct vmm_said *said, char text[VMM_WORDS_MAX]);
