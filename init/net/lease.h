/* SPDX-License-Identifier: MIT
 *
 * lease.h - DHCP, done by BusyBox's udhcpc: it speaks the protocol, we set what it got.
 */
#pragma once

#include "init/net/rtnl.h"

/* Replaces this process by udhcpc on the link, with this very program as its event script. Its
 * leases and failures are reported by lease_handle_event() in processes that udhcpc starts; it
 * tries and renews for ever. `wait_s`: silence for so long is reported as DEGRADED. Returns only on
 * failure: -errno. */
int lease_exec_client(const struct rtnl_link *link, unsigned int wait_s) MUST_CHECK;

/* As udhcpc's script, before helper_start(): puts the report socket back to STAGE_REPORT_FD. */
void lease_restore_report_fd(void);

/* True for the words with which udhcpc calls its script. */
bool lease_is_event(const char *word);

/* The script: sets or removes what the lease in the environment says and reports. 0 or -errno. */
int lease_handle_event(const char *event) MUST_CHECK;
