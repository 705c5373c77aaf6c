/* SPDX-License-Identifier: MIT
 *
 * vmm_notify.h - tells the virtual machine monitor, in systemd's notify protocol, how far the boot is (what: vmm_words.h;
 * where to: lib/vmm_address.h, vmm_find.h). Without such an address, and under WSL, it does nothing.
 *
 * What always holds: one connection at a time, one message of fixed size. A monitor that is not there, does not read, or has
 * a full queue costs one timer: it is tried again, ever more rarely, VMM_NOTIFY_TRIES times, and then when there is something
 * new to say. It loses only states that are past by then.
 */
#pragma once

#include "agent/vmm_words.h"
#include "lib/loop.h"
#include "lib/vmm_address.h"

/* With the report's backoff: within a minute and a half. */
#define VMM_NOTIFY_TRIES 12

struct vmm_notify {
	struct loop *loop;
	const struct facts *facts;
	struct vmm_address address;
	struct vmm_identity identity;
	struct vmm_said said, saying; /* `saying`: once the message in `text` is out */
	struct loop_source source;
	struct loop_timer timer; /* deadline of a connection, else the next attempt */
	int fd;                  /* -1: none */
	unsigned int rung, failures;
	size_t start, len; /* of `text`; len 0: nothing is being said */
	char text[VMM_WORDS_MAX];
};

void vmm_notify_init(struct vmm_notify *notify, struct loop *loop,
	const struct vmm_address *address, const struct facts *facts);
/* Looks for the address that the host gave. Blocking reads of procfs and sysfs; before the loop. */
void vmm_notify_find(struct vmm_address *address);
/* The facts changed. */
void vmm_notify_update(struct vmm_notify *notify);
/* Something changed that makes an attempt worth while now (the vsock module is loaded). */
void vmm_notify_retry_now(struct vmm_notify *notify);
/* Says what there is to say, for at most `timeout_ms` (blocking), and stops. */
void vmm_notify_finish(struct vmm_notify *notify, unsigned int timeout_ms);
