/* SPDX-License-Identifier: MIT
 *
 * clock_keeper.c - see clock_keeper.h. Caller: agent.c. tests/unit/test_clock_keeper.c is the world around it.
 *
 * A look is: did the machine sleep, who disciplines the clock, what does the reference say, what is to be done. The
 * real-time clock shows whole seconds: a look only sees whether it is off by more than one, and then hunts for an edge.
 */
#include "agent/clock_keeper.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>

#include "lib/log.h"

#define MS 1000.0

static uint64_t boot_now(const struct clock_keeper *keeper)
{
	return (uint64_t)keeper->effects->now(CLOCK_BOOTTIME);
}

/* One clock minus another. Who was interrupted between two readings reads again: the closest count. */
static int64_t distance(const struct clock_keeper *keeper, clockid_t clock, clockid_t base)
{
	int64_t least = INT64_MAX, result = 0;

	for (int i = 0; i < CLOCK_READINGS; i++) {
		int64_t before = keeper->effects->now(base), now = keeper->effects->now(clock);
		int64_t window = keeper->effects->now(base) - before;

		if (window < least) {
			least = window;
			result = now - before;
		}
	}
	return result;
}

/* ---- telling ------------------------------------------------------------------------------------------ */

static void tell(struct clock_keeper *keeper, const char *json)
{
	if (keeper->events)
		events_add(keeper->events, EVENT_CLOCK, json, strlen(json));
}

static void tell_decision(struct clock_keeper *keeper, const struct clock_decision *decision)
{
	const char *action = clock_action_name(decision->action);
	const char *reason = clock_reason_text(decision->reason);
	const char *source = clock_source_name(decision->source);
	char json[256];

	(void)snprintf(json, sizeof(json),
		"{\"what\":\"%s\",\"source\":\"%s\",\"offset_ms\":%.3f,\"reason\":\"%s\"}", action,
		source, (double)decision->offset_us / MS, reason);
	tell(keeper, json);
	if (decision->action == CLOCK_ACTION_REFUSED)
		log_warning("the clock is off by %.3f ms (%s), and is left so: %s",
			(double)decision->offset_us / MS, source, reason);
	else
		log_info("the clock was off by %.3f ms (%s): %s", (double)decision->offset_us / MS,
			source, action);
	keeper->fn(keeper->ctx, false);
}

static void note_sleep(struct clock_keeper *keeper, uint64_t us, bool paused)
{
	struct clock_sleeps *sleeps = &keeper->seen->sleeps;
	char json[128];

	sleeps->count++;
	sleeps->total_us += us;
	sleeps->last_us = us;
	sleeps->last_at_us = boot_now(keeper);
	sleeps->last_paused = paused;
	(void)snprintf(json, sizeof(json), "{\"what\":\"%s\",\"for_ms\":%.3f}",
		paused ? "paused" : "slept", (double)us / MS);
	tell(keeper, json);
	log_info("the machine %s for %.1f s", paused ? "was paused" : "slept",
		(double)us / (double)USEC_PER_SEC);
	keeper->fn(keeper->ctx, true);
}

static void note_jump(struct clock_keeper *keeper, int64_t us)
{
	struct clock_jumps *jumps = &keeper->seen->jumps;
	char json[128];

	jumps->count++;
	jumps->last_us = us;
	jumps->last_at_us = boot_now(keeper);
	(void)snprintf(json, sizeof(json), "{\"what\":\"set\",\"by_ms\":%.3f}", (double)us / MS);
	tell(keeper, json);
	log_info("somebody set the clock by %.3f ms", (double)us / MS);
	keeper->fn(keeper->ctx, false);
}

/* ---- doing -------------------------------------------------------------------------------------------- */

static void rebase(struct clock_keeper *keeper)
{
	keeper->set_base = distance(keeper, CLOCK_REALTIME, CLOCK_BOOTTIME);
}

/* 0 or -errno. */
static int act(struct clock_keeper *keeper, const struct clock_decision *decision)
{
	int rc;

	if (decision->action == CLOCK_ACTION_SLEWED)
		return keeper->effects->slew(decision->offset_us);
	if (decision->action != CLOCK_ACTION_STEPPED)
		return 0;
	clock_budget_take(&keeper->budget);
	rc = keeper->effects->step(decision->offset_us);
	if (rc < 0)
		return rc;
	keeper->seen->steps++;
	rebase(keeper);
	return 0;
}

/* A slew takes minutes, a refusal lasts: each is told once. */
static bool is_news(const struct clock_decision *old, const struct clock_decision *now)
{
	if (now->action == CLOCK_ACTION_LEFT)
		return false;
	return now->action == CLOCK_ACTION_STEPPED || old->action != now->action ||
	       old->reason != now->reason;
}

/* Found behind, although nobody set our clock and it was right: the host had paused us, for so long. 0: it had not. */
static uint64_t paused_us(const struct clock_seen *seen, int64_t offset_us)
{
	const int64_t least = (int64_t)CLOCK_PAUSE_MIN_US;

	if (seen->offset_source == CLOCK_SOURCE_NONE || offset_us < least ||
		seen->offset_us >= least || seen->offset_us <= -least)
		return 0;
	return (uint64_t)(offset_us - seen->offset_us);
}

/* Judges the offset and does what is to be done. The decision is kept in the facts. */
static void treat(struct clock_keeper *keeper, enum clock_source source, int64_t offset_us,
	uint64_t uncertainty_us)
{
	struct clock_seen *seen = keeper->seen;
	const struct clock_question question = {
		.realtime_us = keeper->effects->now(CLOCK_REALTIME),
		.offset_us = offset_us,
		.uncertainty_us = uncertainty_us,
		.other = seen->discipline == CLOCK_DISCIPLINE_OTHER,
		.may_set = seen->may_set,
		.may_step = clock_budget_has(&keeper->budget, boot_now(keeper)),
	};
	struct clock_decision decision = {.source = source,
		.offset_us = offset_us,
		.uncertainty_us = uncertainty_us,
		.at_us = boot_now(keeper)};
	uint64_t pause_us = paused_us(seen, offset_us);
	const bool was_refused = seen->judged.action == CLOCK_ACTION_REFUSED;
	bool news;
	int rc;

	clock_policy_decide(&keeper->limits, &question, &decision.action, &decision.reason);
	rc = act(keeper, &decision);
	if (rc < 0) {
		log_warning("adjtimex: %s", strerror(-rc));
		decision.action = CLOCK_ACTION_REFUSED;
		decision.reason = CLOCK_REASON_FAILED;
	}
	news = is_news(&seen->judged, &decision);
	seen->judged = decision;
	if (decision.action != CLOCK_ACTION_LEFT)
		seen->last = decision;
	if (decision.reason != CLOCK_REASON_ABSURD) { /* nonsense measures nothing */
		seen->offset_source = source;
		seen->offset_us = decision.action == CLOCK_ACTION_STEPPED ? 0 : offset_us;
		seen->uncertainty_us = uncertainty_us;
		seen->offset_at_us = decision.at_us;
	}
	if (news)
		tell_decision(keeper, &decision);
	else if (was_refused && decision.action != CLOCK_ACTION_REFUSED)
		keeper->fn(keeper->ctx, false); /* no event, but health may be well again */
	if (decision.action == CLOCK_ACTION_STEPPED && pause_us > 0)
		note_sleep(keeper, pause_us, true);
}

/* ---- looking ------------------------------------------------------------------------------------------ */

/* The clocks of this machine among themselves. */
static void look_at_own(struct clock_keeper *keeper)
{
	int64_t sleep_base = distance(keeper, CLOCK_BOOTTIME, CLOCK_MONOTONIC);
	int64_t slept = sleep_base - keeper->sleep_base;

	if (slept >= (int64_t)CLOCK_SLEEP_MIN_US) {
		keeper->sleep_base = sleep_base;
		note_sleep(keeper, (uint64_t)slept, false);
	}
}

static void look_at_discipline(struct clock_keeper *keeper)
{
	struct clock_seen *seen = keeper->seen;
	enum clock_discipline before = seen->discipline;
	struct clock_kernel kernel;
	bool other;

	keeper->effects->read(&kernel);
	other = clock_policy_other(&seen->kernel, &kernel, boot_now(keeper), &keeper->other_us);
	seen->kernel = kernel;
	if (other)
		seen->discipline = CLOCK_DISCIPLINE_OTHER;
	else
		seen->discipline = seen->source != CLOCK_SOURCE_NONE ? CLOCK_DISCIPLINE_KEEL
								     : CLOCK_DISCIPLINE_NOBODY;
	if (seen->discipline != before)
		keeper->fn(keeper->ctx, false);
}

/* True if there is another than before. */
static bool find_reference(struct clock_keeper *keeper)
{
	struct clock_seen *seen = keeper->seen;

	keeper->effects->find(&keeper->reference, keeper->with_rtc);
	if (keeper->reference.kind == seen->source)
		return false;
	seen->source = keeper->reference.kind;
	memcpy(seen->source_name, keeper->reference.name, sizeof(seen->source_name));
	keeper->rtc.hunting = false;
	log_info("the clock is compared with %s", seen->source_name);
	return true;
}

/* The device was removed: what is left of it never tells a time again. */
static void lose_reference(struct clock_keeper *keeper)
{
	struct clock_seen *seen = keeper->seen;

	log_warning("%s is gone: the clock is not compared with it any more", seen->source_name);
	clock_reference_close(&keeper->reference);
	seen->source = CLOCK_SOURCE_NONE;
	seen->source_name[0] = '\0';
	(void)find_reference(keeper); /* looked at when the timer comes */
	look_at_discipline(keeper);
}

static void look_at_ptp(struct clock_keeper *keeper)
{
	int64_t offset_us;
	uint64_t uncertainty_us;
	int rc = keeper->effects->measure(&keeper->reference, &offset_us, &uncertainty_us);

	if (rc == -ENODEV)
		lose_reference(keeper);
	else if (rc == 0)
		treat(keeper, CLOCK_SOURCE_PTP, offset_us, uncertainty_us);
}

/* ---- the real-time clock ------------------------------------------------------------------------------ */

static void hunt_end(struct clock_keeper *keeper)
{
	keeper->rtc.hunting = false;
	keeper->rtc.due_us = boot_now(keeper) + CLOCK_EXACT_US;
}

/* Somebody set it (hwclock(8), the kernel for an NTP daemon, the host): it went back, or it was far behind and now shows
 * what our clock does. Neither is what a pause looks like. */
static bool rtc_was_set(int64_t offset_us, int64_t drift_us)
{
	const int64_t second = (int64_t)USEC_PER_SEC;

	return drift_us <= -second ||
	       (drift_us >= 2 * second && offset_us <= second && offset_us >= -second);
}

/* It is a stopwatch, not an authority: its zone may be another, and QEMU's ticks up to a second late for ever (its seconds
 * begin when QEMU did). What counts is what it tells of time that went by. */
static void take_edge(struct clock_keeper *keeper)
{
	int64_t offset_us = keeper->rtc.edge.offset_us;
	int64_t drift_us = offset_us - keeper->rtc.bias;
	int64_t other_us = (int64_t)keeper->limits.other_us;
	bool other = keeper->seen->discipline == CLOCK_DISCIPLINE_OTHER;

	hunt_end(keeper);
	/* Who disciplines our clock knows better. */
	if (!keeper->rtc.known || (other && drift_us <= other_us && drift_us >= -other_us) ||
		rtc_was_set(offset_us, drift_us))
		keeper->rtc.bias = offset_us;
	keeper->rtc.known = true;
	offset_us -= keeper->rtc.bias;
	treat(keeper, CLOCK_SOURCE_RTC, offset_us, keeper->rtc.edge.uncertainty_us);
}

static void hunt_begin(struct clock_keeper *keeper)
{
	keeper->rtc.hunting = true;
	keeper->rtc.until_us = boot_now(keeper) + CLOCK_HUNT_MAX_US;
	keeper->rtc.edge = (struct clock_edge){0};
}

static void look_at_rtc(struct clock_keeper *keeper)
{
	int64_t before = keeper->effects->now(CLOCK_REALTIME), seconds;

	if (keeper->effects->seconds(&seconds) < 0) {
		if (keeper->rtc.hunting)
			hunt_end(keeper);
		return;
	}
	if (keeper->rtc.hunting) {
		if (clock_edge_take(&keeper->rtc.edge, before, seconds,
			    keeper->effects->now(CLOCK_REALTIME)))
			take_edge(keeper);
		else if (boot_now(keeper) >= keeper->rtc.until_us)
			hunt_end(keeper);
		return;
	}
	if (!keeper->rtc.known || boot_now(keeper) >= keeper->rtc.due_us ||
		clock_policy_coarse(seconds, before + keeper->rtc.bias) > (int64_t)USEC_PER_SEC ||
		clock_policy_coarse(seconds, before + keeper->rtc.bias) < -(int64_t)USEC_PER_SEC)
		hunt_begin(keeper);
}

/* What it is ahead of a clock that has just been set is to be found out anew. */
static void rtc_forget(struct clock_keeper *keeper)
{
	keeper->rtc.known = keeper->rtc.hunting = false;
	keeper->rtc.bias = 0;
}

/* ---- waking ------------------------------------------------------------------------------------------- */

static void on_timer(struct loop_timer *timer);

static void set_timer(struct clock_keeper *keeper)
{
	uint64_t pause = keeper->rtc.hunting ? CLOCK_HUNT_US : CLOCK_LOOK_US;

	if (keeper->seen->source != CLOCK_SOURCE_NONE)
		loop_timer_set(keeper->loop, &keeper->timer, boot_now(keeper) + pause, on_timer,
			keeper);
}

static void look(struct clock_keeper *keeper)
{
	look_at_own(keeper);
	look_at_discipline(keeper);
	if (keeper->seen->source == CLOCK_SOURCE_PTP && boot_now(keeper) >= keeper->trust_us)
		look_at_ptp(keeper);
	else if (keeper->seen->source == CLOCK_SOURCE_RTC)
		look_at_rtc(keeper);
	set_timer(keeper);
}

static void on_timer(struct loop_timer *timer)
{
	struct clock_keeper *keeper = timer->ctx;

	if (keeper->rtc.hunting) { /* a hundred times a second: nothing else is looked at */
		look_at_rtc(keeper);
		set_timer(keeper);
	} else {
		look(keeper);
	}
}

/* Armed for a time that never comes; read(2) says ECANCELED when the clock is set, also at resume. */
static int arm_set_watch(int fd)
{
	const struct itimerspec never = {.it_value = {.tv_sec = INT64_MAX}};

	return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) < 0
		       ? -errno
		       : 0;
}

static void look_at_setting(struct clock_keeper *keeper)
{
	int64_t base = distance(keeper, CLOCK_REALTIME, CLOCK_BOOTTIME);
	int64_t jump = base - keeper->set_base;

	if (jump < (int64_t)CLOCK_JUMP_MIN_US && jump > -(int64_t)CLOCK_JUMP_MIN_US)
		return; /* a resume, or what we did ourselves */
	keeper->set_base = base;
	keeper->seen->offset_source = CLOCK_SOURCE_NONE;
	keeper->seen->judged = (struct clock_decision){0}; /* of a clock that is another now */
	rtc_forget(keeper);
	note_jump(keeper, jump);
}

static void on_set(struct loop_source *source, uint32_t events)
{
	struct clock_keeper *keeper = source->ctx;
	uint64_t expirations;
	int rc;

	(void)events;
	if (read(source->fd, &expirations, sizeof(expirations)) < 0 && errno != ECANCELED)
		return;
	rc = arm_set_watch(source->fd);
	if (rc < 0)
		log_warning("timerfd: %s; settings of the clock are not heard", strerror(-rc));
	look_at_setting(keeper);
	look(keeper);
}

/* ---- the host's word ---------------------------------------------------------------------------------- */

void clock_keeper_take_host(struct clock_keeper *keeper, int64_t realtime_us,
	uint64_t uncertainty_us, struct clock_decision *decision, int64_t *after_us)
{
	const struct clock_effects *effects = keeper->effects;
	int64_t offset_us, then_us = effects->now(CLOCK_BOOTTIME);

	/* Far-off numbers are for the policy to refuse, not for arithmetic to overflow. */
	if (__builtin_sub_overflow(realtime_us, effects->now(CLOCK_REALTIME), &offset_us))
		offset_us = realtime_us < 0 ? INT64_MIN : INT64_MAX;
	look_at_own(keeper);
	look_at_discipline(keeper);
	treat(keeper, CLOCK_SOURCE_HOST, offset_us, uncertainty_us);
	*decision = keeper->seen->judged;
	*after_us = offset_us;
	if (decision->action == CLOCK_ACTION_STEPPED)
		*after_us = realtime_us + (effects->now(CLOCK_BOOTTIME) - then_us) -
			    effects->now(CLOCK_REALTIME);
	if (decision->reason != CLOCK_REASON_ABSURD)
		keeper->seen->offset_us = *after_us;
	/* How far off it is may be health's matter, told before or not. */
	keeper->fn(keeper->ctx, false);
	if (decision->action == CLOCK_ACTION_SLEWED)
		keeper->rtc.bias -= offset_us;
	if (decision->action != CLOCK_ACTION_STEPPED)
		return;
	keeper->trust_us = boot_now(keeper) + CLOCK_HOST_TRUST_US;
	rtc_forget(keeper);
}

/* ---- life --------------------------------------------------------------------------------------------- */

void clock_keeper_init(struct clock_keeper *keeper, struct loop *loop,
	const struct clock_effects *effects, const struct clock_limits *limits, bool with_rtc,
	struct clock_seen *seen, struct events *events, clock_keeper_fn *fn, void *ctx)
{
	*keeper = (struct clock_keeper){.loop = loop,
		.effects = effects,
		.limits = *limits,
		.with_rtc = with_rtc,
		.seen = seen,
		.events = events,
		.fn = fn,
		.ctx = ctx,
		.set_watch.fd = -1,
		.reference.fd = -1};
	*seen = (struct clock_seen){.known = true, .manage = limits->manage};
}

static void start_set_watch(struct clock_keeper *keeper)
{
	int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	int rc = fd < 0 ? -errno : arm_set_watch(fd);

	if (rc == 0)
		rc = loop_add(keeper->loop, &keeper->set_watch, fd, EPOLLIN, on_set, keeper);
	if (rc == 0)
		return;
	log_warning("timerfd: %s; settings of the clock are not heard", strerror(-rc));
	if (fd >= 0)
		(void)close(fd);
}

void clock_keeper_search(struct clock_keeper *keeper)
{
	const struct clock_seen *seen = keeper->seen;

	if (!seen->may_set || seen->manage == CLOCK_MANAGE_NO)
		return;
	if (find_reference(keeper))
		look(keeper);
}

void clock_keeper_start(struct clock_keeper *keeper)
{
	keeper->seen->may_set = keeper->effects->may_set();
	keeper->sleep_base = distance(keeper, CLOCK_BOOTTIME, CLOCK_MONOTONIC);
	rebase(keeper);
	start_set_watch(keeper);
	look_at_discipline(keeper);
	clock_keeper_search(keeper);
}

void clock_keeper_look(struct clock_keeper *keeper)
{
	look_at_own(keeper);
	look_at_discipline(keeper);
}

void clock_keeper_stop(struct clock_keeper *keeper)
{
	int fd = keeper->set_watch.fd;

	loop_timer_cancel(keeper->loop, &keeper->timer);
	loop_remove(keeper->loop, &keeper->set_watch);
	if (fd >= 0)
		(void)close(fd);
	clock_reference_close(&keeper->reference);
}
