/* SPDX-License-Identifier: MIT
 *
 * service_process.c - the processes of a service: how they are made, signalled, watched and told apart. Nothing
 * here decides; what happened becomes an event.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "init/notify.h"
#include "init/service.h"
#include "init/spawn.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/log_files.h"

/* When a group that cannot be watched is looked at again. */
#define GROUP_RETRY_US (UINT64_C(100) * 1000)

/* ---- in the new process ---------------------------------------------------------------------- */

/* [proxy] of keel.conf, in both cases of letters: programs differ. */
static int proxy_environment(const struct config *config, struct environment *environment)
{
	const struct {
		const char *names[2], *value;
	} proxies[] = {
		{{"HTTP_PROXY", "http_proxy"}, config->proxy.http},
		{{"HTTPS_PROXY", "https_proxy"}, config->proxy.https},
		{{"NO_PROXY", "no_proxy"}, config->proxy.no},
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(proxies) * 2; i++)
		if (proxies[i / 2].value[0])
			rc = environment_set(environment, "%s=%s", proxies[i / 2].names[i % 2],
				proxies[i / 2].value);
	return rc;
}

int service_base_environment(const struct init *init, struct environment *environment)
{
	int rc = environment_set(environment,
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");

	if (rc == 0)
		rc = environment_set(environment, "HOME=/root");
	if (rc == 0)
		rc = environment_set(environment, "LANG=C.UTF-8");
	if (rc == 0)
		rc = environment_set(environment, "KEEL_CGROUP=%s", init->cgroup.path);
	if (rc == 0)
		rc = environment_set(environment, "KEEL_MODE=%s", boot_mode_name(init->mode));
	if (rc == 0 && init->mode == BOOT_MODE_WSL)
		rc = environment_set(environment, "container=wsl");
	return rc < 0 ? rc : proxy_environment(&init->config, environment);
}

/* sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3). */
static int protocol_environment(const struct service *service, struct environment *environment)
{
	const struct unit *unit = &service->unit;
	const struct socket_unit *socket = socket_unit_find(service->init, service);
	int rc = 0;

	if (unit->notify_access != UNIT_NOTIFY_NONE)
		rc = environment_set(environment, "NOTIFY_SOCKET=%s", NOTIFY_SOCKET_PATH);
	if (rc == 0 && unit->watchdog_us > 0)
		rc = environment_set(environment, "WATCHDOG_USEC=%llu",
			(unsigned long long)unit->watchdog_us);
	if (rc == 0 && unit->watchdog_us > 0)
		rc = environment_set(environment, "WATCHDOG_PID=%d", (int)getpid());
	if (rc == 0 && socket && socket->fd >= 0)
		rc = environment_set(environment, "LISTEN_FDS=1");
	if (rc == 0 && socket && socket->fd >= 0)
		rc = environment_set(environment, "LISTEN_PID=%d", (int)getpid());
	if (rc == 0 && socket && socket->fd >= 0)
		rc = environment_set(environment, "LISTEN_FDNAMES=%s", socket->name);
	return rc;
}

/* systemd.exec(5), "Environment variables set or propagated by the service manager". */
static int result_environment(const struct service *service, struct environment *environment)
{
	static const char *const results[] = {[SM_CAUSE_NONE] = "success",
		[SM_CAUSE_CLEAN] = "success",
		[SM_CAUSE_STATUS] = "exit-code",
		[SM_CAUSE_SIGNAL] = "signal",
		[SM_CAUSE_PROTOCOL] = "protocol",
		[SM_CAUSE_SPAWN_FAILED] = "exit-code",
		[SM_CAUSE_COMMAND] = "exit-code",
		[SM_CAUSE_START_TIMEOUT] = "timeout",
		[SM_CAUSE_WATCHDOG] = "watchdog",
		[SM_CAUSE_START_LIMIT] = "start-limit-hit",
		[SM_CAUSE_UNKILLABLE] = "timeout"};
	int status = service->exit_status;
	int rc = environment_set(environment, "SERVICE_RESULT=%s", results[service->sm.cause]);

	if (rc == 0)
		rc = environment_set(environment, "EXIT_CODE=%s",
			WIFEXITED(status) ? "exited" : "killed");
	if (rc == 0)
		rc = environment_set(environment, "EXIT_STATUS=%d",
			WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	return rc;
}

static int prepare(void *ctx, struct environment *environment)
{
	const struct service *service = ctx;
	const struct unit *unit = &service->unit;
	const struct unit_command *command = &unit->commands[service->sm.index];
	int rc = service_base_environment(service->init, environment);

	if (rc == 0)
		rc = protocol_environment(service, environment);
	if (rc == 0 && unit->tty_path)
		rc = environment_set(environment, "TERM=linux");
	if (rc == 0 && command->phase != UNIT_PHASE_START && service->main.pid > 0)
		rc = environment_set(environment, "MAINPID=%d", (int)service->main.pid);
	if (rc == 0 &&
		(command->phase == UNIT_PHASE_STOP || command->phase == UNIT_PHASE_STOP_POST))
		rc = result_environment(service, environment);
	for (size_t i = 0; rc == 0 && unit->environment[i]; i++)
		rc = environment_set(environment, "%s", unit->environment[i]);
	for (size_t i = 0; rc == 0 && unit->environment_files[i]; i++)
		rc = environment_read_file(environment, unit->environment_files[i]);
	return rc < 0 ? rc : environment_expand(environment, unit->words + command->first);
}

/* ---- making ---------------------------------------------------------------------------------- */

/* A file: unlike a pipe it never blocks its writer, and nobody's death reaches it. keel-log reads it. */
static int open_log(const struct service *service)
{
	char path[96];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", LOG_SPOOL_DIR, service->unit.name);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0600);
	return fd < 0 ? -1 : fd;
}

static void on_exec(struct loop_source *source, uint32_t events)
{
	(void)events;
	service_take_exec(source->ctx);
}

/* The child will exit 127 after it told why it could not exec: its end is what ends the start. */
void service_take_exec(struct service *service)
{
	int error = 0, fd = service->exec.fd;
	ssize_t len;

	if (fd < 0)
		return;
	len = read(fd, &error, sizeof(error));
	if (len < 0 && errno == EAGAIN)
		return; /* neither: it is still on its way */
	loop_remove(&service->init->loop, &service->exec);
	close_p(&fd);
	if (len == (ssize_t)sizeof(error)) {
		if (service->exec_of_command)
			service->command_errno = error;
		else
			service->spawn_errno = error;
	} else if (!service->exec_of_command) {
		service->record.exec_us = clock_now_us();
		service_event(service, SM_EVENT_EXECED, (struct sm_facts){0});
	}
}

static void drop_exec(struct service *service)
{
	int fd = service->exec.fd;

	loop_remove(&service->init->loop, &service->exec);
	close_p(&fd);
}

/* A kernel that counts kills of a group (kill_seq, since 6.14) makes us move each new process into one that was ever
 * killed after it was made, and that waits for RCU: milliseconds. A new group has not been killed. */
static void renew_group(struct service *service)
{
	struct cgroup *cgroup = &service->init->cgroup;
	char path[CONTROL_NAME_MAX * 2 + 2];

	if (!service->cgroup_killed || service_has_rest(service))
		return;
	(void)snprintf(path, sizeof(path), "%s/%s", service->unit.slice, service->unit.name);
	if (unlinkat(cgroup->base_fd, path, AT_REMOVEDIR) < 0)
		return; /* it has groups of its own below: it stays */
	close_p(&service->cgroup_fd);
	service->cgroup_killed = false;
}

static int start_process(struct service *service, int pass_fd, struct service_process *process)
{
	const struct unit *unit = &service->unit;
	_cleanup_close_ int output_fd = -1, exec_fd = -1;
	struct spawned spawned;
	int rc;

	drop_exec(service); /* of a command that was dropped before its exec */
	renew_group(service);
	if (service->cgroup_fd < 0)
		service->cgroup_fd = cgroup_make(&service->init->cgroup, unit->slice, unit->name);
	/* Without a hierarchy there are no groups. With one, a process outside of its group could not be ended with
	 * what it starts: it is tried again. */
	if (service->cgroup_fd < 0 && service->cgroup_fd != -ENOTSUP)
		return service->cgroup_fd;
	output_fd = unit->tty_path || unit->output == UNIT_OUTPUT_NULL ? -1 : open_log(service);
	struct spawn spawn = {
		.prepare = prepare,
		.ctx = service,
		.cwd = unit->working_directory,
		.tty_path = unit->tty_path,
		.umask = unit->umask,
		.cgroup_fd = service->cgroup_fd,
		.cgroup_killed = service->cgroup_killed,
		.output_fd = output_fd,
		.pass_fd = pass_fd,
		.oom_score_adj = unit->oom_score_adj,
		.limits = unit->limits,
		.limit_count = unit->limit_count,
	};

	rc = spawn_start(&spawn, &spawned);
	if (rc < 0)
		return rc;
	*process = (struct service_process){.pid = spawned.pid, .pidfd = spawned.pidfd};
	exec_fd = spawned.exec_fd;
	rc = loop_add(&service->init->loop, &service->exec, exec_fd, EPOLLIN, on_exec, service);
	if (rc < 0) {
		/* Nobody would tell whether it runs: better none. It is reaped as an orphan. */
		(void)spawn_signal(process->pid, process->pidfd, SIGKILL);
		process->pid = 0;
		close_p(&process->pidfd);
		return rc;
	}
	(void)TAKE_FD(exec_fd);
	return 0;
}

void service_spawn_main(struct service *service)
{
	int rc;

	service->exec_of_command = false;
	service->spawn_errno = 0;
	rc = start_process(service, socket_unit_open(service->init, service), &service->main);
	if (rc == 0)
		return;
	service->spawn_errno = -rc;
	service_event(service, SM_EVENT_SPAWN_FAILED, (struct sm_facts){0});
}

void service_run_command(struct service *service)
{
	int rc;

	service->exec_of_command = true;
	service->command_errno = 0;
	service->command_status = 0;
	rc = start_process(service, -1, &service->command);
	if (rc == 0)
		return;
	service->command_errno = -rc;
	service_event(service, SM_EVENT_COMMAND_EXITED, (struct sm_facts){.end = SM_END_STATUS});
}

/* ---- signals --------------------------------------------------------------------------------- */

static void signal_process(const struct service_process *process, int signal)
{
	if (process->pid > 0)
		(void)spawn_signal(process->pid, process->pidfd, signal);
}

void service_signal_processes(struct service *service, int signal)
{
	signal_process(&service->main, signal);
	signal_process(&service->command, signal);
}

void service_signal(struct service *service, int signal)
{
	bool whole = service->unit.kill_mode == UNIT_KILL_CONTROL_GROUP;

	if (service->unit.kill_mode == UNIT_KILL_NONE)
		return;
	if (!whole || cgroup_signal(service->cgroup_fd, "", signal) <= 0)
		service_signal_processes(service, signal);
	/* Who is stopped cannot follow (systemd.kill(5) does the same). */
	if (signal != SIGTERM && signal != SIGHUP)
		return;
	if (!whole || cgroup_signal(service->cgroup_fd, "", SIGCONT) <= 0)
		service_signal_processes(service, SIGCONT);
}

void service_kill_rest(struct service *service)
{
	if (cgroup_kill(service->cgroup_fd, "") == 0)
		service->cgroup_killed = true;
	else
		(void)!cgroup_signal(service->cgroup_fd, "", SIGKILL);
}

void service_kill(struct service *service)
{
	switch (service->unit.kill_mode) {
	case UNIT_KILL_CONTROL_GROUP:
	case UNIT_KILL_MIXED:
		service_kill_rest(service);
		break;
	case UNIT_KILL_PROCESS:
		break;
	case UNIT_KILL_NONE:
		return;
	}
	service_signal_processes(service, SIGKILL);
}

void service_drop_command(struct service *service)
{
	drop_exec(service);
	signal_process(&service->command, SIGKILL);
	service->command.pid = 0; /* what is reaped later is nobody's */
	close_p(&service->command.pidfd);
}

/* ---- the group -------------------------------------------------------------------------------- */

bool service_has_rest(const struct service *service)
{
	return service->cgroup_fd >= 0 && cgroup_is_occupied(service->cgroup_fd, "");
}

static void on_group(struct loop_source *source, uint32_t events)
{
	struct service *service = source->ctx;
	char text[128];

	(void)events;
	/* kernfs tells of a change until the file is read again. */
	if (pread(source->fd, text, sizeof(text), 0) < 0)
		log_debug("%s: cgroup.events: %m", service->unit.name);
	if (!service_has_rest(service))
		service_event(service, SM_EVENT_GROUP_EMPTY, (struct sm_facts){0});
}

static bool is_group_awaited(const struct service *service)
{
	const struct sm *sm = &service->sm;

	return sm->state == SERVICE_STATE_STOPPING && !sm->main && !sm->command &&
	       (sm->step == SERVICE_STEP_STOP_SIGNAL || sm->step == SERVICE_STEP_STOP_KILL);
}

static void on_group_timer(struct loop_timer *timer);

void service_watch_group(struct service *service)
{
	bool wanted = is_group_awaited(service);
	struct loop *loop = &service->init->loop;
	int fd = service->group.fd, rc;

	if (wanted == (fd >= 0))
		return;
	if (!wanted) {
		loop_remove(loop, &service->group);
		close_p(&fd);
		return;
	}
	fd = openat(service->cgroup_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	rc = fd < 0 ? -errno : loop_add(loop, &service->group, fd, EPOLLPRI, on_group, service);
	if (rc < 0) {
		/* Looked at again: else only the stop's timer would go on, in a minute and a half. */
		log_warning("%s: cgroup.events: %s", service->unit.name, strerror(-rc));
		close_p(&fd);
		loop_timer_set(loop, &service->group_timer, clock_now_us() + GROUP_RETRY_US,
			on_group_timer, service);
	}
}

static void on_group_timer(struct loop_timer *timer)
{
	struct service *service = timer->ctx;

	if (!is_group_awaited(service))
		return;
	if (!service_has_rest(service))
		service_event(service, SM_EVENT_GROUP_EMPTY, (struct sm_facts){0});
	else
		service_watch_group(service);
}

/* ---- ends ------------------------------------------------------------------------------------- */

static enum sm_end end_of(const struct service *service, int status, bool ignore_failure)
{
	const struct unit *unit = &service->unit;
	int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	if (ignore_failure || unit_statuses_have(&unit->success, status))
		return SM_END_CLEAN;
	if (WIFEXITED(status))
		return WEXITSTATUS(status) == 0 ? SM_END_CLEAN : SM_END_STATUS;
	/* systemd.service(5): these end a service that was asked to, or asked itself, to stop. */
	if (number == SIGTERM || number == SIGHUP || number == SIGINT || number == SIGPIPE ||
		number == unit->kill_signal)
		return SM_END_CLEAN;
	return SM_END_SIGNAL;
}

static void forget(struct service *service, struct service_process *process)
{
	if (process == &service->main)
		loop_remove(&service->init->loop, &service->foreign);
	process->pid = 0;
	close_p(&process->pidfd);
}

static void main_ended(struct service *service, int status)
{
	const struct unit *unit = &service->unit;
	bool ignore = service->sm.state == SERVICE_STATE_STARTING &&
		      unit->commands[service->sm.index].ignore_failure;
	struct sm_facts facts = {.end = end_of(service, status, ignore),
		.no_restart = unit_statuses_have(&unit->no_restart, status)};

	forget(service, &service->main);
	service->exit_status = status;
	service->record.exit_status = status;
	service->record.exit_us = clock_now_us();
	service_event(service, service->spawn_errno ? SM_EVENT_SPAWN_FAILED : SM_EVENT_EXITED,
		facts);
}

static void command_ended(struct service *service, int status)
{
	bool ignore = service->sm.index < service->unit.command_count &&
		      service->unit.commands[service->sm.index].ignore_failure;
	enum sm_end end = ignore || (WIFEXITED(status) && WEXITSTATUS(status) == 0) ? SM_END_CLEAN
										    : SM_END_STATUS;

	forget(service, &service->command);
	service->command_status = status;
	if (end != SM_END_CLEAN) {
		char text[CONTROL_REASON_MAX];

		service_describe_command(service, text, sizeof(text));
		log_warning("%s: %s", service->unit.name, text);
	}
	service_event(service, SM_EVENT_COMMAND_EXITED, (struct sm_facts){.end = end});
}

bool service_reap(struct init *init, pid_t pid, int status)
{
	for (unsigned int i = 0; i < init->service_count; i++) {
		struct service *service = &init->services[i];
		bool is_main = service->main.pid == pid;

		if (!is_main && service->command.pid != pid)
			continue;
		/* The exec's result comes before the exit it caused. */
		if (service->exec_of_command != is_main)
			service_take_exec(service);
		if (is_main)
			main_ended(service, status);
		else
			command_ended(service, status);
		return true;
	}
	return false;
}

/* ---- who is the main process ------------------------------------------------------------------ */

static bool is_child(pid_t pid)
{
	siginfo_t info;

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* Somebody else's child: its pidfd tells that it ended, and nobody tells us how (pidfd_open(2)). */
static void on_foreign_end(struct loop_source *source, uint32_t events)
{
	struct service *service = source->ctx;
	int status = 1 << 8;

	(void)events;
	if (waitpid(service->main.pid, &status, WNOHANG) == 0)
		return;
	main_ended(service, status);
}

int service_set_main(struct service *service, pid_t pid)
{
	struct loop *loop = &service->init->loop;
	int pidfd, rc = 0;

	if (pid == service->main.pid)
		return 0;
	if (pid <= 1 || !service->sm.main ||
		!cgroup_has_process(&service->init->cgroup, service->unit.slice, service->unit.name,
			pid))
		return -ESRCH;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0 && !is_child(pid))
		return -ESRCH;
	service_take_exec(service);
	forget(service, &service->main);
	service->main = (struct service_process){.pid = pid, .pidfd = pidfd};
	if (!is_child(pid))
		rc = loop_add(loop, &service->foreign, pidfd, EPOLLIN, on_foreign_end, service);
	if (rc < 0)
		log_warning("%s: cannot watch process %d: %s", service->unit.name, (int)pid,
			strerror(-rc));
	log_info("%s: main process is now %d", service->unit.name, (int)pid);
	service->record.pid = pid;
	service_mark(service);
	return 0;
}

struct service *service_find_process(struct init *init, pid_t pid)
{
	for (unsigned int i = 0; i < init->service_count; i++)
		if (init->services[i].main.pid == pid || init->services[i].command.pid == pid)
			return &init->services[i];
	for (unsigned int i = 0; i < init->service_count; i++)
		if (init->services[i].cgroup_fd >= 0 &&
			cgroup_has_process(&init->cgroup, init->services[i].unit.slice,
				init->services[i].unit.name, pid))
			return &init->services[i];
	return NULL;
}
