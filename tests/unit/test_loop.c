/* SPDX-License-Identifier: MIT
 *
 * test_loop.c - the event loop: order, removal from inside callbacks, timers, and silence when idle.
 *
 * No sleeps: events are made before the loop is asked, and timers lie in the past or a few ms ahead.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/clock.h"
#include "lib/loop.h"
#include "tests/unit/unit_test.h"

static struct loop loop;
static char order[64]; /* what ran, a letter each */

static void ran(char letter)
{
	size_t len = strlen(order);

	assert_in_range(len, 0, sizeof(order) - 2);
	order[len] = letter;
	order[len + 1] = '\0';
}

static int setup(void **state)
{
	(void)state;
	order[0] = '\0';
	return loop_init(&loop);
}

static int teardown(void **state)
{
	(void)state;
	loop_fini(&loop);
	return loop.epoll_fd == -1 && loop.timer_fd == -1 ? 0 : -1;
}

static void turn(void)
{
	assert_int_equal(loop_once(&loop), 0);
}

/* True if the loop has something to do now. */
static bool ready(void)
{
	struct pollfd poll_fd = {.fd = loop.epoll_fd, .events = POLLIN};

	return poll(&poll_fd, 1, 0) == 1;
}

/* ---- sources ------------------------------------------------------------------------------- */

struct pipe {
	int fds[2];
	struct loop_source source;
	struct pipe *other; /* what the callback acts upon */
	char letter;
};

static void pipe_open(struct pipe *p, char letter, loop_io_fn *fn)
{
	*p = (struct pipe){.letter = letter};
	assert_int_equal(pipe(p->fds), 0);
	assert_int_equal(loop_add(&loop, &p->source, p->fds[0], EPOLLIN, fn, p), 0);
}

static void pipe_fill(struct pipe *p)
{
	assert_int_equal(write(p->fds[1], "x", 1), 1);
}

static void pipe_close(struct pipe *p)
{
	loop_remove(&loop, &p->source);
	close_p(&p->fds[0]);
	close_p(&p->fds[1]);
}

static void on_read(struct loop_source *source, uint32_t events)
{
	struct pipe *p = source->ctx;
	char byte;

	assert_true(events & EPOLLIN);
	assert_int_equal(read(source->fd, &byte, 1), 1);
	ran(p->letter);
}

static void test_sources_run_when_ready(void **state)
{
	struct pipe a, b;

	(void)state;
	pipe_open(&a, 'a', on_read);
	pipe_open(&b, 'b', on_read);
	assert_false(ready());
	pipe_fill(&b);
	turn();
	assert_string_equal(order, "b");
	pipe_fill(&a);
	pipe_fill(&b);
	turn();
	assert_int_equal(strlen(order), 3);
	assert_false(ready());
	pipe_close(&a);
	pipe_close(&b);
}

static void on_remove_other(struct loop_source *source, uint32_t events)
{
	struct pipe *p = source->ctx;

	on_read(source, events);
	pipe_close(p->other);
	memset(p->other, 0xee, sizeof(*p->other)); /* its memory may be somebody else's now */
}

/* Whichever of the two comes first, the other's event of the same batch is dropped. */
static void test_remove_other_in_callback(void **state)
{
	struct pipe a, b;

	(void)state;
	pipe_open(&a, 'a', on_remove_other);
	pipe_open(&b, 'b', on_remove_other);
	a.other = &b;
	b.other = &a;
	pipe_fill(&a);
	pipe_fill(&b);
	turn();
	assert_int_equal(strlen(order), 1);
	pipe_close(order[0] == 'a' ? &a : &b);
	assert_false(ready());
}

static void on_free_self(struct loop_source *source, uint32_t events)
{
	struct pipe *p = source->ctx;

	on_read(source, events);
	pipe_close(p);
	free(p);
}

static void test_remove_and_free_self(void **state)
{
	struct pipe *p = malloc(sizeof(*p));

	(void)state;
	assert_non_null(p);
	pipe_open(p, 'a', on_free_self);
	pipe_fill(p);
	pipe_fill(p);
	turn();
	assert_string_equal(order, "a");
	assert_false(ready());
}

static void on_reuse_other(struct loop_source *source, uint32_t events)
{
	struct pipe *p = source->ctx;

	on_read(source, events);
	if (!p->other)
		return;
	/* The same memory, another descriptor: the old one's event is not for it. */
	pipe_close(p->other);
	pipe_open(p->other, 'n', on_read);
	p->other->other = NULL;
}

static void test_reused_memory_gets_no_old_event(void **state)
{
	struct pipe a, b;

	(void)state;
	pipe_open(&a, 'a', on_reuse_other);
	pipe_open(&b, 'b', on_reuse_other);
	a.other = &b;
	b.other = &a;
	pipe_fill(&a);
	pipe_fill(&b);
	turn();
	assert_int_equal(strlen(order), 1);
	assert_null(strchr(order, 'n'));
	assert_false(ready());
	pipe_close(&a);
	pipe_close(&b);
}

static void test_modify(void **state)
{
	struct pipe a;

	(void)state;
	pipe_open(&a, 'a', on_read);
	pipe_fill(&a);
	assert_int_equal(loop_modify(&loop, &a.source, 0), 0);
	assert_false(ready());
	assert_int_equal(loop_modify(&loop, &a.source, EPOLLIN), 0);
	assert_int_equal(loop_modify(&loop, &a.source, EPOLLIN), 0);
	turn();
	assert_string_equal(order, "a");
	pipe_close(&a);
}

static void test_remove_what_is_not_there(void **state)
{
	struct loop_source zeroed = {0}, removed = {.fd = -1};

	(void)state;
	loop_remove(&loop, &zeroed); /* must not take fd 0 out of the loop */
	loop_remove(&loop, &removed);
	assert_int_equal(loop_add(&loop, &removed, -1, EPOLLIN, on_read, NULL), -EBADF);
	assert_int_equal(removed.fd, -1);
}

/* ---- timers -------------------------------------------------------------------------------- */

struct clock {
	struct loop_timer timer;
	char letter;
	struct clock *other;
	struct loop_source *source;
	unsigned int again;
};

static void on_timer(struct loop_timer *timer)
{
	struct clock *clock = timer->ctx;

	assert_int_equal(timer->at_us, 0); /* fired: not armed any more */
	ran(clock->letter);
}

static void clock_set(struct clock *clock, char letter, uint64_t at_us, loop_timer_fn *fn)
{
	clock->letter = letter;
	loop_timer_set(&loop, &clock->timer, at_us, fn, clock);
}

static void test_timers_run_in_order(void **state)
{
	struct clock a = {0}, b = {0}, c = {0}, d = {0};
	uint64_t now = clock_now_us();

	(void)state;
	clock_set(&c, 'c', now - 10, on_timer);
	clock_set(&a, 'a', now - 30, on_timer);
	clock_set(&b, 'b', now - 20, on_timer);
	clock_set(&d, 'd', now - 20, on_timer); /* equal: first set, first run */
	turn();
	assert_string_equal(order, "abdc");
	assert_null(loop.timers);
	assert_false(ready());
}

static void test_timer_waits_for_its_time(void **state)
{
	struct clock a = {0}, far = {0};
	uint64_t at = clock_now_us() + 5000;

	(void)state;
	clock_set(&far, 'f', at + 3600 * USEC_PER_SEC, on_timer);
	clock_set(&a, 'a', at, on_timer);
	while (order[0] == '\0')
		turn();
	assert_true(clock_now_us() >= at);
	assert_string_equal(order, "a");
	loop_timer_cancel(&loop, &far.timer);
	loop_timer_cancel(&loop, &far.timer); /* twice does no harm */
	assert_null(loop.timers);
}

static void test_timer_is_moved(void **state)
{
	struct clock a = {0}, b = {0};
	uint64_t now = clock_now_us();

	(void)state;
	clock_set(&a, 'a', now - 20, on_timer);
	clock_set(&b, 'b', now - 10, on_timer);
	clock_set(&a, 'a', now - 5, on_timer);
	turn();
	assert_string_equal(order, "ba");
	clock_set(&a, 'z', 0, on_timer); /* 0 is "now", not "not armed" */
	turn();
	assert_string_equal(order, "baz");
}

static void on_cancel_other(struct loop_timer *timer)
{
	struct clock *clock = timer->ctx;

	ran(clock->letter);
	loop_timer_cancel(&loop, &clock->other->timer);
}

static void test_cancel_other_in_callback(void **state)
{
	struct clock a = {0}, b = {0};
	uint64_t now = clock_now_us();

	(void)state;
	a.other = &b;
	clock_set(&a, 'a', now - 20, on_cancel_other);
	clock_set(&b, 'b', now - 10, on_timer);
	turn();
	assert_string_equal(order, "a");
	assert_false(ready());
}

static void on_rearm_in_the_past(struct loop_timer *timer)
{
	struct clock *clock = timer->ctx;

	ran(clock->letter);
	if (clock->again-- > 0)
		loop_timer_set(&loop, timer, 1, on_rearm_in_the_past, clock);
}

/* It runs once a turn: descriptors and other timers get theirs between. */
static void test_rearm_in_the_past_does_not_starve(void **state)
{
	struct clock greedy = {.again = 3}, other = {0};
	struct pipe p;

	(void)state;
	pipe_open(&p, 'p', on_read);
	pipe_fill(&p);
	clock_set(&greedy, 'g', 1, on_rearm_in_the_past);
	clock_set(&other, 'o', 2, on_timer);
	turn();
	assert_int_equal(strlen(order), 3); /* each of the three, once */
	assert_non_null(strchr(order, 'g'));
	assert_non_null(strchr(order, 'o'));
	assert_non_null(strchr(order, 'p'));
	turn();
	turn();
	turn();
	assert_int_equal(strlen(order), 6);
	assert_false(ready());
	pipe_close(&p);
}

static void on_timer_removes_source(struct loop_timer *timer)
{
	struct clock *clock = timer->ctx;

	ran(clock->letter);
	loop_remove(&loop, clock->source);
}

static void test_timer_removes_source(void **state)
{
	struct clock a = {0};
	struct pipe p;

	(void)state;
	pipe_open(&p, 'p', on_read);
	pipe_fill(&p);
	a.source = &p.source;
	clock_set(&a, 'a', 1, on_timer_removes_source);
	turn();
	/* Whoever was first: after the timer the source is never called. */
	assert_true(strcmp(order, "a") == 0 || strcmp(order, "pa") == 0);
	assert_false(ready());
	close_p(&p.fds[0]);
	close_p(&p.fds[1]);
}

/* ---- the loop itself ----------------------------------------------------------------------- */

/* Nothing armed, nothing to read: not one wake-up, and no system call to say so twice. */
static void test_idle_is_silent(void **state)
{
	struct clock a = {0};
	struct pollfd poll_fd;

	(void)state;
	clock_set(&a, 'a', clock_now_us() + 1000, on_timer);
	loop_timer_cancel(&loop, &a.timer);
	poll_fd = (struct pollfd){.fd = loop.epoll_fd, .events = POLLIN};
	assert_int_equal(poll(&poll_fd, 1, 20), 0);
	/* A timer that ran leaves the timerfd silent too. */
	clock_set(&a, 'a', 1, on_timer);
	turn();
	assert_string_equal(order, "a");
	assert_int_equal(poll(&poll_fd, 1, 20), 0);
	assert_int_equal(loop.timer_set_us, 0);
}

static void on_stop(struct loop_timer *timer)
{
	(void)timer;
	loop.stop = true;
}

static void test_run_stops(void **state)
{
	struct loop_timer timer = {0};

	(void)state;
	loop_timer_set(&loop, &timer, 1, on_stop, NULL);
	assert_int_equal(loop_run(&loop), 0);
}

/* Without descriptors it says so and leaves nothing open. */
static void test_init_without_descriptors(void **state)
{
	struct rlimit old, none = {0};
	struct loop other;
	int rc;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	rc = loop_init(&other);
	none.rlim_cur = (rlim_t)loop.timer_fd + 2; /* room for one */
	(void)setrlimit(RLIMIT_NOFILE, &none);
	assert_int_equal(rc, -EMFILE);
	rc = loop_init(&other);
	(void)setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(rc, -EMFILE);
	assert_int_equal(other.epoll_fd, -1);
}

/* A timerfd that cannot be armed: epoll_wait(2) ends when the timer is due. */
static void test_timers_without_timerfd(void **state)
{
	struct clock a = {0}, b = {0};
	int fd = loop.timer_fd;
	uint64_t at = clock_now_us() + 5000;

	(void)state;
	loop.timer_fd = -1;
	clock_set(&b, 'b', at + 1000, on_timer);
	clock_set(&a, 'a', at, on_timer);
	while (strlen(order) < 2)
		turn();
	assert_true(clock_now_us() >= at + 1000);
	assert_string_equal(order, "ab");
	loop.timer_fd = fd;
	clock_set(&a, 'c', clock_now_us() + 1000, on_timer);
	while (strlen(order) < 3)
		turn();
	assert_string_equal(order, "abc");
	assert_false(ready());
}

static void test_hot_only_after_many_turns(void **state)
{
	(void)state;
	for (int i = 0; i < LOOP_WINDOW_TURNS; i++)
		assert_false(loop_is_hot(&loop));
	assert_true(loop_is_hot(&loop));
	/* The next window begins anew. */
	loop.window_us -= LOOP_WINDOW_US;
	assert_false(loop_is_hot(&loop));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_sources_run_when_ready, setup, teardown),
	cmocka_unit_test_setup_teardown(test_remove_other_in_callback, setup, teardown),
	cmocka_unit_test_setup_teardown(test_remove_and_free_self, setup, teardown),
	cmocka_unit_test_setup_teardown(test_reused_memory_gets_no_old_event, setup, teardown),
	cmocka_unit_test_setup_teardown(test_modify, setup, teardown),
	cmocka_unit_test_setup_teardown(test_remove_what_is_not_there, setup, teardown),
	cmocka_unit_test_setup_teardown(test_timers_run_in_order, setup, teardown),
	cmocka_unit_test_setup_teardown(test_timer_waits_for_its_time, setup, teardown),
	cmocka_unit_test_setup_teardown(test_timer_is_moved, setup, teardown),
	cmocka_unit_test_setup_teardown(test_cancel_other_in_callback, setup, teardown),
	cmocka_unit_test_setup_teardown(test_rearm_in_the_past_does_not_starve, setup, teardown),
	cmocka_unit_test_setup_teardown(test_timer_removes_source, setup, teardown),
	cmocka_unit_test_setup_teardown(test_idle_is_silent, setup, teardown),
	cmocka_unit_test_setup_teardown(test_run_stops, setup, teardown),
	cmocka_unit_test_setup_teardown(test_init_without_descriptors, setup, teardown),
	cmocka_unit_test_setup_teardown(test_timers_without_timerfd, setup, teardown),
	cmocka_unit_test_setup_teardown(test_hot_only_after_many_turns, setup, teardown),
};

UNIT_TEST_MAIN(tests)
