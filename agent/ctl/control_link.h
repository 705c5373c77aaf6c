/* SPDX-License-Identifier: MIT
 *
 * control_link.h - questions and orders to PID 1, blocking with a deadline (lib/control.h).
 *
 * The socket is CONTROL_SOCKET, or $KEEL_CONTROL (tests).
 */
#pragma once

#include "agent/common/facts.h"
#include "lib/base.h"
#include "lib/control.h"

/* The fd or -errno; -EAGAIN or -ETIMEDOUT when PID 1 is too busy. Sends and receives on it give up
 * after the timeout. */
int control_link_open(unsigned int timeout_ms) MUST_CHECK;
/* Sends SNAPSHOT or SUBSCRIBE and takes everything up to the first END. 0 or -errno. */
int control_link_read(int fd, enum control_verb verb, struct facts *facts) MUST_CHECK;
/* Takes one record. 0 or -errno (-EAGAIN: the fd's timeout; -EPROTO; -ECONNRESET). */
int control_link_next(int fd, struct control_record *record) MUST_CHECK;
/* How long the next receives may wait. */
void control_link_set_timeout(int fd, unsigned int timeout_ms);

/* Was it that nobody answers (or none that we may ask), rather than a refusal? */
bool control_link_is_mute(int error);
/* Opens, asks for everything, closes. */
int control_link_snapshot(unsigned int timeout_ms, struct facts *facts) MUST_CHECK;
/* Opens, gives an order, waits until it is accepted or refused, closes. 0 or -errno. */
int control_link_order(unsigned int timeout_ms, enum control_verb verb,
	const char *unit) MUST_CHECK;
