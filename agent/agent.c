/* SPDX-License-Identifier: MIT
 *
 * agent.c - wires the parts together. Every change of a fact ends in agent_spread_facts, which is where
 * to look for "what happens when".
 *
 * A part that cannot be had (vsock before its module is loaded, a host that does not listen) is tried
 * again; only a missing unix socket, without which nobody in the guest could ask, is fatal.
 */
#include "agent/agent.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include "agent/api.h"
#include "agent/common/component.h"
#include "agent/clock_keeper.h"
#include "agent/common/crash_log.h"
#include "agent/common/listener.h"
#include "agent/common/proxy.h"
#include "agent/control_client.h"
#include "agent/disk.h"
#include "agent/engine.h"
#include "agent/engine_events.h"
#include "agent/events.h"
#include "agent/http.h"
#include "agent/image_sync.h"
#include "agent/memory/memory.h"
#include "agent/memory/oom_watch.h"
#include "agent/notify.h"
#include "agent/power_button.h"
#include "agent/report.h"
#include "agent/state_file.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/stop_signals.h"

/* The report says in its first line which mode the guest is in, which PID 1 knows: wait for its first
 * word, but not for ever. */
#define REPORT_START_US   (1 * USEC_PER_SEC)
#define CRASH_LOG_US      (300 * USEC_PER_MSEC)
#define FINISH_MS         200
#define ENGINE_CONNECT_MS 5000
#define SOCKET_MODE       0660
#define DESCRIPTORS       4096

/* Something has ended that used disk or memory: a container, a command in one, a volume, an image, a prune; a build ends with
 * a tag, if it has a name. */
#define ENDING_EVENTS                                                                                                                   \
	ENGINE_EVENT("die")                                                                                                             \
	"," ENGINE_EVENT("exec_die") "," ENGINE_EVENT("destroy") "," ENGINE_EVENT("delete") "," ENGINE_EVENT("prune") "," ENGINE_EVENT( \
		"pull") "," ENGINE_EVENT("import") "," ENGINE_EVENT("load") "," ENGINE_EVENT("commit") "," ENGINE_EVENT("tag")

static const char engine_unavailable[] = "the Docker engine does not answer on its socket; "
					 "GET /v1/health of the keel API says why";

static struct agent {
	struct loop loop;
	struct facts facts;
	struct control_client control;
	struct engine engine;
	struct disk disk;
	struct image_sync image_sync;
	struct memory memory;
	struct clock_keeper clock;
	struct oom_watch oom_watch;
	struct engine_events ending_events;
	struct report report;
	struct api api;
	struct http_server http;
	struct events events;
	struct log_streams logs;
	struct listener listeners[AGENT_LISTENERS_MAX];
	struct proxy proxies[AGENT_LISTENERS_MAX];
	struct power_button power_button;
	struct loop_source signals;
	struct loop_timer report_timer, crash_timer;
	uint64_t exits_us; /* of all services together: it grows when one has ended */
	bool modules_over;
} agent;

static void log_open_error(const struct address *address, int rc, bool last_word)
{
	char text[ADDRESS_TEXT_MAX];

	(void)address_format(address, text, sizeof(text));
	if (last_word)
		log_warning("%s: listen: %s", text, strerror(-rc));
	else
		log_info("%s: listen: %s; trying again when the modules are loaded", text,
			strerror(-rc));
}

/* Opens what is not open yet. Returns the first error of a socket that must be there. */
static int open_listeners(bool last_word)
{
	int fatal = 0;

	for (int i = 0; i < AGENT_LISTENERS_MAX; i++) {
		int rc = listener_open(&agent.listeners[i]);

		if (rc < 0)
			log_open_error(&agent.listeners[i].address, rc, last_word);
		if (rc < 0 && fatal == 0 && agent.listeners[i].address.kind != ADDRESS_VSOCK)
			fatal = rc;
		rc = proxy_open(&agent.proxies[i]);
		if (rc < 0)
			log_open_error(&agent.proxies[i].listener.address, rc, last_word);
		if (rc < 0 && fatal == 0 && agent.proxies[i].listener.address.kind != ADDRESS_VSOCK)
			fatal = rc;
	}
	return fatal;
}

/* Since when each component is what it is. */
static void note_components(void)
{
	component_follow(&agent.facts, clock_now_us(), clock_realtime_ms());
}

static void tell_change(void)
{
	note_components();
	state_file_update(&agent.facts);
	report_send_change(&agent.report);
}

static void on_crash_log(struct loop_timer *timer)
{
	(void)timer;
	if (crash_log_read(&agent.facts))
		report_send_change(&agent.report);
}

/* What a service wrote before it died is in its log, or will be as soon as keel-log has woken up. */
static void look_for_crashes(void)
{
	uint64_t exits_us = 0;

	for (size_t i = 0; i < CONTROL_SERVICES_MAX; i++)
		exits_us += agent.facts.services[i].exit_us;
	if (exits_us == agent.exits_us)
		return;
	agent.exits_us = exits_us;
	(void)crash_log_read(&agent.facts);
	loop_timer_set(&agent.loop, &agent.crash_timer, clock_now_us() + CRASH_LOG_US, on_crash_log,
		NULL);
}

static void agent_spread_facts(void *ctx)
{
	(void)ctx;
	engine_update(&agent.engine);
	disk_update(&agent.disk);
	image_sync_update(&agent.image_sync);
	engine_events_update(&agent.ending_events);
	look_for_crashes();
	if (!agent.modules_over && facts_stage_over(&agent.facts, "modules")) {
		agent.modules_over = true;
		(void)open_listeners(true);
		report_retry_now(&agent.report);
		clock_keeper_search(&agent.clock);
	}
	report_start(&agent.report);
	tell_change();
}

static void on_engine_change(void *ctx)
{
	(void)ctx;
	image_sync_update(&agent.image_sync);
	engine_events_update(&agent.ending_events);
	tell_change();
}

static void on_fact_change(void *ctx)
{
	(void)ctx;
	tell_change();
}

/* After a sleep the host is told at once, and what may have changed meanwhile is looked at. */
static void on_clock_change(void *ctx, bool resumed)
{
	(void)ctx;
	if (resumed) {
		engine_kick(&agent.engine);
		disk_look(&agent.disk);
	}
	tell_change();
}

static void on_disk_job_heard(void *ctx)
{
	(void)ctx;
	http_server_wake(&agent.http);
}

static void on_engine_tick(void *ctx)
{
	(void)ctx;
	disk_tick(&agent.disk);
	memory_tick(&agent.memory);
	image_sync_update(&agent.image_sync);
	engine_events_update(&agent.ending_events);
}

/* How much space there was in between is not to be missed; what it left in memory can go. */
static void on_ending_event(void *ctx)
{
	(void)ctx;
	disk_look(&agent.disk);
	memory_event(&agent.memory);
}

static void on_report_start(struct loop_timer *timer)
{
	(void)timer;
	report_start(&agent.report);
}

static int on_engine_restart(void *ctx, const char *unit)
{
	(void)ctx;
	return control_client_send(&agent.control, CONTROL_VERB_RESTART, unit);
}

/* A client of the proxy that could not reach dockerd knows more than the last probe. */
static void on_engine_unavailable(void *ctx)
{
	(void)ctx;
	engine_kick(&agent.engine);
}

static int on_api_command(void *ctx, enum control_verb verb)
{
	(void)ctx;
	return control_client_send(&agent.control, verb, NULL);
}

static void on_power_button(void *ctx, enum control_verb verb)
{
	int rc = control_client_send(&agent.control, verb, NULL);

	(void)ctx;
	log_info("%s was pressed",
		verb == CONTROL_VERB_POWEROFF ? "the power button" : "Ctrl-Alt-Del");
	/* PID 1 hears signals even if its socket is gone; SIGTERM is a power-off, SIGINT a reboot. */
	if (rc < 0)
		(void)kill(1, verb == CONTROL_VERB_POWEROFF ? SIGTERM : SIGINT);
}

/* As PID 1 tells its services. */
static bool is_vm(void)
{
	const char *mode = getenv("KEEL_MODE");

	return mode && strcmp(mode, "vm") == 0;
}

/* A VM's only: WSL has no such devices, and ends in its own way. */
static void start_power_button(void)
{
	int rc;

	if (!is_vm())
		return;
	rc = power_button_start(&agent.power_button, &agent.loop, "/dev/input", on_power_button,
		NULL);
	if (rc < 0)
		log_warning("/dev/input: %s; the power button is not heard", strerror(-rc));
}

/* Who asks is answered with what is known, and makes it fresh. */
static void on_api_request(void *ctx, const struct http_request *request,
	struct http_response *response)
{
	engine_kick(&agent.engine);
	disk_look(&agent.disk);
	note_components(); /* PID 1 may be in the middle of a picture */
	api_handle_request(ctx, request, response);
}

static void on_api_client(void *ctx, int fd)
{
	(void)ctx;
	http_server_accept(&agent.http, fd);
}

static void on_signal(struct loop_source *source, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	if (read(source->fd, &info, sizeof(info)) == sizeof(info)) {
		log_info("stopping (signal %u)", info.ssi_signo);
		agent.loop.stop = true;
	}
}

static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= DESCRIPTORS)
		return;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void init_parts(const struct agent_options *options)
{
	http_server_init(&agent.http, &agent.loop, on_api_request, &agent.api);
	agent.api = (struct api){.facts = &agent.facts,
		.command = on_api_command,
		.logs = &agent.logs,
		.disk = &agent.disk,
		.memory = &agent.memory,
		.clock = &agent.clock,
		.http = &agent.http};
	events_init(&agent.events, &agent.loop, &agent.http);
	log_streams_init(&agent.logs, &agent.loop, &agent.http);
	engine_init(&agent.engine, &agent.loop, &options->engine, &agent.facts, on_engine_change,
		on_engine_restart, NULL);
	agent.engine.tick = on_engine_tick;
	disk_init(&agent.disk, &agent.loop, &options->disk, &agent.facts, on_fact_change,
		on_disk_job_heard, NULL);
	engine_events_init(&agent.ending_events, &agent.loop,
		&options->engine.address[ENGINE_DOCKERD], ENGINE_EVENTS_REQUEST(ENDING_EVENTS),
		&agent.facts, on_ending_event, NULL);
	memory_init(&agent.memory, &agent.loop, &options->memory, &agent.facts, on_fact_change,
		NULL);
	clock_keeper_init(&agent.clock, &agent.loop, &clock_effects_real, &options->clock, is_vm(),
		&agent.facts.clock, &agent.events, on_clock_change, NULL);
	oom_watch_init(&agent.oom_watch, &agent.loop, agent.memory.paths.base,
		&options->engine.address[ENGINE_DOCKERD], &agent.facts.memory_seen, on_fact_change,
		NULL);
	image_sync_init(&agent.image_sync, &agent.loop, &options->engine.address[ENGINE_DOCKERD],
		&agent.facts);
	report_init(&agent.report, &agent.loop, &options->report, &agent.facts,
		options->heartbeat_s);
	for (int i = 0; i < AGENT_LISTENERS_MAX; i++) {
		listener_init(&agent.listeners[i], &agent.loop, &options->api[i], SOCKET_MODE,
			on_api_client, NULL);
		proxy_init(&agent.proxies[i], &agent.loop, &options->docker[i], SOCKET_MODE,
			&options->engine.address[ENGINE_DOCKERD], ENGINE_CONNECT_MS,
			engine_unavailable);
		agent.proxies[i].on_unavailable = on_engine_unavailable;
	}
}

static void agent_finish(void)
{
	agent.facts.agent_stopping = true;
	note_components();
	(void)notify_send("STOPPING=1");
	report_finish(&agent.report, FINISH_MS);
	for (int i = 0; i < AGENT_LISTENERS_MAX; i++) {
		listener_close(&agent.listeners[i]);
		proxy_close(&agent.proxies[i]);
	}
	events_stop(&agent.events);
	http_server_close(&agent.http);
	power_button_stop(&agent.power_button);
	control_client_stop(&agent.control);
	engine_stop(&agent.engine);
	disk_stop(&agent.disk);
	image_sync_stop(&agent.image_sync);
	engine_events_stop(&agent.ending_events);
	memory_stop(&agent.memory);
	clock_keeper_stop(&agent.clock);
	oom_watch_stop(&agent.oom_watch);
	loop_remove(&agent.loop, &agent.signals);
	loop_fini(&agent.loop);
}

int agent_run(const struct agent_options *options)
{
	int rc;

	raise_descriptor_limit();
	rc = loop_init(&agent.loop);
	if (rc < 0)
		return rc;
	init_parts(options);
	rc = stop_signals_watch(&agent.loop, &agent.signals, on_signal, NULL);
	if (rc == 0)
		rc = open_listeners(false);
	if (rc < 0) {
		loop_fini(&agent.loop);
		return rc;
	}
	loop_timer_set(&agent.loop, &agent.report_timer, clock_now_us() + REPORT_START_US,
		on_report_start, NULL);
	control_client_start(&agent.control, &agent.loop, options->control, &agent.facts,
		agent_spread_facts, NULL);
	start_power_button();
	rc = notify_send("READY=1");
	if (rc < 0)
		log_warning("sd_notify: %s", strerror(-rc));
	memory_start(&agent.memory);
	oom_watch_start(&agent.oom_watch);
	clock_keeper_start(&agent.clock);
	rc = loop_run(&agent.loop);
	agent_finish();
	return rc;
}
