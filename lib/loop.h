/* SPDX-License-Identifier: MIT
 *
 * loop.h - the event loop of every keel process: one thread, epoll, absolute deadlines.
 *
 * Memory is the caller's: `struct loop_source` and `struct loop_timer` are embedded in the objects
 * that own them, so the loop allocates nothing, ever. A source or timer may be removed, and
 * its memory reused or freed, from inside any callback, also its own: events of the same batch that belong
 * to a removed source are dropped.
 * Timers use CLOCK_BOOTTIME microseconds (they count through a suspend) and one timerfd for all.
 */
#pragma once

#include <sys/epoll.h>

#include "lib/base.h"

struct loop;
struct loop_source;
struct loop_timer;

typedef void loop_io_fn(struct loop_source *source, uint32_t epoll_events);
typedef void loop_timer_fn(struct loop_timer *timer);

struct loop_source {
	int fd; /* -1: not in the loop. The loop never closes it. */
	uint32_t events;
	loop_io_fn *fn;
	void *ctx;
};

struct loop_timer {
	uint64_t at_us; /* 0: not armed */
	loop_timer_fn *fn;
	void *ctx;
	struct loop_timer *next; /* the loop's */
};

#define LOOP_BATCH 32

/* More turns than this within a window: something floods us, or stays ready because reading it fails. */
#define LOOP_WINDOW_US    (UINT64_C(100) * 1000)
#define LOOP_WINDOW_TURNS 300

struct loop {
	int epoll_fd;
	int timer_fd;
	uint64_t timer_set_us;     /* what timer_fd is armed for, 0 = disarmed */
	struct loop_timer *timers; /* sorted by at_us */
	uint64_t timer_floor_us; /* while timers run: what is set meanwhile comes after those due */
	struct epoll_event batch[LOOP_BATCH];
	int batch_len, batch_pos;
	uint64_t window_us; /* when the window began that loop_is_hot() counts in */
	unsigned int window_turns;
	bool stop;
};

/* 0 or -errno. */
int loop_init(struct loop *loop) MUST_CHECK;
void loop_fini(struct loop *loop);

/* Adds, changes or removes a source. `source->fd` must be >= 0 for add. 0 or -errno. */
int loop_add(struct loop *loop, struct loop_source *source, int fd, uint32_t epoll_events,
	loop_io_fn *fn, void *ctx) MUST_CHECK;
int loop_modify(struct loop *loop, struct loop_source *source, uint32_t epoll_events) MUST_CHECK;
/* Does nothing if it is not in the loop. Sets fd to -1; the caller closes the descriptor after. */
void loop_remove(struct loop *loop, struct loop_source *source);

/* (Re-)arms: calls fn once at or after `at_us`. A zeroed struct is a valid unarmed timer. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t at_us, loop_timer_fn *fn,
	void *ctx);
void loop_timer_cancel(struct loop *loop, struct loop_timer *timer);

/* Waits for and dispatches one batch. 0 or -errno (never EINTR). Timers run also if the timerfd fails. */
int loop_once(struct loop *loop) MUST_CHECK;
/* To be asked once a turn by a caller that must not use up a processor whatever happens: true when it
 * should rest for some milliseconds. */
bool loop_is_hot(struct loop *loop);
/* Runs until loop->stop. 0 or -errno. */
int loop_run(struct loop *loop) MUST_CHECK;
