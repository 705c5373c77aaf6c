/* SPDX-License-Identifier: MIT
 *
 * engine_hold.c - see engine_hold.h. Called by verb_repair.c.
 */
#include "init/disk/engine_hold.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "init/disk/pid1.h"
#include "init/disk/reason.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"

/* In the order of starting; dockerd is stopped first, and has 25 s for it (its unit file). */
static const char *const units[ENGINE_HOLD_UNITS] = {"containerd.service", "docker.service"};

#define DOCKER_CONFIG    "/etc/docker/daemon.json"
#define DOCKER_STOP_COPY "/run/keel/docker-stop.json"

#define STOP_SECONDS  90
#define KILL_SECONDS  20
#define KILL_AGAIN_MS 50
#define DEPTH_MAX     16 /* of groups in a container's group; deeper ones would be a container's joke */
#define STAGE_SECONDS 600 /* a journal is replayed in seconds; a check may be among it */
#define NEWS_SECONDS  15  /* a helper that waits wakes up at once */

/* ---- what is up ------------------------------------------------------------------------------ */

struct services {
	bool wanted[ENGINE_HOLD_UNITS];
	bool down[ENGINE_HOLD_UNITS];
};

static void take_service(struct services *services, const struct control_record *record)
{
	const unsigned int state = record->service.state;

	if (record->type != CONTROL_RECORD_SERVICE)
		return;
	for (size_t i = 0; i < ENGINE_HOLD_UNITS; i++) {
		if (strcmp(record->service.name, units[i]) != 0)
			continue;
		services->wanted[i] = record->service.wanted;
		services->down[i] =
			state == SERVICE_STATE_INACTIVE || state == SERVICE_STATE_FAILED;
	}
}

static bool have_picture(void *ctx, const struct control_record *record)
{
	take_service(ctx, record);
	return record->type == CONTROL_RECORD_END;
}

struct stopping {
	struct services services;
	size_t unit;
};

static bool has_stopped(void *ctx, const struct control_record *record)
{
	struct stopping *stopping = ctx;

	take_service(&stopping->services, record);
	return record->type == CONTROL_RECORD_END && stopping->services.down[stopping->unit];
}

/* dockerd first and whole: it needs containerd to stop its containers. */
static int stop_units(const struct services *services)
{
	struct stopping stopping = {.services = *services};
	int rc = 0;

	for (size_t i = ENGINE_HOLD_UNITS; rc == 0 && i-- > 0;) {
		if (services->down[i] && !services->wanted[i])
			continue;
		log_info("stopping %s", units[i]);
		stopping.unit = i;
		rc = pid1_request(CONTROL_VERB_STOP, units[i]);
		if (rc == 0)
			rc = pid1_watch(has_stopped, &stopping, STOP_SECONDS);
	}
	return rc;
}

static void read_note(struct engine_hold *hold)
{
	char text[256];

	if (file_read(ENGINE_HOLD_NOTE, text, sizeof(text)) <= 0)
		return;
	for (size_t i = 0; i < ENGINE_HOLD_UNITS; i++)
		if (strstr(text, units[i]))
			hold->was_up[i] = true;
}

static int write_note(const struct engine_hold *hold)
{
	_cleanup_close_ int fd =
		open(ENGINE_HOLD_NOTE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < ENGINE_HOLD_UNITS; i++)
		if (hold->was_up[i] && dprintf(fd, "%s\n", units[i]) < 0)
			return -errno;
	return 0;
}

/* ---- the containers ---------------------------------------------------------------------------- */

/* Where PID 1's groups are: "/sys/fs/cgroup" and the base, from PID 1's own group BASE/keel/init. */
static int find_base(char *path, size_t size)
{
	static const char own[] = "/keel/init\n";
	char text[4096], *line, *end;

	if (file_read("/proc/1/cgroup", text, sizeof(text)) < 0)
		return -ENOENT;
	line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	line = line ? strstr(line, "0::") : NULL;
	end = line ? strstr(line, own) : NULL;
	if (!end)
		return -ENOENT;
	*end = '\0';
	(void)snprintf(path, size, "/sys/fs/cgroup%s", line + 3);
	if (access(path, X_OK) < 0)
		(void)snprintf(path, size, "/sys/fs/cgroup/unified%s", line + 3);
	return 0;
}

static bool is_populated(int events_fd)
{
	char text[256];
	ssize_t len = pread(events_fd, text, sizeof(text) - 1, 0);

	text[len > 0 ? len : 0] = '\0';
	return strstr(text, "populated 1") != NULL;
}

/* Everything in the group and below, one by one. cgroup.kill would do it at once, but kernels of today then also kill what
 * PID 1 starts in these groups later (it enters them with clone3(2)). */
static void kill_processes(int group, int depth)
{
	struct file_dir entries = {.fd = group};
	char text[4096], *rest = text;
	unsigned char type;
	const char *name;
	ssize_t len = file_read_at(group, "cgroup.procs", text, sizeof(text));

	if (len > 0 || len == -EFBIG) /* the rest is in the next list */
		for (char *word; (word = strtok_r(rest, "\n", &rest));) {
			const long pid = strtol(word, NULL, 10);

			/* 0 stands for a process of another PID namespace. */
			if (pid > 1)
				(void)kill((pid_t)pid, SIGKILL);
		}
	while (depth < DEPTH_MAX && (name = file_dir_next(&entries, &type))) {
		_cleanup_close_ int below = -1;

		if (type == DT_DIR)
			below = openat(group, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (below >= 0)
			kill_processes(below, depth + 1);
	}
}

/* cgroup.events is the event that they are gone (cgroup-v2.rst). */
static int kill_group(const char *base, const char *slice)
{
	const uint64_t deadline_us = clock_now_us() + KILL_SECONDS * USEC_PER_SEC;
	_cleanup_close_ int group = -1, events = -1;
	char path[400];

	(void)snprintf(path, sizeof(path), "%s/%s", base, slice);
	group = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	events = group < 0 ? -1 : openat(group, "cgroup.events", O_RDONLY | O_CLOEXEC);
	while (events >= 0 && is_populated(events)) {
		struct pollfd pollfd = {.fd = events, .events = POLLPRI};

		if (clock_now_us() >= deadline_us)
			return -ETIMEDOUT;
		kill_processes(group, 0);
		/* Who was forked while the list was read is in the next one. */
		(void)poll(&pollfd, 1, KILL_AGAIN_MS);
	}
	return 0;
}

static int kill_containers(char *reason, size_t reason_size)
{
	/* The engine's shims first: they would notice, and clean up after, each container. */
	static const char *const slices[] = {"engine", "containers"};
	char base[300];

	if (find_base(base, sizeof(base)) < 0)
		return 0; /* no groups: services have ended as PID 1 saw it */
	for (size_t i = 0; i < ARRAY_SIZE(slices); i++) {
		int rc = kill_group(base, slices[i]);

		if (rc < 0)
			return REASON_FAIL(reason, reason_size, rc,
				"what runs in %s/%s cannot be ended: %s", base, slices[i],
				strerror(-rc));
	}
	return 0;
}

/* ---- what callers use ------------------------------------------------------------------------------ */

int engine_hold_take(struct engine_hold *hold, char *reason, size_t reason_size)
{
	struct services services = {.down = {true, true}};
	int rc;

	*hold = (struct engine_hold){0};
	if (!pid1_is_ours())
		return REASON_FAIL(reason, reason_size, -EXDEV,
			"keel's PID 1 has a PID namespace of its own here (init --fallback): keelctl disk "
			"does it in there");
	rc = pid1_watch(have_picture, &services, STOP_SECONDS);
	if (rc == -ENOENT || rc == -ECONNREFUSED)
		return 0;
	if (rc < 0)
		return REASON_FAIL(reason, reason_size, rc, "PID 1 does not answer: %s",
			strerror(-rc));
	memcpy(hold->was_up, services.wanted, sizeof(hold->was_up));
	read_note(hold);
	rc = write_note(hold);
	if (rc == 0)
		rc = stop_units(&services);
	if (rc < 0)
		return REASON_FAIL(reason, reason_size, rc, "the engine cannot be stopped: %s",
			strerror(-rc));
	return kill_containers(reason, reason_size);
}

/* docker-stop (rootfs/usr/lib/keel) covered dockerd's configuration by a copy without live-restore. */
static void uncover_config(void)
{
	if (unlink(DOCKER_STOP_COPY) == 0 && umount2(DOCKER_CONFIG, MNT_DETACH) < 0)
		log_warning("uncover %s: %s", DOCKER_CONFIG, strerror(errno));
}

void engine_hold_release(const struct engine_hold *hold)
{
	uncover_config();
	for (size_t i = 0; i < ENGINE_HOLD_UNITS; i++) {
		int rc;

		if (!hold->was_up[i])
			continue;
		log_info("starting %s", units[i]);
		rc = pid1_request(CONTROL_VERB_START, units[i]);
		if (rc < 0)
			log_warning("start %s: %s", units[i], strerror(-rc));
	}
	(void)unlink(ENGINE_HOLD_NOTE);
}

struct outcome {
	bool news;    /* the stage ends anew: its last word before does not count */
	uint64_t end; /* of the stage, when this began */
	bool seen;
	bool running; /* it is at it */
	bool mounted;
	char *reason;
	size_t reason_size;
};

static bool stage_ended(void *ctx, const struct control_record *record)
{
	struct outcome *outcome = ctx;
	const struct control_stage *stage = &record->stage;

	if (record->type != CONTROL_RECORD_STAGE || strcmp(stage->name, "disk") != 0)
		return false;
	(void)snprintf(outcome->reason, outcome->reason_size, "%s", stage->reason);
	outcome->mounted = stage->state == STAGE_STATE_DONE;
	outcome->running = stage->state == STAGE_STATE_RUNNING;
	if (!outcome->seen) {
		outcome->seen = true;
		outcome->end = stage->end_us;
	}
	if (outcome->mounted)
		return true;
	return stage->state == STAGE_STATE_FAILED &&
	       (outcome->news || stage->end_us != outcome->end);
}

int engine_hold_mount(char *reason, size_t reason_size)
{
	struct outcome outcome = {.reason = reason, .reason_size = reason_size};
	int rc = pid1_request(CONTROL_VERB_RESTART_STAGE, "disk");

	if (rc < 0 && rc != -EALREADY)
		return rc;
	/* A helper that runs may say the same as before, and then PID 1 tells nothing anew. */
	outcome.news = rc == 0;
	rc = pid1_watch(stage_ended, &outcome, outcome.news ? STAGE_SECONDS : NEWS_SECONDS);
	if (rc == -ETIMEDOUT && outcome.running) {
		outcome.news = true;
		rc = pid1_watch(stage_ended, &outcome, STAGE_SECONDS);
	}
	if (rc < 0 && !(rc == -ETIMEDOUT && outcome.seen))
		return rc;
	return outcome.mounted;
}

static bool stage_known(void *ctx, const struct control_record *record)
{
	bool *done = ctx;

	if (record->type == CONTROL_RECORD_STAGE && strcmp(record->stage.name, "disk") == 0)
		*done = record->stage.state == STAGE_STATE_DONE;
	return record->type == CONTROL_RECORD_END;
}

int engine_hold_take_up(char *reason, size_t reason_size)
{
	bool done = false;
	int rc = pid1_watch(stage_known, &done, NEWS_SECONDS);

	if (rc < 0 || done)
		return rc;
	return engine_hold_mount(reason, reason_size);
}
