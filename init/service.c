/* SPDX-License-Identifier: MIT
 *
 * service.c - carries out what service_sm decides. Called by main.c's loop, notify.c, control requests and
 * shutdown; everything here is non-blocking and allocates nothing.
 */
#include "init/service.h"

#include <signal.h>
#include <string.h>

#include "init/spawn.h"
#include "lib/clock.h"
#include "lib/log.h"

/* A service that ran this long has recovered: its backoff begins anew. */
#define STABLE_US (10 * USEC_PER_SEC)
/* No process could be made, or its program cannot be run: trying again at once would be a busy loop. */
#define SPAWN_RETRY_US (100 * USEC_PER_MSEC)

static void on_timer(struct loop_timer *timer)
{
	service_event(timer->ctx, SM_EVENT_TIMEOUT, (struct sm_facts){0});
}

static void on_watchdog(struct loop_timer *timer)
{
	service_event(timer->ctx, SM_EVENT_WATCHDOG, (struct sm_facts){0});
}

static void arm(struct service *service, uint64_t delay_us)
{
	struct loop *loop = &service->init->loop;

	if (delay_us == 0)
		loop_timer_cancel(loop, &service->timer);
	else
		loop_timer_set(loop, &service->timer, clock_now_us() + delay_us, on_timer, service);
}

/* RestartSec, doubled with each death in a row, up to RestartMaxDelaySec. RestartSec=0 stays 0. */
static uint64_t backoff_delay(struct service *service)
{
	const struct unit *unit = &service->unit;
	uint64_t delay = unit->restart_us;

	if (clock_now_us() - service->record.exec_us > STABLE_US)
		service->backoff = 0;
	for (unsigned int i = 0; i < service->backoff && delay < unit->restart_max_us; i++)
		delay *= 2;
	service->backoff++;
	if (delay > unit->restart_max_us && unit->restart_us < unit->restart_max_us)
		delay = unit->restart_max_us;
	if (service->sm.cause == SM_CAUSE_SPAWN_FAILED && delay < SPAWN_RETRY_US)
		delay = SPAWN_RETRY_US;
	return delay ? delay : 1;
}

static void note_reload(struct service *service)
{
	char why[CONTROL_REASON_MAX] = "reload failed: ";
	size_t len = strlen(why);

	if (service->command_status != 0 || service->command_errno != 0)
		service_describe_command(service, why + len, sizeof(why) - len);
	else
		(void)strncat(why, "it did not say READY=1 in time", sizeof(why) - len - 1);
	log_warning("%s: %s", service->unit.name, why);
	service_set_reason(service, why);
}

static void do_timers(struct service *service, unsigned int actions)
{
	const struct unit *unit = &service->unit;

	if (actions & SM_ACTION_DISARM)
		arm(service, 0);
	if (actions & SM_ACTION_ARM_START)
		arm(service,
			unit->type == UNIT_TYPE_SIMPLE && service->sm.step == SERVICE_STEP_START
				? 0
				: unit->timeout_start_us);
	if (actions & SM_ACTION_ARM_STOP)
		arm(service, unit->timeout_stop_us);
	if (actions & SM_ACTION_ARM_RESTART)
		arm(service, backoff_delay(service));
}

static void do_signals(struct service *service, unsigned int actions)
{
	const struct unit *unit = &service->unit;

	if (actions & SM_ACTION_TERMINATE) {
		service_signal(service, unit->kill_signal);
		if (unit->send_sighup)
			service_signal(service, SIGHUP);
	}
	if (actions & SM_ACTION_ABORT)
		service_signal(service, unit->watchdog_signal);
	if (actions & SM_ACTION_KILL)
		service_kill(service);
	if (actions & SM_ACTION_KILL_REST)
		service_kill_rest(service);
	if ((actions & SM_ACTION_RELOAD_SIGNAL) && service->main.pid > 0)
		(void)spawn_signal(service->main.pid, service->main.pidfd, unit->reload_signal);
}

static void do_actions(struct service *service, unsigned int actions)
{
	if (actions & SM_ACTION_COUNT_RESTART)
		service->record.restarts++;
	if (actions & SM_ACTION_CHECK_DEPS)
		service->init->changed = true;
	if (actions & SM_ACTION_DROP_COMMAND)
		service_drop_command(service);
	do_timers(service, actions);
	do_signals(service, actions);
	if (actions & SM_ACTION_NOTE_RELOAD)
		note_reload(service);
	/* Last: they may fail at once and send the next event. */
	if (actions & SM_ACTION_RUN)
		service_run_command(service);
	if (actions & SM_ACTION_SPAWN)
		service_spawn_main(service);
}

static bool start_limit_hit(const struct service *service)
{
	const struct unit *unit = &service->unit;
	unsigned int burst = unit->start_limit_burst;
	uint64_t oldest;

	if (burst == 0 || unit->start_limit_us == 0 || service->start_count < burst)
		return false;
	oldest =
		service->starts_us[(service->start_count - burst) % ARRAY_SIZE(service->starts_us)];
	return clock_now_us() - oldest < unit->start_limit_us;
}

/* The machine was short of something, which says nothing about the service. */
static bool is_shortage(int error)
{
	return error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE ||
	       error == ENOSPC;
}

static bool is_watched(const struct service *service)
{
	return service->watchdog_us > 0 && service->sm.main &&
	       (service->sm.state == SERVICE_STATE_ACTIVE ||
		       service->sm.state == SERVICE_STATE_RELOADING);
}

void service_feed_watchdog(struct service *service)
{
	if (is_watched(service))
		loop_timer_set(&service->init->loop, &service->watchdog,
			clock_now_us() + service->watchdog_us, on_watchdog, service);
	else
		loop_timer_cancel(&service->init->loop, &service->watchdog);
}

void service_set_watchdog(struct service *service, uint64_t usec)
{
	service->watchdog_us = usec ? usec : service->unit.watchdog_us;
	service_feed_watchdog(service);
}

void service_extend_timeout(struct service *service, uint64_t usec)
{
	uint64_t at_us = clock_now_us() + usec;
	enum service_state state = service->sm.state;

	if (service->timer.at_us == 0 || at_us <= service->timer.at_us ||
		state == SERVICE_STATE_BACKOFF)
		return;
	loop_timer_set(&service->init->loop, &service->timer, at_us, on_timer, service);
}

/* Things that follow from the state alone. */
static void follow_state(struct service *service, enum service_state before)
{
	enum service_state state = service->sm.state;

	if (state == SERVICE_STATE_STARTING && before == SERVICE_STATE_WAITING)
		service->watchdog_us = service->unit.watchdog_us;
	if (is_watched(service) != (service->watchdog.at_us != 0))
		service_feed_watchdog(service);
	service_watch_group(service);
	if (state != before && (state == SERVICE_STATE_INACTIVE || state == SERVICE_STATE_FAILED))
		socket_unit_close(service->init, service);
	if (service->reread)
		service_load_late(service);
}

/* Only then it matters who else is in the group, and asking costs a file. */
static bool may_end(enum sm_event event)
{
	return event == SM_EVENT_EXITED || event == SM_EVENT_SPAWN_FAILED ||
	       event == SM_EVENT_COMMAND_EXITED || event == SM_EVENT_TIMEOUT ||
	       event == SM_EVENT_UNWANT || event == SM_EVENT_RESTART;
}

void service_event(struct service *service, enum sm_event event, struct sm_facts facts)
{
	enum service_state before = service->sm.state;
	unsigned int actions;

	if (!service->usable)
		return;
	/* Both may have come in one batch: a program that says it is ready runs. */
	if (event == SM_EVENT_READY)
		service_take_exec(service);
	if (event == SM_EVENT_WANT || event == SM_EVENT_RESTART || event == SM_EVENT_RESET) {
		service->start_count = 0; /* somebody asked: the limit begins anew */
		service->backoff = 0;
	}
	/* No start that the limit counts: when the shortage is over it must come up. */
	if (event == SM_EVENT_SPAWN_FAILED && is_shortage(service->spawn_errno) &&
		service->start_count > 0)
		service->start_count--;
	before = service->sm.state;
	facts.limit_hit = start_limit_hit(service);
	facts.rest = may_end(event) && service_has_rest(service);
	actions = sm_step(&service->sm, &service->unit, event, facts);
	/* A start begins with its first command, so that one that always fails meets the limit too. */
	if (before == SERVICE_STATE_WAITING && service->sm.state == SERVICE_STATE_STARTING)
		service->starts_us[service->start_count++ % ARRAY_SIZE(service->starts_us)] =
			clock_now_us();
	service->record.pid = service->main.pid;
	service_publish(service, before);
	do_actions(service, actions);
	service->record.pid = service->main.pid;
	follow_state(service, before);
}

int service_reload(struct service *service)
{
	if (!service->usable || (service->sm.state != SERVICE_STATE_ACTIVE &&
					service->sm.state != SERVICE_STATE_RELOADING))
		return -ESRCH;
	if (!unit_can_reload(&service->unit))
		return -EOPNOTSUPP;
	service->command_status = service->command_errno = 0;
	service_event(service, SM_EVENT_RELOAD, (struct sm_facts){0});
	return 0;
}

void service_reset_failed(struct service *service)
{
	service_event(service, SM_EVENT_RESET, (struct sm_facts){0});
}
