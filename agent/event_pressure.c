/* SPDX-License-Identifier: MIT
 *
 * event_pressure.c - see event_pressure.h. Caller: event_watch.c.
 */
#include "agent/event_pressure.h"

#include <stdio.h>
#include <string.h>

#include "agent/common/document_memory.h"
#include "agent/event_json.h"
#include "agent/runner.h"
#include "lib/log.h"

static void tell(struct event_pressure *pressure, const char *value, const char *was, uint64_t us)
{
	struct event_json json;

	event_json_begin(&json);
	(void)yyjson_mut_obj_add_str(json.doc, json.root, "what", "pressure");
	(void)yyjson_mut_obj_add_str(json.doc, json.root, "value", value);
	(void)yyjson_mut_obj_add_str(json.doc, json.root, "was", was);
	if (us > 0)
		document_add_ms(json.doc, json.root, "ms", us);
	event_json_end(&json, pressure->events, EVENT_MEMORY);
}

static void on_calm(struct loop_timer *timer)
{
	struct event_pressure *pressure = timer->ctx;

	tell(pressure, "none", "high",
		clock_now_us() - EVENT_PRESSURE_CALM_US - pressure->since_us +
			EVENT_PRESSURE_WINDOW_US);
	pressure->since_us = 0;
}

void event_pressure_take(struct event_pressure *pressure, uint64_t now_us)
{
	if (pressure->since_us == 0) {
		pressure->since_us = now_us;
		tell(pressure, "high", "none", 0);
	}
	loop_timer_set(pressure->events->loop, &pressure->calm, now_us + EVENT_PRESSURE_CALM_US,
		on_calm, pressure);
}

static void on_pressure(struct loop_source *source, uint32_t events)
{
	struct event_pressure *pressure = source->ctx;

	if (events & EPOLLERR)
		event_pressure_stop(pressure);
	else
		event_pressure_take(pressure, clock_now_us());
}

void event_pressure_init(struct event_pressure *pressure, struct events *events)
{
	*pressure = (struct event_pressure){.events = events, .source.fd = -1};
}

void event_pressure_start(struct event_pressure *pressure)
{
	/* 2: of the whole machine */
	_cleanup_close_ int fd = runner_open(RUNNER_FILE_PRESSURE, 2, NULL);
	char text[64];
	int len = snprintf(text, sizeof(text), "some %llu %llu",
		(unsigned long long)EVENT_PRESSURE_STALL_US,
		(unsigned long long)EVENT_PRESSURE_WINDOW_US);

	int rc = fd < 0 ? fd : write(fd, text, (size_t)len + 1) < 0 ? -errno : 0;

	if (rc < 0) {
		log_info("/proc/pressure/memory: %s; pressure is no event", strerror(-rc));
		return;
	}
	if (loop_add(pressure->events->loop, &pressure->source, fd, EPOLLPRI, on_pressure,
		    pressure) == 0)
		(void)TAKE_FD(fd);
}

void event_pressure_stop(struct event_pressure *pressure)
{
	int fd = pressure->source.fd;

	loop_timer_cancel(pressure->events->loop, &pressure->calm);
	loop_remove(pressure->events->loop, &pressure->source);
	close_p(&fd);
}
