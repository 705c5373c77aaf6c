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
#include <sys/signalfd.h>

#include "agent/api.h"
#include "agent/common/component.h"
#include "agent/clock_keeper.h"
#include "agent/common/crash_log.h"
#include "agent/common/dockerd.h"
#include "agent/common/listener.h"
#include "agent/common/proxy.h"
#include "agent/control_client.h"
#include "agent/disk.h"
#include "agent/engine.h"
#include "agent/engine_events.h"
#include "agent/event_watch.h"
#include "agent/events.h"
#include "agent/exec.h"
#include "agent/http.h"
#include "agent/image_sync.h"
#include "agent/memory/memory.h"
#include "agent/memory/oom_watch.h"
#include "agent/notify.h"
#include "agent/power_button.h"
#include "agent/report.h"
#include "agent/runner.h"
#include "agent/sandbox.h"
#include "agent/state_file.h"
#include "agent/vmm_notify.h"
#include "lib/clock.h"
#include "lib/descriptors.h"
#include "lib/log.h"
#include "lib/stop_signals.h"

/* The report says in its first line which mode the guest is in, which PID 1 knows: wait for its first
 * word, but not for ever. */
#define REPORT_START_US   (1 * USEC_PER_SEC)
#define CRASH_LOG_US      (300 * USEC_PER_MSEC)
#define FINISH_MS         200
#define ENGINE_CONNECT_MS 5000
#define SOCKET_MODE       0660
#define DESCRIPTORS       (AGENT_LISTENERS_MAX * PROXY_DESCRIPTORS + 1024)

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
	struct vmm_notify vmm_notify;
	struct api api;
	struct http_server http;
	struct events events;
	struct event_watch event_watch;
	struct metrics_sources metrics;
	struct log_streams logs;
	struct exec_sessions sessions;
	struct listener listeners[AGENT_LISTENERS_MAX];
	struct proxy proxies[AGENT_LISTENERS_MAX];
	struct power_button power_button;
	struct loop_source signals;
	struct loop_timer report_timer, crash_timer;
	uint64_t exits_us; /* of all services together: it grows when one has ended */
	bool modules_over;
	int end; /* what agent_run returns */
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

/* The host's way to dockerd is a fact. Also tries again what is closed: who had the address may be gone. */
static void look_at_docker_listeners(void)
{
	struct docker_facts docker = {0};

	for (int i = 0; i < AGENT_LISTENERS_MAX; i++)
		docker_facts_add(&docker, &agent.proxies[i].listener.address,
			proxy_open(&agent.proxies[i]));
	agent.facts.docker = docker;
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
	look_at_docker_listeners();
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
	event_watch_update(&agent.event_watch);
	state_file_update(&agent.facts);
	report_send_change(&agent.report);
	vmm_notify_update(&agent.vmm_notify);
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

/* dockerd waits for answers that never end, unless they are ended. */
static void tell_proxies(void)
{
	const struct control_service *dockerd =
		facts_find_service(&agent.facts, engine_daemon_unit(ENGINE_DOCKERD));

	for (int i = 0; i < AGENT_LISTENERS_MAX; i++)
		proxy_target_stops(&agent.proxies[i],
			dockerd && dockerd->state == SERVICE_STATE_STOPPING);
}

static void agent_spread_facts(void *ctx)
{
	(void)ctx;
	tell_proxies();
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
		vmm_notify_retry_now(&agent.vmm_notify);
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
	const struct docker_facts before = agent.facts.docker;

	(void)ctx;
	if (before.state == DOCKER_API_CLOSED)
		look_at_docker_listeners();
	if (agent.facts.docker.state != before.state || agent.facts.docker.error != before.error)
		tell_change();
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

/* The probe goes the way that the host goes. */
static int on_engine_dial(void *ctx, int *fd)
{
	return proxy_dial(ctx, fd);
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
	rc = power_button_start(&agent.power_button, &agent.loop, on_power_button, NULL);
	if (rc < 0)
		log_warning("/dev/input: %s; the power button is not heard", strerror(-rc));
}

/* Who asks is answered with what is known of the engine, and makes it fresh. */
static void on_api_health(void *ctx)
{
	(void)ctx;
	engine_kick(&agent.engine);
	note_components(); /* PID 1 may be in the middle of a picture */
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

static void init_parts(const struct agent_options *options)
{
	struct address report;

	http_server_init(&agent.http, &agent.loop, api_handle_request, &agent.api);
	agent.api = (struct api){.facts = &agent.facts,
		.command = on_api_command,
		.health = on_api_health,
		.logs = &agent.logs,
		.disk = &agent.disk,
		.memory = &agent.memory,
		.clock = &agent.clock,
		.events = &agent.events,
		.metrics = &agent.metrics,
		.http = &agent.http,
		.sessions = options->shell ? &agent.sessions : NULL};
	exec_sessions_init(&agent.sessions, &agent.loop);
	events_init(&agent.events, &agent.loop, &agent.http);
	agent.metrics = (struct metrics_sources){.facts = &agent.facts,
		.http = &agent.http,
		.events = &agent.events,
		.report = &agent.report,
		.listeners = agent.listeners,
		.proxies = agent.proxies,
		.doors = AGENT_LISTENERS_MAX};
	event_watch_init(&agent.event_watch, &agent.events, &agent.facts);
	log_streams_init(&agent.logs, &agent.loop, &agent.http);
	engine_init(&agent.engine, &agent.loop, &options->engine, &agent.facts, on_engine_change,
		on_engine_restart, NULL);
	agent.engine.tick = on_engine_tick;
	engine_ask_through(&agent.engine, on_engine_dial, &agent.proxies[0]);
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
	report = options->report;
	report.buffer = ADDRESS_BUFFER_REPORT;
	report_init(&agent.report, &agent.loop, &report, &agent.facts, options->heartbeat_s);
	vmm_notify_init(&agent.vmm_notify, &agent.loop, &options->vmm, &agent.facts);
	for (int i = 0; i < AGENT_LISTENERS_MAX; i++) {
		struct address api = options->api[i], docker = options->docker[i];

		api.buffer = ADDRESS_BUFFER_API;
		docker.buffer = ADDRESS_BUFFER_DOCKER;
		listener_init(&agent.listeners[i], &agent.loop, &api, SOCKET_MODE, on_api_client,
			NULL);
		proxy_init(&agent.proxies[i], &agent.loop, &docker, SOCKET_MODE,
			&options->engine.address[ENGINE_DOCKERD], ENGINE_CONNECT_MS,
			engine_unavailable);
		agent.proxies[i].on_unavailable = on_engine_unavailable;
	}
}

static void agent_finish(void)
{
	agent.facts.agent_stopping = true;
	note_components();
	event_watch_update(&agent.event_watch);
	(void)notify_send("STOPPING=1");
	report_finish(&agent.report, FINISH_MS);
	vmm_notify_finish(&agent.vmm_notify, FINISH_MS);
	for (int i = 0; i < AGENT_LISTENERS_MAX; i++) {
		listener_close(&agent.listeners[i]);
		proxy_close(&agent.proxies[i]);
	}
	event_watch_stop(&agent.event_watch);
	events_stop(&agent.events);
	http_server_close(&agent.http);
	exec_sessions_close(&agent.sessions);
	power_button_stop(&agent.power_button);
	control_client_stop(&agent.control);
	engine_stop(&agent.engine);
	disk_stop(&agent.disk);
	image_sync_stop(&agent.image_sync);
	engine_events_stop(&agent.ending_events);
	memory_stop(&agent.memory);
	clock_keeper_stop(&agent.clock);
	oom_watch_stop(&agent.oom_watch);
	runner_stop(&agent.loop);
	loop_remove(&agent.loop, &agent.signals);
	loop_fini(&agent.loop);
}

static void on_runner_end(void *ctx)
{
	(void)ctx;
	agent.end = -ECHILD;
	agent.loop.stop = true;
}

static int open_environ(pid_t pid)
{
	return runner_open(RUNNER_FILE_ENVIRON, (unsigned int)pid, NULL);
}

/* What needs rights that we are to give up; the first thing there is, so that it inherits nothing. */
static int start_runner(const struct agent_options *options)
{
	struct memory_paths paths;
	int rc;

	memory_paths_open(&paths);
	rc = runner_start(&(struct runner_options){.disk_program = DISK_JOB_PROGRAM,
		.data = options->data,
		.shell = options->shell,
		.root_fd = paths.root_fd,
		.base_fd = paths.base_fd});
	memory_paths_close(&paths);
	dockerd_open_environ = open_environ;
	return rc;
}

int agent_run(const struct agent_options *options)
{
	int rc;

	descriptors_raise(DESCRIPTORS);
	rc = start_runner(options);
	if (rc < 0)
		return rc;
	rc = loop_init(&agent.loop);
	if (rc < 0)
		return rc;
	init_parts(options);
	rc = stop_signals_watch(&agent.loop, &agent.signals, on_signal, NULL);
	if (rc == 0)
		rc = runner_watch(&agent.loop, on_runner_end, NULL);
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
	sandbox_enter(); /* what takes rights to open is open */
	rc = notify_send("READY=1");
	if (rc < 0)
		log_warning("sd_notify: %s", strerror(-rc));
	memory_start(&agent.memory);
	oom_watch_start(&agent.oom_watch);
	clock_keeper_start(&agent.clock);
	event_watch_start(&agent.event_watch);
	rc = loop_run(&agent.loop);
	agent_finish();
	return rc < 0 ? rc : agent.end;
}
