/* SPDX-License-Identifier: MIT
 *
 * loop_test.h - drives a struct loop in a test until something holds. The deadline only ends a test that
 * has already failed; nothing depends on how long a step takes.
 */
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "tests/unit/unit_test.h"

#include "lib/clock.h"
#include "lib/loop.h"

#define LOOP_TEST_DEADLINE_S 20

static inline void loop_test_expired(struct loop_timer *timer)
{
	fail_msg("%s: did not become true in %d s", (const char *)timer->ctx, LOOP_TEST_DEADLINE_S);
}

/* Runs the loop until the expression is true. */
#define LOOP_UNTIL(loop, expression)                                                             \
	do {                                                                                     \
		struct loop_timer guard_ = {0};                                                  \
		loop_timer_set((loop), &guard_,                                                  \
			clock_now_us() + LOOP_TEST_DEADLINE_S * USEC_PER_SEC, loop_test_expired, \
			(void *)(uintptr_t)#expression);                                         \
		while (!(expression))                                                            \
			assert_int_equal(loop_once(loop), 0);                                    \
		loop_timer_cancel((loop), &guard_);                                              \
	} while (0)

static inline void loop_test_pair(int pair[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
		0);
}

/* Runs the loop once if there is something to do. poll(2) looks without taking an edge. */
static inline bool loop_test_step(struct loop *loop)
{
	struct pollfd wait = {.fd = loop->epoll_fd, .events = POLLIN};

	if (poll(&wait, 1, 0) <= 0)
		return false;
	assert_int_equal(loop_once(loop), 0);
	return true;
}
