/* SPDX-License-Identifier: MIT
 *
 * crash.h - what happens when PID 1's own code crashes: a report and an orderly end, no kernel panic.
 *
 * SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT and SIGSYS that PID 1 raises itself are caught on a stack of their own.
 * The report goes to the kernel log; then /sbin/init is executed again as `init --crashed`: a fresh image, which
 * knows no services and ends what is left of the system (main.c, shutdown_start_crashed). If it crashes too, or cannot
 * be executed, the machine ends at once. The same signals sent by a process are ignored.
 */
#pragma once

#include <signal.h>

#include "lib/control.h"

/* What the image that crashed hands on. */
#define CRASH_ARGUMENT "--crashed"

enum crash_time {
	CRASH_TIME_BOOT,    /* before the loop: it would only come again */
	CRASH_TIME_RUNNING, /* VM: reboot */
	CRASH_TIME_AGAIN,   /* in the image that cleans up: end at once */
};

/* Installs the handlers. The six signals must not be blocked: crash_unblock() takes them out of a mask. */
void crash_arm(enum boot_mode mode, enum crash_time time);
void crash_set_time(enum crash_time time);
void crash_unblock(sigset_t *mask);

/* True if argv says that the image before this one crashed; `reason` says how, *command how the system ends
 * (RB_*): in a VM a reboot if it had come up, else power off. */
bool crash_take_arguments(int argc, char **argv, enum boot_mode mode, char *reason, size_t size,
	int *command);

/* Keeps the reason in a file for the next boot; and tells it there, once. Both block. */
void crash_keep(const char *reason);
void crash_tell_kept(void);
