/* SPDX-License-Identifier: MIT
 *
 * stage.c - the table of stages, the helpers' reports, the one setter of a stage's state.
 */
#include "init/stage.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "init/memory.h"
#include "init/mounts.h"
#include "init/service.h"
#include "init/spawn.h"
#include "init/text.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"

static int run_console(struct init *init, char *why, size_t size);
static int run_mounts(struct init *init, char *why, size_t size);
static int run_cgroup(struct init *init, char *why, size_t size);
static int run_memory(struct init *init, char *why, size_t size);

/* The boot, in order. `run` answers 0, 1 (went on without a part, named in `why`) or -errno. */
static const struct {
	const char *name;
	enum stage_policy policy;
	int (*run)(struct init *init, char *why, size_t size);
	const char *helper;
	const char *targets[3]; /* systemd.special(7) names that units use for it */
} table[] = {
	[STAGE_CONSOLE] = {"console", STAGE_POLICY_DEGRADE, run_console, NULL, {NULL}},
	[STAGE_MOUNTS] = {"mounts", STAGE_POLICY_FATAL, run_mounts, NULL, {NULL}},
	[STAGE_CGROUP] = {"cgroup", STAGE_POLICY_DEGRADE, run_cgroup, NULL, {NULL}},
	[STAGE_MEMORY] = {"memory", STAGE_POLICY_DEGRADE, run_memory, NULL, {NULL}},
	[STAGE_MODULES] = {"modules", STAGE_POLICY_DEGRADE, NULL, "/usr/lib/keel/keel-modules",
		{"systemd-modules-load.service", NULL}},
	[STAGE_DISK] = {"disk", STAGE_POLICY_RESCUE, NULL, "/usr/lib/keel/keel-disk",
		{"local-fs.target", NULL}},
	[STAGE_NET] = {"net", STAGE_POLICY_DEGRADE, NULL, "/usr/lib/keel/keel-net",
		{"network.target", "network-online.target", NULL}},
	[STAGE_SERVICES] = {"services", STAGE_POLICY_DEGRADE, NULL, NULL, {NULL}},
};

_Static_assert(ARRAY_SIZE(table) == STAGE_COUNT, "a row for each stage");
_Static_assert(STAGE_COUNT <= CONTROL_STAGES_MAX, "the protocol has room for every stage");

static int run_console(struct init *init, char *why, size_t size)
{
	(void)init;
	/* The kernel gives PID 1 /dev/console on 0-2 only if the node existed before devtmpfs; WSL gives
	 * /dev/null and /dev/kmsg. Programs that write to a missing fd 1 would write into a socket. */
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		if (open("/dev/null", O_RDWR) < 0) { /* NOLINT: inherited on purpose */
			(void)snprintf(why, size, "cannot open /dev/null: %s", strerror(errno));
			return -errno;
		}
	}
	return 0;
}

static int run_mounts(struct init *init, char *why, size_t size)
{
	int rc = mounts_setup(init->mode, why, size);

	if (rc == 0 && init->mode == BOOT_MODE_VM) {
		char name[65] = "";

		if (file_read("/etc/hostname", name, sizeof(name)) <= 0)
			(void)snprintf(name, sizeof(name), "keel");
		name[strcspn(name, "\n")] = '\0';
		if (sethostname(name, strlen(name)) < 0)
			log_warning("cannot set the host name: %m");
	}
	return rc;
}

static int run_cgroup(struct init *init, char *why, size_t size)
{
	return cgroup_setup(&init->cgroup, why, size);
}

static int run_memory(struct init *init, char *why, size_t size)
{
	return memory_setup(&init->cgroup, &init->config, why, size);
}

void stage_init_all(struct init *init)
{
	init->cgroup.base_fd = -1; /* until its stage has found one, which may not come */
	for (unsigned int i = 0; i < STAGE_COUNT; i++) {
		struct stage *stage = &init->stages[i];

		stage->init = init;
		stage->report.fd = stage->exec.fd = -1;
		(void)snprintf(stage->record.name, sizeof(stage->record.name), "%s", table[i].name);
	}
}

static bool is_final(enum stage_state state)
{
	return state != STAGE_STATE_PENDING && state != STAGE_STATE_RUNNING;
}

void stage_set(struct init *init, enum stage_id id, enum stage_state state, const char *reason)
{
	struct control_stage *record = &init->stages[id].record;
	uint64_t now = clock_now_us();
	bool same = record->state == state && strcmp(record->reason, reason) == 0;

	if (same && record->start_us != 0)
		return;
	if (record->start_us == 0)
		record->start_us = now;
	record->end_us = is_final(state) ? now : 0;
	record->state = (uint8_t)state;
	text_copy(record->reason, sizeof(record->reason), reason);
	if (state == STAGE_STATE_FAILED && table[id].policy == STAGE_POLICY_FATAL)
		init->fatal = true;
	log_write(state == STAGE_STATE_FAILED     ? LOG_ERR
		  : state == STAGE_STATE_DEGRADED ? LOG_WARNING
						  : LOG_INFO,
		"stage %s: %s%s%s (%llu us)", record->name, stage_state_name(state),
		reason[0] ? ": " : "", record->reason,
		(unsigned long long)(record->end_us ? record->end_us - record->start_us : 0));
	init->changed = true;
	control_mark(init, CONTROL_DIRTY_STAGE((unsigned int)id));
}

void stage_run(struct init *init, enum stage_id first, enum stage_id last)
{
	for (unsigned int i = first; i <= last && !init->fatal; i++) {
		char why[CONTROL_REASON_MAX] = "";
		int rc;

		init->stages[i].record.start_us = clock_now_us();
		init->stages[i].record.state = STAGE_STATE_RUNNING;
		rc = table[i].run(init, why, sizeof(why));
		if (rc < 0 && table[i].policy != STAGE_POLICY_DEGRADE)
			stage_set(init, (enum stage_id)i, STAGE_STATE_FAILED, why);
		else
			stage_set(init, (enum stage_id)i,
				rc == 0 ? STAGE_STATE_DONE : STAGE_STATE_DEGRADED, why);
	}
}

void stage_run_crashed(struct init *init)
{
	char why[CONTROL_REASON_MAX] = "";

	/* Everything is mounted; which groups are ours has to be found again. */
	stage_set(init, STAGE_CGROUP,
		run_cgroup(init, why, sizeof(why)) < 0 ? STAGE_STATE_DEGRADED : STAGE_STATE_DONE,
		why);
}

/* Its texts come from a disk that anybody may have written. */
static void copy_disk(struct control_disk *to, const struct control_disk *from)
{
	*to = *from;
	text_copy(to->device, sizeof(to->device), from->device);
	text_copy(to->uuid, sizeof(to->uuid), from->uuid);
	text_copy(to->label, sizeof(to->label), from->label);
	text_copy(to->mountpoint, sizeof(to->mountpoint), from->mountpoint);
	text_copy(to->reason, sizeof(to->reason), from->reason);
}

static void on_report(struct loop_source *source, uint32_t events)
{
	struct stage *stage = source->ctx;
	struct init *init = stage->init;
	struct stage_report report;
	ssize_t len;

	(void)events;
	while ((len = recv(source->fd, &report, sizeof(report), MSG_DONTWAIT | MSG_TRUNC)) > 0) {
		if (!stage_report_valid(&report, (size_t)len))
			continue;
		if (report.has_disk) {
			copy_disk(&init->disk, &report.disk);
			control_mark(init, CONTROL_DIRTY_DISK);
		}
		stage_set(init, (enum stage_id)(stage - init->stages),
			(enum stage_state)report.state, report.reason);
	}
	/* An error is no end: what the helper has to say is still in the socket. */
	if (len < 0 && errno != ECONNRESET)
		return;
	int fd = source->fd;

	loop_remove(&init->loop, source);
	close_p(&fd);
}

static void on_exec(struct loop_source *source, uint32_t events)
{
	struct stage *stage = source->ctx;
	int error, fd = source->fd;

	(void)events;
	if (read(fd, &error, sizeof(error)) == (ssize_t)sizeof(error)) {
		char why[CONTROL_REASON_MAX];
		enum stage_id id = (enum stage_id)(stage - stage->init->stages);

		(void)snprintf(why, sizeof(why), "cannot run %s: %s", table[id].helper,
			strerror(error));
		stage_set(stage->init, id, STAGE_STATE_FAILED, why);
	}
	loop_remove(&stage->init->loop, source);
	close_p(&fd);
}

struct helper {
	const struct init *init;
	char *argv[2];
};

static int prepare_helper(void *ctx, struct environment *environment)
{
	const struct helper *helper = ctx;
	int rc = service_base_environment(helper->init, environment);

	return rc < 0 ? rc : environment_expand(environment, helper->argv);
}

static int start_helper(struct init *init, enum stage_id id)
{
	_cleanup_close_ int ours = -1, theirs = -1, cgroup_fd = -1, exec_fd = -1, kmsg_fd = -1;
	struct helper helper = {.init = init, .argv = {(char *)(uintptr_t)table[id].helper, NULL}};
	struct stage *stage = &init->stages[id];
	struct spawned spawned;
	int sockets[2], rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		return -errno;
	ours = sockets[0];
	theirs = sockets[1];
	cgroup_fd = cgroup_make(&init->cgroup, "keel", table[id].name);
	kmsg_fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	struct spawn spawn = {
		.prepare = prepare_helper,
		.ctx = &helper,
		.umask = 022,
		.cgroup_fd = cgroup_fd,
		.output_fd = kmsg_fd,
		.pass_fd = theirs,
		.oom_score_adj = -900,
	};

	rc = spawn_start(&spawn, &spawned);
	if (rc < 0)
		return rc;
	stage->pid = spawned.pid;
	close_p(&spawned.pidfd); /* never signalled */
	exec_fd = spawned.exec_fd;
	rc = loop_add(&init->loop, &stage->report, ours, EPOLLIN, on_report, stage);
	if (rc == 0)
		(void)TAKE_FD(ours);
	if (rc == 0)
		rc = loop_add(&init->loop, &stage->exec, exec_fd, EPOLLIN, on_exec, stage);
	if (rc == 0)
		(void)TAKE_FD(exec_fd);
	return rc;
}

static void run_helper(struct init *init, enum stage_id id)
{
	char why[CONTROL_REASON_MAX];
	int rc;

	stage_set(init, id, STAGE_STATE_RUNNING, "");
	rc = start_helper(init, id);
	if (rc == 0)
		return;
	(void)snprintf(why, sizeof(why), "cannot start %s: %s", table[id].helper, strerror(-rc));
	stage_set(init, id, STAGE_STATE_FAILED, why);
}

void stage_start_helpers(struct init *init)
{
	for (unsigned int i = 0; i < STAGE_COUNT; i++)
		if (table[i].helper && !init->fatal)
			run_helper(init, (enum stage_id)i);
}

int stage_restart(struct init *init, const char *name)
{
	for (unsigned int i = 0; i < STAGE_COUNT; i++) {
		struct stage *stage = &init->stages[i];

		if (!table[i].helper || strcmp(table[i].name, name) != 0)
			continue;
		/* What it says goes by the stage: two of them would be mixed up. */
		if (stage->pid != 0 || stage->report.fd >= 0 || stage->exec.fd >= 0)
			return -EALREADY;
		stage->record.start_us = 0;
		run_helper(init, (enum stage_id)i);
		return 0;
	}
	return -ENOENT;
}

bool stage_reap(struct init *init, pid_t pid, int status)
{
	for (unsigned int i = 0; i < STAGE_COUNT; i++) {
		struct stage *stage = &init->stages[i];
		char why[CONTROL_REASON_MAX];

		if (stage->pid != pid)
			continue;
		stage->pid = 0;
		/* Its last word may still be in the socket. */
		if (stage->report.fd >= 0)
			on_report(&stage->report, EPOLLIN);
		if (!is_final((enum stage_state)stage->record.state)) {
			if (WIFSIGNALED(status))
				(void)snprintf(why, sizeof(why), "%s was killed by signal %d",
					table[i].helper, WTERMSIG(status));
			else
				(void)snprintf(why, sizeof(why),
					"%s ended with status %d and no result", table[i].helper,
					WEXITSTATUS(status));
			stage_set(init, (enum stage_id)i, STAGE_STATE_FAILED, why);
		}
		return true;
	}
	return false;
}

int stage_find_target(const char *target)
{
	for (int i = 0; i < STAGE_COUNT; i++)
		for (int t = 0; table[i].targets[t]; t++)
			if (strcmp(table[i].targets[t], target) == 0)
				return i;
	return -ENOENT;
}

bool stage_is_settled(const struct init *init, enum stage_id id)
{
	return is_final((enum stage_state)init->stages[id].record.state);
}

bool stage_is_met(const struct init *init, enum stage_id id)
{
	switch ((enum stage_state)init->stages[id].record.state) {
	case STAGE_STATE_DONE:
	case STAGE_STATE_DEGRADED:
	case STAGE_STATE_SKIPPED:
		return true;
	case STAGE_STATE_FAILED:
		return table[id].policy == STAGE_POLICY_DEGRADE;
	case STAGE_STATE_PENDING:
	case STAGE_STATE_RUNNING:
		return false;
	}
	return false;
}
