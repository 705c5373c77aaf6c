/* SPDX-License-Identifier: MIT
 *
 * test_clock_keeper.c - the clock's keeper in a world of the test's own: clocks, a reference, NTP's state, the host's word.
 * Nothing here touches a clock of the machine.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "tests/unit/loop_test.h"

#include "agent/clock_keeper.h"

#define SEC  INT64_C(1000000)
#define MS   INT64_C(1000)
#define HOUR (3600 * SEC)
#define NOW  (INT64_C(1780000000) * SEC + 345 * MS)

/* The right time is the real-time clock's, and the hypervisor's. */
static struct {
	int64_t right, real, boot, mono;
	int64_t slew;
	int64_t rtc_local; /* the real-time clock's zone */
	int64_t ptp_stale; /* so far behind is what the hypervisor's clock tells */
	enum clock_source reference;
	bool rtc_wanted, may_set;
	struct clock_kernel kernel;
	int step_error, measure_error, seconds_error;
	int64_t hiccup; /* so long the keeper is interrupted behind its next look at a clock */
	unsigned int steps, slews, changes, resumes, reads;
} world;

static struct loop loop;
static struct clock_seen seen;
static struct clock_keeper keeper;

/* Time goes by. */
static void pass(int64_t us)
{
	world.right += us;
	world.real += us;
	world.boot += us;
	world.mono += us;
}

static int64_t fake_now(clockid_t clock)
{
	int64_t now = clock == CLOCK_REALTIME   ? world.real
		      : clock == CLOCK_BOOTTIME ? world.boot
						: world.mono;

	pass(world.hiccup);
	world.hiccup = 0;
	return now;
}

static void fake_read(struct clock_kernel *kernel)
{
	*kernel = world.kernel;
}

static int fake_step(int64_t offset_us)
{
	if (world.step_error)
		return world.step_error;
	world.steps++;
	world.real += offset_us;
	return 0;
}

static int fake_slew(int64_t offset_us)
{
	world.slews++;
	world.slew = offset_us;
	return 0;
}

static bool fake_may_set(void)
{
	return world.may_set;
}

static void fake_find(struct clock_reference *reference, bool rtc)
{
	world.rtc_wanted = rtc;
	*reference = (struct clock_reference){.kind = world.reference, .fd = -1};
	(void)snprintf(reference->name, sizeof(reference->name), "%s",
		world.reference == CLOCK_SOURCE_PTP ? "hyperv" : "rtc0");
	if (world.reference == CLOCK_SOURCE_PTP)
		reference->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int fake_measure(const struct clock_reference *reference, int64_t *offset_us,
	uint64_t *uncertainty_us)
{
	assert_int_equal(reference->kind, CLOCK_SOURCE_PTP);
	world.reads++;
	*offset_us = world.right - world.ptp_stale - world.real;
	*uncertainty_us = 3;
	return world.measure_error;
}

static int fake_seconds(int64_t *seconds)
{
	world.reads++;
	*seconds = (world.right + world.rtc_local) / SEC;
	pass(200); /* port I/O is slow */
	return world.seconds_error;
}

static const struct clock_effects effects = {fake_now, fake_read, fake_step, fake_slew,
	fake_may_set, fake_find, fake_measure, fake_seconds};

static void on_change(void *ctx, bool resumed)
{
	(void)ctx;
	world.changes++;
	world.resumes += resumed;
}

static void begin(enum clock_source reference, enum clock_manage manage)
{
	const struct clock_limits limits = {
		.manage = manage, .step_us = 128000, .dead_us = 5000, .other_us = 1000000};

	memset(&world, 0, sizeof(world));
	world.right = world.real = NOW;
	world.boot = world.mono = 77 * SEC;
	world.reference = reference;
	world.may_set = true;
	world.kernel = (struct clock_kernel){.known = true, .tick_us = 10000};
	assert_int_equal(loop_init(&loop), 0);
	clock_keeper_init(&keeper, &loop, &effects, &limits, true, &seen, NULL, on_change, NULL);
}

static void start(void)
{
	clock_keeper_start(&keeper);
}

static void end(void)
{
	clock_keeper_stop(&keeper);
	loop_fini(&loop);
}

/* Time goes by, and the keeper's timer runs when it is due. */
static void run(int64_t us)
{
	int64_t until = world.boot + us;

	while (keeper.timer.at_us != 0 && (int64_t)keeper.timer.at_us <= until) {
		loop_timer_fn *fn = keeper.timer.fn;

		if ((int64_t)keeper.timer.at_us > world.boot)
			pass((int64_t)keeper.timer.at_us - world.boot);
		loop_timer_cancel(&loop, &keeper.timer);
		fn(&keeper.timer);
	}
	if (until > world.boot)
		pass(until - world.boot);
}

/* What the kernel does with the timerfd when CLOCK_REALTIME is set, and at resume. */
static void wake_set(void)
{
	int fd = keeper.set_watch.fd, event = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_true(fd >= 0 && event >= 0);
	keeper.set_watch.fd = event;
	keeper.set_watch.fn(&keeper.set_watch, EPOLLIN);
	keeper.set_watch.fd = fd;
	(void)close(event);
}

static int64_t error_us(void)
{
	return world.right - world.real;
}

static bool about(int64_t value, int64_t wanted, int64_t tolerance)
{
	return value >= wanted - tolerance && value <= wanted + tolerance;
}

/* ---- sleeps and settings ------------------------------------------------------------------------------- */

static void test_suspend(void **state)
{
	(void)state;
	begin(CLOCK_SOURCE_NONE, CLOCK_MANAGE_AUTO);
	start();
	run(10 * SEC);
	assert_int_equal(keeper.timer.at_us, 0); /* nothing to compare with: nothing wakes it */
	assert_int_equal(seen.discipline, CLOCK_DISCIPLINE_NOBODY);
	world.right += HOUR;
	world.real += HOUR;
	world.boot += HOUR;
	wake_set();
	assert_int_equal(seen.sleeps.count, 1);
	assert_int_equal(seen.sleeps.last_us, HOUR);
	assert_int_equal(seen.sleeps.last_at_us, world.boot);
	assert_false(seen.sleeps.last_paused);
	assert_int_equal(seen.jumps.count, 0);
	assert_int_equal(world.resumes, 1);
	wake_set();
	world.boot += 15 * MS; /* clocks that are read one after the other */
	wake_set();
	assert_int_equal(seen.sleeps.count, 1);
	world.boot += 5 * SEC;
	clock_keeper_look(&keeper);
	assert_int_equal(seen.sleeps.count, 2);
	assert_true(about((int64_t)seen.sleeps.total_us, HOUR + 5 * SEC, 20 * MS));
	end();
}

/* Between the readings of two clocks the agent may have to wait for its processor. */
static void test_interrupted(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		begin(CLOCK_SOURCE_NONE, CLOCK_MANAGE_AUTO);
		world.hiccup = i == 0 ? SEC : 0;
		start();
		world.hiccup = i == 1 ? SEC : 0;
		wake_set();
		world.hiccup = i == 2 ? SEC : 0;
		clock_keeper_look(&keeper);
		wake_set();
		assert_int_equal(seen.sleeps.count, 0);
		assert_int_equal(seen.jumps.count, 0);
		end();
	}
}

static void test_set_by_others(void **state)
{
	(void)state;
	begin(CLOCK_SOURCE_NONE, CLOCK_MANAGE_AUTO);
	start();
	world.real -= 90 * SEC;
	wake_set();
	assert_int_equal(seen.jumps.count, 1);
	assert_int_equal(seen.jumps.last_us, -90 * SEC);
	assert_int_equal(world.changes, 1);
	wake_set();
	assert_int_equal(seen.jumps.count, 1);
	assert_int_equal(world.steps, 0);
	end();
}

/* ---- a PTP clock --------------------------------------------------------------------------------------- */

static void test_ptp_pause(void **state)
{
	(void)state;
	begin(CLOCK_SOURCE_PTP, CLOCK_MANAGE_AUTO);
	start();
	assert_true(world.rtc_wanted);
	assert_int_equal(seen.discipline, CLOCK_DISCIPLINE_KEEL);
	assert_string_equal(seen.source_name, "hyperv");
	run(10 * SEC);
	assert_int_equal(world.steps, 0);
	assert_int_equal(seen.offset_source, CLOCK_SOURCE_PTP);
	world.right += HOUR; /* all clocks of the guest stood still */
	run(800 * MS);
	assert_int_equal(error_us(), 0);
	assert_int_equal(world.steps, 1);
	assert_int_equal(seen.steps, 1);
	assert_int_equal(seen.last.action, CLOCK_ACTION_STEPPED);
	assert_int_equal(seen.last.offset_us, HOUR);
	assert_int_equal(seen.sleeps.count, 1);
	assert_true(seen.sleeps.last_paused);
	assert_int_equal(seen.sleeps.last_us, HOUR);
	wake_set(); /* our own step */
	assert_int_equal(seen.jumps.count, 0);
	assert_int_equal(world.resumes, 1);
	end();
}

/* Within the band nothing, below the threshold slewed and told once, above stepped. */
static void test_ptp_sizes(void **state)
{
	unsigned int changes;

	(void)state;
	begin(CLOCK_SOURCE_PTP, CLOCK_MANAGE_AUTO);
	world.real += 4 * MS;
	start();
	run(5 * SEC);
	assert_int_equal(world.slews + world.steps, 0);
	assert_int_equal(seen.last.action, CLOCK_ACTION_NONE);
	world.real -= 104 * MS;
	changes = world.changes;
	run(10 * SEC);
	assert_int_equal(world.slew, 100 * MS);
	assert_int_equal(world.steps, 0);
	assert_int_equal(world.changes, changes + 1);
	assert_int_equal(seen.last.action, CLOCK_ACTION_SLEWED);
	world.real -= 200 * MS;
	run(SEC);
	assert_int_equal(error_us(), 0);
	assert_int_equal(seen.sleeps.count, 0);
	end();
}

static void test_ptp_fails(void **state)
{
	(void)state;
	begin(CLOCK_SOURCE_PTP, CLOCK_MANAGE_AUTO);
	world.measure_error = -ESTALE;
	world.real -= HOUR;
	start();
	run(10 * SEC);
	assert_int_equal(world.steps, 0);
	assert_int_equal(seen.offset_source, CLOCK_SOURCE_NONE);
	world.measure_error = 0;
	run(SEC);
	assert_int_equal(error_us(), 0);
	end();
}

/* A device that was removed: what else there is, or nothing, and then nothing wakes the agent. */
static void test_ptp_vanishes(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		begin(CLOCK_SOURCE_PTP, CLOCK_MANAGE_AUTO);
		start();
		run(10 * SEC);
		world.measure_error = -ENODEV;
		world.reference = i ? CLOCK_SOURCE_RTC : CLOCK_SOURCE_NONE;
		run(10 * SEC);
		assert_int_equal(seen.source, world.reference);
		assert_string_equal(seen.source_name, i ? "rtc0" : "");
		assert_int_equal(seen.discipline,
			i ? CLOCK_DISCIPLINE_KEEL : CLOCK_DISCIPLINE_NOBODY);
		assert_int_equal(keeper.timer.at_us != 0, i);
		world.right += HOUR;
		run(1900 * MS);
		assert_true(about(error_us(), i ? 0 : HOUR, 12 * MS));
		end();
	}
}

/* A daemon that does its job is left alone; one that cannot is helped, also while the kernel has forgotten it. */
static void test_other_discipline(void **state)
{
	(void)state;
	begin(CLOCK_SOURCE_PTP, CLOCK_MANAGE_AUTO);
	world.kernel.synchronised = true;
	start();
	run(SEC);
	assert_int_equal(seen.discipline, CLOCK_DISCIPLINE_OTHER);
	world.real -= 900 * MS;
	run(60 * SEC);
	assert_int_equal(world.slews + world.steps, 0);
	assert_int_equal(seen.judged.reason, CLOCK_REASON_OTHER);
	world.real += 900 * MS;
	world.right += HOUR;
	run(SEC);
	assert_int_equal(error_us(), 0);
	assert_int_equal(world.steps, 1);
	world.kernel.synchronised = false;
	world.real -= 50 * MS;
	run(60 * SEC);
	assert_int_equal(world.slews, 0);
	run(30 * 60 * SEC); /* it is gone */
	assert_int_equal(seen.discipline, CLOCK_DISCIPLINE_KEEL);
	assert_int_equal(world.slew, 50 * MS);
	end();
}

/* A reference that is mad cannot make the clock dance. */
static void test_rate(void **state)
{
	(void)state;
	begin(CLOCK_SOURCE_PTP, CLOCK_MANAGE_AUTO);
	start();
	for (int i = 0; i < 100; i++) {
		world.right += i % 2 ? HOUR : -HOUR;
		run(800 * MS);
	}
	assert_in_range(world.steps, CLOCK_STEPS_MAX, CLOCK_STEPS_MAX + 9);
	assert_int_equal(seen.last.action, CLOCK_ACTION_REFUSED);
	assert_int_equal(seen.last.reason, CLOCK_REASON_TOO_OFTEN);
	run(30 * SEC);
	assert_int_equal(error_us(), 0);
	end();
}

static void test_kernel_refuses(void **state)
{
	unsigned int changes;

	(void)state;
	begin(CLOCK_SOURCE_PTP, CLOCK_MANAGE_AUTO);
	world.step_error = -EPERM;
	world.real -= HOUR;
	start();
	changes = world.changes;
	assert_int_equal(seen.last.reason, CLOCK_REASON_FAILED);
	assert_int_equal(seen.offset_us, HOUR);
	run(8 * SEC);
	assert_true(world.changes <= changes + 2); /* failed, too often: each is told once */
	changes = world.changes;
	world.real = world.right; /* unheard */
	run(SEC);
	assert_int_equal(world.changes, changes + 1); /* health is well again */
	end();
}

static void test_not_ours(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		begin(CLOCK_SOURCE_PTP, i ? CLOCK_MANAGE_NO : CLOCK_MANAGE_AUTO);
		world.may_set = i;
		world.real -= HOUR;
		start();
		clock_keeper_search(&keeper);
		run(60 * SEC);
		assert_int_equal(seen.source, CLOCK_SOURCE_NONE);
		assert_int_equal(world.steps + world.slews + world.reads, 0);
		end();
	}
}

/* ---- the real-time clock ------------------------------------------------------------------------------- */

/* The kernel took whole seconds of it at boot, and QEMU's are late themselves: which is right is not known. */
static void test_rtc_boot(void **state)
{
	(void)state;
	begin(CLOCK_SOURCE_RTC, CLOCK_MANAGE_AUTO);
	world.real -= 700 * MS;
	start();
	run(2 * SEC);
	assert_int_equal(world.steps + world.slews, 0);
	assert_true(keeper.rtc.known);
	world.reads = 0;
	run(80 * SEC);
	assert_in_range(world.reads, 95, 105); /* one a look */
	end();
}

/* From any moment on, whatever the length: right within 2 s. */
static void test_rtc_pause(void **state)
{
	(void)state;
	for (int64_t when = 0; when < SEC; when += 37 * MS) {
		begin(CLOCK_SOURCE_RTC, CLOCK_MANAGE_AUTO);
		start();
		run(5 * SEC + when);
		world.right += HOUR + when * 3;
		run(1900 * MS);
		assert_true(about(error_us(), 0, 12 * MS));
		assert_int_equal(seen.sleeps.count, 1);
		assert_true(seen.sleeps.last_paused);
		end();
	}
}

/* Windows' host keeps it in local time: nothing is set by that, and a pause is found all the same. */
static void test_rtc_local_time(void **state)
{
	(void)state;
	begin(CLOCK_SOURCE_RTC, CLOCK_MANAGE_AUTO);
	world.rtc_local = 2 * HOUR;
	start();
	run(5 * SEC);
	assert_int_equal(world.steps + world.slews, 0);
	world.right += HOUR;
	run(1900 * MS);
	assert_true(about(error_us(), 0, 24 * MS));
	end();
}

/* Who sets the clock by hand means it. */
static void test_rtc_set_by_hand(void **state)
{
	(void)state;
	begin(CLOCK_SOURCE_RTC, CLOCK_MANAGE_AUTO);
	start();
	run(5 * SEC);
	world.real -= HOUR;
	wake_set();
	run(20 * 60 * SEC);
	assert_int_equal(world.steps, 0);
	assert_int_equal(error_us(), HOUR);
	assert_int_equal(seen.sleeps.count, 0);
	world.right += HOUR;
	run(1900 * MS);
	assert_true(about(error_us(), HOUR, 24 * MS));
	end();
}

/* Our time was written to it, in a zone's place; or it was set back by the host: no reason to set ours. */
static void test_rtc_is_set(void **state)
{
	(void)state;
	for (int zone = -5; zone <= 2; zone++) {
		begin(CLOCK_SOURCE_RTC, CLOCK_MANAGE_AUTO);
		world.rtc_local = zone * HOUR;
		start();
		run(5 * SEC);
		world.rtc_local = 0;
		run(20 * 60 * SEC);
		assert_int_equal(world.steps, 0);
		assert_int_equal(error_us(), 0);
		assert_int_equal(seen.sleeps.count, 0);
		world.right += HOUR;
		run(1900 * MS);
		assert_true(about(error_us(), 0, 24 * MS));
		end();
	}
}

/* Drift is slewed away, and what a daemon knows better is taken over. */
static void test_rtc_drift(void **state)
{
	(void)state;
	begin(CLOCK_SOURCE_RTC, CLOCK_MANAGE_AUTO);
	start();
	run(5 * SEC);
	world.real -= 60 * MS;
	run(16 * 60 * SEC);
	assert_true(about(world.slew, 60 * MS, 10 * MS));
	end();
	begin(CLOCK_SOURCE_RTC, CLOCK_MANAGE_AUTO);
	world.kernel.synchronised = true;
	start();
	for (int i = 0; i < 20; i++) {
		world.real -= 200 * MS;
		run(16 * 60 * SEC);
	}
	assert_int_equal(world.steps + world.slews, 0);
	world.right += HOUR;
	run(1900 * MS);
	assert_true(about(error_us(), 4 * SEC, 30 * MS));
	end();
}

static void test_rtc_unreadable(void **state)
{
	(void)state;
	begin(CLOCK_SOURCE_RTC, CLOCK_MANAGE_AUTO);
	start();
	world.seconds_error = -EIO;
	run(10 * SEC);
	assert_false(keeper.rtc.hunting);
	world.seconds_error = 0;
	run(5 * SEC);
	assert_true(keeper.rtc.known);
	/* One that stands still is given up until the next look. */
	world.right += HOUR;
	for (int i = 0; i < 1500; i++) {
		world.right -= 10 * MS;
		run(10 * MS);
	}
	assert_true(world.steps <= 1);
	end();
}

/* ---- the host's word ----------------------------------------------------------------------------------- */

static struct clock_decision tell(int64_t realtime_us, int64_t *after)
{
	struct clock_decision decision;

	clock_keeper_take_host(&keeper, realtime_us, 2 * MS, &decision, after);
	return decision;
}

static void test_host(void **state)
{
	struct clock_decision decision;
	int64_t after;

	(void)state;
	begin(CLOCK_SOURCE_NONE, CLOCK_MANAGE_AUTO);
	start();
	for (int i = -1; i <= 1; i += 2) {
		world.real = world.right + i * HOUR;
		wake_set();
		decision = tell(world.right, &after);
		assert_int_equal(decision.action, CLOCK_ACTION_STEPPED);
		assert_int_equal(decision.source, CLOCK_SOURCE_HOST);
		assert_int_equal(decision.offset_us, -i * HOUR);
		assert_int_equal(after, 0);
		assert_int_equal(error_us(), 0);
		run(60 * SEC);
	}
	world.real -= 50 * MS;
	decision = tell(world.right, &after);
	assert_int_equal(decision.action, CLOCK_ACTION_SLEWED);
	assert_int_equal(after, 50 * MS);
	world.real += 50 * MS;
	assert_int_equal(tell(world.right + MS, &after).action, CLOCK_ACTION_LEFT);
	assert_int_equal(after, MS);
	assert_int_equal(tell(1, &after).reason, CLOCK_REASON_ABSURD);
	assert_int_equal(tell(INT64_MIN, &after).reason, CLOCK_REASON_ABSURD);
	assert_int_equal(tell(INT64_MAX, &after).reason, CLOCK_REASON_ABSURD);
	assert_int_equal(seen.offset_us, MS); /* of nonsense nothing is learnt */
	world.real = -5;
	assert_int_equal(tell(INT64_MAX, &after).reason, CLOCK_REASON_ABSURD);
	assert_int_equal(tell(INT64_MIN, &after).reason, CLOCK_REASON_ABSURD);
	end();
}

/* It has not been told, but the host knows of it: a sleep all the same. */
static void test_host_after_pause(void **state)
{
	int64_t after;

	(void)state;
	begin(CLOCK_SOURCE_NONE, CLOCK_MANAGE_AUTO);
	start();
	(void)tell(world.right, &after);
	world.right += HOUR;
	(void)tell(world.right, &after);
	assert_int_equal(error_us(), 0);
	assert_int_equal(seen.sleeps.count, 1);
	end();
}

/* Hyper-V's PTP clock goes by a sample from before the sleep until the next one comes. */
static void test_host_knows_better(void **state)
{
	int64_t after;

	(void)state;
	begin(CLOCK_SOURCE_PTP, CLOCK_MANAGE_AUTO);
	start();
	run(5 * SEC);
	world.right += HOUR;
	world.ptp_stale = HOUR;
	run(2 * SEC);
	assert_int_equal(error_us(), HOUR);
	(void)tell(world.right, &after);
	assert_int_equal(error_us(), 0);
	run(6 * SEC);
	assert_int_equal(error_us(), 0);
	world.ptp_stale = 0;
	run(30 * SEC);
	assert_int_equal(error_us(), 0);
	assert_int_equal(world.steps, 1);
	end();
}

/* After the host's word the real-time clock is a stopwatch only. */
static void test_host_against_rtc(void **state)
{
	int64_t after;

	(void)state;
	begin(CLOCK_SOURCE_RTC, CLOCK_MANAGE_AUTO);
	start();
	run(5 * SEC);
	(void)tell(world.right - 2 * HOUR, &after);
	run(20 * 60 * SEC);
	assert_true(about(error_us(), 2 * HOUR, MS));
	assert_int_equal(world.steps, 1);
	/* A small word too: what is slewed to is kept. */
	(void)tell(world.real + 100 * MS, &after);
	assert_int_equal(world.slew, 100 * MS);
	world.real += 100 * MS;
	run(20 * 60 * SEC);
	assert_true(about(error_us(), 2 * HOUR - 100 * MS, 12 * MS));
	assert_int_equal(world.steps, 1);
	assert_int_equal(world.slews, 1);
	end();
}

static void test_host_refused(void **state)
{
	int64_t after;

	(void)state;
	begin(CLOCK_SOURCE_NONE, CLOCK_MANAGE_NO);
	start();
	assert_int_equal(tell(world.right + HOUR, &after).reason, CLOCK_REASON_MANAGE);
	assert_int_equal(after, HOUR);
	assert_int_equal(tell(world.right + MS, &after).action, CLOCK_ACTION_LEFT);
	end();
	begin(CLOCK_SOURCE_NONE, CLOCK_MANAGE_AUTO);
	world.may_set = false;
	start();
	assert_int_equal(tell(world.right + HOUR, &after).reason, CLOCK_REASON_RIGHTS);
	assert_int_equal(world.steps, 0);
	/* Each word is told of: the next one, or whoever sets the clock, ends what health says of it. */
	for (int i = 0; i < 2; i++) {
		world.changes = 0;
		(void)tell(world.right + (i ? HOUR : 0), &after);
		assert_true(world.changes > 0);
	}
	assert_int_equal(seen.judged.action, CLOCK_ACTION_REFUSED);
	world.real = world.right += HOUR;
	wake_set();
	assert_int_equal(seen.judged.action, CLOCK_ACTION_NONE);
	end();
}

/* Modules that come late. */
static void test_found_late(void **state)
{
	(void)state;
	begin(CLOCK_SOURCE_NONE, CLOCK_MANAGE_AUTO);
	start();
	clock_keeper_search(&keeper);
	world.reference = CLOCK_SOURCE_PTP;
	world.real -= HOUR;
	clock_keeper_search(&keeper);
	assert_int_equal(error_us(), 0);
	assert_int_equal(seen.discipline, CLOCK_DISCIPLINE_KEEL);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_suspend),
		cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_set_by_others),
		cmocka_unit_test(test_ptp_pause),
		cmocka_unit_test(test_ptp_sizes),
		cmocka_unit_test(test_ptp_fails),
		cmocka_unit_test(test_ptp_vanishes),
		cmocka_unit_test(test_other_discipline),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_kernel_refuses),
		cmocka_unit_test(test_not_ours),
		cmocka_unit_test(test_rtc_boot),
		cmocka_unit_test(test_rtc_pause),
		cmocka_unit_test(test_rtc_local_time),
		cmocka_unit_test(test_rtc_set_by_hand),
		cmocka_unit_test(test_rtc_is_set),
		cmocka_unit_test(test_rtc_drift),
		cmocka_unit_test(test_rtc_unreadable),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_host_after_pause),
		cmocka_unit_test(test_host_knows_better),
		cmocka_unit_test(test_host_against_rtc),
		cmocka_unit_test(test_host_refused),
		cmocka_unit_test(test_found_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
