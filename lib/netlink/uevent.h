/* SPDX-License-Identifier: MIT
 *
 * uevent.h - the kernel's notices that devices come, go or change (netlink(7), NETLINK_KOBJECT_UEVENT).
 */
#pragma once

#include "lib/base.h"

/* Opens the socket: non-blocking, close-on-exec, group 1 (the kernel's; group 2 is udev's). To be
 * opened before the first look at /sys, so that nothing falls between. Returns the fd or -errno. */
int uevent_open(void) MUST_CHECK;

/* Reads all that is queued. Returns true if a device of the subsystem ("block", "memory") was among it or if notices were
 * lost: look at /sys again. */
bool uevent_drain(int fd, const char *subsystem);

/* True if a message of the kernel ("add@/devices/...\0KEY=VALUE\0...") is about a device of the subsystem. */
bool uevent_is_of(const char *message, size_t len, const char *subsystem);
