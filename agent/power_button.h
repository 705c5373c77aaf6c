/* SPDX-License-Identifier: MIT
 *
 * power_button.h - the hypervisor's power button and Ctrl-Alt-Del, heard from input devices (VM only).
 *
 * Not in PID 1, which takes nothing from a device; a kernel with a virtual terminal sends PID 1 its SIGINT for
 * Ctrl-Alt-Del besides, and PID 1 takes the two for one request. Source: Documentation/input/event-codes.rst.
 */
#pragma once

#include "lib/base.h"
#include "lib/control.h"
#include "lib/loop.h"

#define POWER_BUTTON_DEVICES 32 /* /dev/input/event0 to 31 are looked at */

/* CONTROL_VERB_POWEROFF or CONTROL_VERB_REBOOT was asked for. */
typedef void power_button_fn(void *ctx, enum control_verb verb);

struct power_button;

struct power_button_device {
	struct power_button *button;
	struct loop_source source;
	unsigned int held; /* of Ctrl and Alt: bits */
};

struct power_button {
	struct loop *loop;
	struct loop_source watch; /* inotify: devices come after their modules */
	struct power_button_device devices[POWER_BUTTON_DEVICES];
	power_button_fn *fn;
	void *ctx;
};

/* Opens what is in /dev/input and what comes later, through the runner (runner.h); the directory is made if it is missing: to
 * be called before the sandbox is entered. 0 or -errno. */
int power_button_start(struct power_button *button, struct loop *loop, power_button_fn *fn,
	void *ctx) MUST_CHECK;
void power_button_stop(struct power_button *button);

/* Pure: what a key that was pressed or let go asks for, 0 for nothing. `held` is kept between calls. */
int power_button_key(unsigned int *held, unsigned int code, bool pressed);
