/* SPDX-License-Identifier: MIT
 *
 * farewell.h - the last words on a connection, so that the peer can read them.
 *
 * Closing a socket with unread input may reset the connection and take our answer with it. A farewell
 * sends the text, ends its side, and reads and drops input until the peer closes, for at most one second.
 */
#pragma once

#include "lib/base.h"
#include "lib/loop.h"

/* Takes the (non-blocking) fd. At most FAREWELL_MAX at a time; one more is closed without waiting. */
#define FAREWELL_MAX 32
void farewell_send(struct loop *loop, int fd, const char *text, size_t len);

/* The same with an HTTP response of type application/problem+json; see problem.h for the words. */
void farewell_problem(struct loop *loop, int fd, int status, const char *code, const char *detail);
