/* SPDX-License-Identifier: MIT
 *
 * loop.c - epoll + one timerfd. See loop.h for what holds.
 *
 * Timers are a sorted list: the number of timers in any keel process is below a hundred, and an
 * intrusive list needs no memory of its own.
 */
#include "lib/loop.h"

#include <limits.h>
#include <string.h>
#include <sys/timerfd.h>

#include "lib/clock.h"

int loop_init(struct loop *loop)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
	int rc;

	memset(loop, 0, sizeof(*loop));
	loop->timer_fd = -1;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		return -errno;
	loop->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (loop->timer_fd < 0)
		goto fail;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->timer_fd, &event) < 0)
		goto fail;
	return 0;
fail:
	rc = -errno;
	loop_fini(loop);
	return rc;
}

void loop_fini(struct loop *loop)
{
	close_p(&loop->timer_fd);
	close_p(&loop->epoll_fd);
}

int loop_add(struct loop *loop, struct loop_source *source, int fd, uint32_t epoll_events,
	loop_io_fn *fn, void *ctx)
{
	struct epoll_event event = {.events = epoll_events, .data.ptr = source};

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	*source = (struct loop_source){.fd = fd, .events = epoll_events, .fn = fn, .ctx = ctx};
	return 0;
}

int loop_modify(struct loop *loop, struct loop_source *source, uint32_t epoll_events)
{
	struct epoll_event event = {.events = epoll_events, .data.ptr = source};

	if (source->events == epoll_events)
		return 0;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event) < 0)
		return -errno;
	source->events = epoll_events;
	return 0;
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
	/* A zeroed, never added source has no callback: its fd 0 is nobody's. */
	if (source->fd < 0 || !source->fn)
		return;
	(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	source->fd = -1;
	for (int i = loop->batch_pos; i < loop->batch_len; i++)
		if (loop->batch[i].data.ptr == source)
			loop->batch[i].events = 0;
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
	struct loop_timer **link;

	if (timer->at_us == 0)
		return;
	for (link = &loop->timers; *link; link = &(*link)->next) {
		if (*link == timer) {
			*link = timer->next;
			break;
		}
	}
	timer->at_us = 0;
	timer->next = NULL;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t at_us, loop_timer_fn *fn,
	void *ctx)
{
	struct loop_timer **link;

	loop_timer_cancel(loop, timer);
	if (at_us < loop->timer_floor_us)
		at_us = loop->timer_floor_us;
	timer->at_us = at_us ? at_us : 1;
	timer->fn = fn;
	timer->ctx = ctx;
	for (link = &loop->timers; *link && (*link)->at_us <= timer->at_us; link = &(*link)->next)
		;
	timer->next = *link;
	*link = timer;
}

/* What the timerfd is armed for is not known: it has to be set again. */
#define TIMER_UNKNOWN UINT64_MAX

/* In whole milliseconds for epoll_wait, rounded up so that the timer is due after it. */
static int ms_until(uint64_t at_us)
{
	uint64_t now = clock_now_us(), ms = at_us > now ? (at_us - now + 999) / 1000 : 0;

	return ms < INT_MAX ? (int)ms : INT_MAX;
}

/* Arms the timerfd for the earliest timer; a system call only when that changed. The answer is how long
 * epoll_wait may wait: for ever, or up to that timer if it has to stand in for a timerfd that fails. */
static int loop_arm(struct loop *loop)
{
	uint64_t at_us = loop->timers ? loop->timers->at_us : 0;
	struct itimerspec spec = {
		.it_value.tv_sec = (time_t)(at_us / USEC_PER_SEC),
		.it_value.tv_nsec = (long)(at_us % USEC_PER_SEC) * 1000,
	};

	if (at_us == loop->timer_set_us)
		return -1;
	if (timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) < 0) {
		loop->timer_set_us = TIMER_UNKNOWN;
		return at_us ? ms_until(at_us) : -1;
	}
	loop->timer_set_us = at_us;
	return -1;
}

static void loop_run_timers(struct loop *loop)
{
	uint64_t expirations, now = clock_now_us();
	unsigned int due = 0;

	/* Not read, it stays readable until it is set anew. */
	loop->timer_set_us =
		read(loop->timer_fd, &expirations, sizeof(expirations)) < 0 ? TIMER_UNKNOWN : 0;
	/* As many as are due now: a timer that re-arms itself for the past goes behind them and runs in
	 * the next batch. */
	loop->timer_floor_us = now;
	for (struct loop_timer *timer = loop->timers; timer && timer->at_us <= now;
		timer = timer->next)
		due++;
	while (due-- > 0 && loop->timers && loop->timers->at_us <= now) {
		struct loop_timer *timer = loop->timers;

		loop_timer_cancel(loop, timer);
		timer->fn(timer);
	}
	loop->timer_floor_us = 0;
}

int loop_once(struct loop *loop)
{
	int timeout_ms = loop_arm(loop);
	int n = epoll_wait(loop->epoll_fd, loop->batch, LOOP_BATCH, timeout_ms);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	loop->batch_len = n;
	for (loop->batch_pos = 0; loop->batch_pos < loop->batch_len;) {
		struct epoll_event *event = &loop->batch[loop->batch_pos++];
		struct loop_source *source = event->data.ptr;

		if (!source)
			loop_run_timers(loop);
		else if (event->events != 0)
			source->fn(source, event->events);
	}
	loop->batch_len = loop->batch_pos = 0;
	if (timeout_ms >= 0)
		loop_run_timers(loop);
	return 0;
}

bool loop_is_hot(struct loop *loop)
{
	uint64_t now = clock_now_us();

	if (now - loop->window_us >= LOOP_WINDOW_US) {
		loop->window_us = now;
		loop->window_turns = 0;
	}
	return ++loop->window_turns > LOOP_WINDOW_TURNS;
}

int loop_run(struct loop *loop)
{
	while (!loop->stop) {
		int rc = loop_once(loop);

		if (rc < 0)
			return rc;
	}
	return 0;
}
