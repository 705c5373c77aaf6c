/* SPDX-License-Identifier: MIT
 *
 * service.c - carries out what service_sm decides. Called by main.c's loop, stages, control requests
 * and shutdown; everything here is non-blocking and allocates nothing.
 */
#include "init/service.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "init/environment.h"
#include "init/spawn.h"
#include "init/stage.h"
#include "init/text.h"
#include "lib/clock.h"
#include "lib/log.h"

#define LOG_DIR        "/run/keel/log"
#define LOG_KEEP       (1024 * 1024) /* a log this large is rotated at the next start */
#define BACKOFF_MAX_US (30 * USEC_PER_SEC)
/* A service that ran this long has recovered: its backoff and start limit begin anew. */
#define STABLE_US (10 * USEC_PER_SEC)

static unsigned int index_of(const struct service *service)
{
	return (unsigned int)(service - service->init->services);
}

/* ---- the record ---------------------------------------------------------------------------- */

/* The main program: a unit without one is not usable. */
static char *const *program_of(const struct unit *unit)
{
	return unit->words + unit_next_command(unit, UNIT_PHASE_START, 0)->first;
}

/* How its last process ended, or why there was none. */
static void describe_end(const struct service *service, char *text, size_t size)
{
	int status = service->exit_status;

	if (service->spawn_errno)
		(void)snprintf(text, size, "cannot run %.60s: %s", program_of(&service->unit)[0],
			strerror(service->spawn_errno));
	else if (WIFSIGNALED(status))
		(void)snprintf(text, size, "killed by signal %d (%s)", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	else
		(void)snprintf(text, size, "exited with status %d", WEXITSTATUS(status));
}

static void describe_cause(const struct service *service, char *text, size_t size)
{
	const char *name = service->unit.name;
	char end[128];

	describe_end(service, end, sizeof(end));
	text[0] = '\0';
	switch (service->sm.cause) {
	case SM_CAUSE_NONE:
		break;
	case SM_CAUSE_EXITED:
		(void)snprintf(text, size, "%s; see %s/%s.log", end, LOG_DIR, name);
		break;
	case SM_CAUSE_SPAWN_FAILED:
		(void)snprintf(text, size, "%s", end);
		break;
	case SM_CAUSE_START_TIMEOUT:
		(void)snprintf(text, size, "not ready within %llu s; see %s/%s.log",
			(unsigned long long)(service->unit.timeout_start_us / USEC_PER_SEC),
			LOG_DIR, name);
		break;
	case SM_CAUSE_START_LIMIT:
		(void)snprintf(text, size,
			"died too often (%u starts), last: %s; see %s/%s.log, then systemctl "
			"restart %s",
			service->unit.start_limit_burst, end, LOG_DIR, name, name);
		break;
	case SM_CAUSE_UNKILLABLE:
		(void)snprintf(text, size,
			"process %d does not end, not even by SIGKILL (stuck I/O?)",
			(int)service->pid);
		break;
	}
}

static void set_reason(struct service *service, const char *reason)
{
	if (strcmp(service->record.reason, reason) == 0)
		return;
	text_copy(service->record.reason, sizeof(service->record.reason), reason);
	control_mark(service->init, CONTROL_DIRTY_SERVICE(index_of(service)));
}

/* The one place where a service's visible state changes. */
static void publish(struct service *service, enum service_state before)
{
	struct control_service *record = &service->record;
	enum service_state state = service->sm.state;
	char reason[CONTROL_REASON_MAX];

	record->pid = service->pid;
	record->wanted = service->sm.wanted;
	if (state != before) {
		record->state = (uint8_t)state;
		record->since_us = clock_now_us();
		if (state == SERVICE_STATE_ACTIVE)
			record->ready_us = record->since_us;
		if (state == SERVICE_STATE_INACTIVE || state == SERVICE_STATE_FAILED ||
			state == SERVICE_STATE_BACKOFF)
			memset(record->status, 0, sizeof(record->status));
		describe_cause(service, reason, sizeof(reason));
		set_reason(service, reason);
		log_write(state == SERVICE_STATE_FAILED ? LOG_ERR : LOG_INFO, "%s: %s%s%s",
			service->unit.name, service_state_name(state), reason[0] ? ": " : "",
			reason);
		service->init->changed = true;
	}
	control_mark(service->init, CONTROL_DIRTY_SERVICE(index_of(service)));
}

/* ---- actions ------------------------------------------------------------------------------- */

static void on_timer(struct loop_timer *timer)
{
	service_event(timer->ctx, SM_EVENT_TIMEOUT, (struct sm_facts){0});
}

static void on_exec(struct loop_source *source, uint32_t events)
{
	struct service *service = source->ctx;
	int error = 0, fd = source->fd;
	bool failed = read(fd, &error, sizeof(error)) == (ssize_t)sizeof(error);

	(void)events;
	loop_remove(&service->init->loop, source);
	close_p(&fd);
	if (failed) {
		/* The child is about to exit 127; that exit must not count a second time. */
		service->spawn_errno = error;
		service->pid = 0;
		service_event(service, SM_EVENT_SPAWN_FAILED, (struct sm_facts){0});
		return;
	}
	service->spawn_errno = 0;
	service->record.exec_us = clock_now_us();
	service_event(service, SM_EVENT_EXECED, (struct sm_facts){0});
}

static int open_log(const struct service *service)
{
	char path[96], old[100];
	struct stat info;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s.log", LOG_DIR, service->unit.name);
	(void)snprintf(old, sizeof(old), "%s.1", path);
	if (stat(path, &info) == 0 && info.st_size > LOG_KEEP)
		(void)rename(path, old);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
	return fd < 0 ? -1 : fd;
}

static int run_program(struct service *service, char *const *program, pid_t *pid, int *exec_fd)
{
	static char text[UNIT_POOL_SIZE + 1024]; /* one thread: one expansion at a time */
	char *environment[ENVIRONMENT_MAX + 1], *argv[UNIT_ARGS_MAX + 1];
	const struct unit *unit = &service->unit;
	_cleanup_close_ int output_fd = -1;
	struct environment_pool pool;
	int rc;

	environment_make(service->init, service, &pool, environment);
	rc = environment_expand(program, environment, service->pid, text, sizeof(text), argv);
	if (rc < 0)
		return rc;
	output_fd = unit->tty_path ? -1 : open_log(service);
	struct spawn spawn = {
		.argv = argv,
		.environment = environment,
		.cwd = unit->working_directory,
		.tty_path = unit->tty_path,
		.cgroup_fd = service->cgroup_fd,
		.cgroup_killed = service->cgroup_killed,
		.output_fd = output_fd,
		.report_fd = -1,
		.oom_score_adj = unit->oom_score_adj,
		.limits = unit->limits,
		.limit_count = unit->limit_count,
	};

	*pid = spawn_start(&spawn, exec_fd);
	return *pid < 0 ? *pid : 0;
}

static void spawn_service(struct service *service)
{
	struct init *init = service->init;
	int exec_fd = -1, rc;

	if (service->cgroup_fd < 0)
		service->cgroup_fd =
			cgroup_make(&init->cgroup, service->unit.slice, service->unit.name);
	service->starts_us[service->start_count++ % ARRAY_SIZE(service->starts_us)] =
		clock_now_us();
	rc = run_program(service, program_of(&service->unit), &service->pid, &exec_fd);
	if (rc == 0)
		rc = loop_add(&init->loop, &service->exec, exec_fd, EPOLLIN, on_exec, service);
	if (rc == 0)
		return;
	close_p(&exec_fd);
	if (service->pid > 0)
		(void)kill(service->pid, SIGKILL);
	service->pid = 0;
	service->spawn_errno = -rc;
	service_event(service, SM_EVENT_SPAWN_FAILED, (struct sm_facts){0});
}

/* What is in its group, unless KillMode=process. True if there was a group to kill. */
static bool kill_rest(struct service *service)
{
	if (service->unit.kill_mode != UNIT_KILL_CONTROL_GROUP ||
		cgroup_kill(service->cgroup_fd, "") < 0)
		return false;
	service->cgroup_killed = true;
	return true;
}

static void kill_service(struct service *service)
{
	if (!kill_rest(service) && service->pid > 0)
		(void)kill(service->pid, SIGKILL);
}

static void arm(struct service *service, uint64_t delay_us)
{
	struct loop *loop = &service->init->loop;

	if (delay_us == 0)
		loop_timer_cancel(loop, &service->timer);
	else
		loop_timer_set(loop, &service->timer, clock_now_us() + delay_us, on_timer, service);
}

/* RestartSec, doubled with each death in a row, up to 30 s. */
static uint64_t backoff_delay(struct service *service)
{
	uint64_t delay = service->unit.restart_us;

	if (clock_now_us() - service->record.exec_us > STABLE_US)
		service->backoff = 0;
	for (unsigned int i = 0; i < service->backoff && delay < BACKOFF_MAX_US; i++)
		delay *= 2;
	service->backoff++;
	if (delay > BACKOFF_MAX_US && service->unit.restart_us < BACKOFF_MAX_US)
		delay = BACKOFF_MAX_US;
	return delay ? delay : 1;
}

static void do_actions(struct service *service, unsigned int actions)
{
	const struct unit *unit = &service->unit;

	if (actions & SM_ACTION_COUNT_RESTART)
		service->record.restarts++;
	if (actions & SM_ACTION_CHECK_DEPS)
		service->init->changed = true;
	if (actions & SM_ACTION_KILL_REST)
		(void)kill_rest(service);
	if (actions & SM_ACTION_DISARM)
		arm(service, 0);
	if (actions & SM_ACTION_ARM_START)
		arm(service, unit->type == UNIT_TYPE_SIMPLE ? 0 : unit->timeout_start_us);
	if (actions & SM_ACTION_ARM_STOP)
		arm(service, unit->timeout_stop_us);
	if (actions & SM_ACTION_ARM_RESTART)
		arm(service, backoff_delay(service));
	if ((actions & SM_ACTION_TERMINATE) && service->pid > 0)
		(void)kill(service->pid, unit->kill_signal);
	if (actions & SM_ACTION_KILL)
		kill_service(service);
	/* Last: it may fail at once and send the next event. */
	if (actions & SM_ACTION_SPAWN)
		spawn_service(service);
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

void service_event(struct service *service, enum sm_event event, struct sm_facts facts)
{
	enum service_state before = service->sm.state;
	unsigned int actions;

	if (!service->usable)
		return;
	/* Both may have come in one batch: a program that says it is ready runs. */
	if (event == SM_EVENT_READY && service->exec.fd >= 0)
		on_exec(&service->exec, EPOLLIN);
	if (event == SM_EVENT_WANT || event == SM_EVENT_RESTART) {
		service->start_count = 0; /* somebody asked: the limit begins anew */
		service->backoff = 0;
	}
	/* No start that the limit counts: when the shortage is over it must come up. */
	if (event == SM_EVENT_SPAWN_FAILED && is_shortage(service->spawn_errno) &&
		service->start_count > 0)
		service->start_count--;
	facts.limit_hit = start_limit_hit(service);
	actions = sm_step(&service->sm, &service->unit, event, facts);
	publish(service, before);
	do_actions(service, actions);
	service->record.pid = service->pid;
}

/* ---- dependencies -------------------------------------------------------------------------- */

/* Says in `why` what `name` still lacks for a unit that lists it in After= (required: Requires=). */
static bool dependency_met(struct init *init, const char *name, bool required, char *why,
	size_t size)
{
	struct service *other = service_find(init, name);
	int stage = stage_find_target(name);
	enum service_state state;

	if (stage >= 0) {
		const struct control_stage *record = &init->stages[stage].record;
		bool met = required ? stage_is_met(init, (enum stage_id)stage)
				    : stage_is_settled(init, (enum stage_id)stage);

		if (!met)
			(void)snprintf(why, size, "waits for %s%s%.150s", name,
				record->reason[0] ? ": " : "", record->reason);
		return met;
	}
	if (!other || !other->usable)
		return true;
	state = other->sm.state;
	if (state == SERVICE_STATE_ACTIVE)
		return true;
	/* Order only: one that is not coming up does not hold others back. */
	if (!required && (state == SERVICE_STATE_INACTIVE || state == SERVICE_STATE_FAILED))
		return true;
	(void)snprintf(why, size, "waits for %s (%s)", name, service_state_name(state));
	return false;
}

static bool listed(char *const *list, const char *name)
{
	for (size_t i = 0; list[i]; i++)
		if (strcmp(list[i], name) == 0)
			return true;
	return false;
}

/* After= orders. Requires= alone starts in parallel with another service (as in systemd), but what a
 * stage provides must be there in any case. */
static bool dependencies_met(struct service *service, char *why, size_t size)
{
	const struct unit *unit = &service->unit;

	for (size_t i = 0; unit->after[i]; i++)
		if (!dependency_met(service->init, unit->after[i],
			    listed(unit->requires, unit->after[i]), why, size))
			return false;
	for (size_t i = 0; unit->requires[i]; i++)
		if (stage_find_target(unit->requires[i]) >= 0 &&
			!dependency_met(service->init, unit->requires[i], true, why, size))
			return false;
	return true;
}

void service_check_waiting(struct init *init)
{
	for (unsigned int i = 0; i < init->service_count; i++) {
		struct service *service = &init->services[i];
		char why[CONTROL_REASON_MAX] = "";

		if (service->sm.state != SERVICE_STATE_WAITING)
			continue;
		if (dependencies_met(service, why, sizeof(why)))
			service_event(service, SM_EVENT_DEPS_MET, (struct sm_facts){0});
		else
			set_reason(service, why);
	}
}

void service_check_stage(struct init *init)
{
	char why[CONTROL_REASON_MAX] = "";
	bool busy = false;

	if (init->shutdown != SHUTDOWN_NONE)
		return;
	for (unsigned int i = 0; i < init->service_count; i++) {
		const struct service *service = &init->services[i];
		enum service_state state = service->sm.state;

		if (!service->unit.enabled || !service->usable)
			continue;
		if (state == SERVICE_STATE_FAILED)
			(void)snprintf(why, sizeof(why), "%s failed", service->unit.name);
		if (state == SERVICE_STATE_WAITING || state == SERVICE_STATE_STARTING ||
			state == SERVICE_STATE_BACKOFF || state == SERVICE_STATE_STOPPING)
			busy = true;
	}
	/* Its first end is what "boot took so long" means; after that only health tells about services. */
	if (!busy && init->stages[STAGE_SERVICES].record.end_us == 0)
		stage_set(init, STAGE_SERVICES, why[0] ? STAGE_STATE_DEGRADED : STAGE_STATE_DONE,
			why);
}

static void want_dependencies(struct service *service)
{
	char *const *lists[] = {service->unit.requires, service->unit.wants};

	for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
		for (size_t i = 0; lists[l][i]; i++) {
			struct service *other = service_find(service->init, lists[l][i]);

			if (other && !other->sm.wanted)
				service_event(other, SM_EVENT_WANT, (struct sm_facts){0});
		}
	}
}

void service_start_enabled(struct init *init)
{
	stage_set(init, STAGE_SERVICES, STAGE_STATE_RUNNING, "");
	for (unsigned int i = 0; i < init->service_count; i++) {
		if (!init->services[i].unit.enabled || !init->services[i].usable)
			continue;
		service_event(&init->services[i], SM_EVENT_WANT, (struct sm_facts){0});
		want_dependencies(&init->services[i]);
	}
}

/* ---- the rest ------------------------------------------------------------------------------ */

int service_reload(struct service *service)
{
	const struct unit_command *command =
		unit_next_command(&service->unit, UNIT_PHASE_RELOAD, 0);
	int exec_fd = -1, rc;
	pid_t pid;

	if (!service->usable || service->sm.state != SERVICE_STATE_ACTIVE)
		return -ESRCH;
	if (!command)
		return -EOPNOTSUPP;
	rc = run_program(service, service->unit.words + command->first, &pid, &exec_fd);
	close_p(&exec_fd);
	return rc;
}

static bool is_clean(const struct service *service, int status)
{
	if (WIFEXITED(status))
		return WEXITSTATUS(status) == 0;
	/* systemd.service(5): these end a service that was asked to, or asked itself, to stop. */
	return WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGHUP ||
	       WTERMSIG(status) == SIGINT || WTERMSIG(status) == SIGPIPE ||
	       WTERMSIG(status) == service->unit.kill_signal;
}

bool service_reap(struct init *init, pid_t pid, int status)
{
	for (unsigned int i = 0; i < init->service_count; i++) {
		struct service *service = &init->services[i];

		if (service->pid != pid)
			continue;
		/* The exec's result comes before the exit it caused. */
		if (service->exec.fd >= 0) {
			on_exec(&service->exec, EPOLLIN);
			if (service->pid != pid)
				return true;
		}
		service->pid = 0;
		service->exit_status = status;
		service->record.exit_status = status;
		service->record.exit_us = clock_now_us();
		service_event(service, SM_EVENT_EXITED,
			(struct sm_facts){.clean = is_clean(service, status)});
		return true;
	}
	return false;
}

struct service *service_find_process(struct init *init, pid_t pid)
{
	for (unsigned int i = 0; i < init->service_count; i++)
		if (init->services[i].pid == pid)
			return &init->services[i];
	for (unsigned int i = 0; i < init->service_count; i++)
		if (init->services[i].pid > 0 &&
			cgroup_has_process(&init->cgroup, init->services[i].unit.slice,
				init->services[i].unit.name, pid))
			return &init->services[i];
	return NULL;
}

struct service *service_find(struct init *init, const char *name)
{
	for (unsigned int i = 0; i < init->service_count; i++)
		if (strcmp(init->services[i].unit.name, name) == 0)
			return &init->services[i];
	return NULL;
}

void service_set_status(struct service *service, const char *text)
{
	text_copy(service->record.status, sizeof(service->record.status), text);
	control_mark(service->init, CONTROL_DIRTY_SERVICE(index_of(service)));
}

bool service_is_up(const struct service *service)
{
	switch (service->sm.state) {
	case SERVICE_STATE_INACTIVE:
	case SERVICE_STATE_FAILED:
		return false;
	case SERVICE_STATE_ACTIVE:
		return service->sm.process;
	case SERVICE_STATE_WAITING:
	case SERVICE_STATE_STARTING:
	case SERVICE_STATE_RELOADING:
	case SERVICE_STATE_STOPPING:
	case SERVICE_STATE_BACKOFF:
		return true;
	}
	return false;
}

bool service_is_keel(const struct service *service)
{
	return service->unit.slice && strcmp(service->unit.slice, "keel") == 0;
}

bool service_depends_on(const struct service *service, const struct service *other)
{
	return listed(service->unit.requires, other->unit.name) ||
	       listed(service->unit.wants, other->unit.name) ||
	       listed(service->unit.after, other->unit.name);
}
