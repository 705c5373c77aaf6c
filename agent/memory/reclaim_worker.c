/* SPDX-License-Identifier: MIT
 *
 * reclaim_worker.c - see reclaim_worker.h. Caller: memory.c.
 */
#include "agent/memory/reclaim_worker.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "agent/memory/group_kind.h"
#include "agent/runner.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"

#define FILE_PATH_MAX 320 /* of a file in a control group, below its parent */
/* How far the groups in a container are passed by, in depth and in number; what is beyond is taken from. */
#define NESTED_DEPTH 8
#define NESTED_MAX   512

static const char *const slices[] = {"containers", "engine", "user", "keel", "system"};
_Static_assert(ARRAY_SIZE(slices) == RECLAIM_WORKER_SLICES, "one memory of each slice's values");
#define SLICES_SWAPPED 2 /* of these the first are held back from swapping: no others have much */

/* ---- who is passed by ---------------------------------------------------------------------------- */

/* "" if it cannot be read. */
static void read_value(int dir_fd, const char *group, const char *file, char *text, size_t size)
{
	char path[FILE_PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", group, file);
	if (file_read_at(dir_fd, path, text, size) < 0)
		text[0] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

/* A group that is gone by now is as good as one that was written. */
static void write_value(int dir_fd, const char *group, const char *file, const char *text)
{
	char path[FILE_PATH_MAX];
	int rc;

	(void)snprintf(path, sizeof(path), "%s/%s", group, file);
	rc = file_write_at(dir_fd, path, text);
	if (rc < 0 && rc != -ENOENT && rc != -ENODEV)
		log_warning("%s to %s: %s", text, path, strerror(-rc));
}

/* Only what is 0, the default, is touched, and only our own value is taken back. */
static void protect_one(int dir_fd, const char *group, bool on)
{
	char text[24];

	read_value(dir_fd, group, "memory.low", text, sizeof(text));
	if (strcmp(text, on ? "0" : "max") == 0)
		write_value(dir_fd, group, "memory.low", on ? "max" : "0");
}

/* Where memory.low does not reach below the group that has it, those below need their own: a container's with others in it
 * (kind, Docker in Docker, systemd), each process is in one of these. `budget`: how many may still be looked at; a
 * container can make as many as it likes. */
static void protect_below(int dir_fd, const char *group, bool on, unsigned int depth,
	unsigned int *budget)
{
	_cleanup_close_ int fd = openat(dir_fd, group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct file_dir dir = {.fd = fd};
	unsigned char type;
	const char *name;

	while (fd >= 0 && *budget > 0 && (name = file_dir_next(&dir, &type))) {
		if (type != DT_DIR)
			continue;
		(*budget)--;
		/* Taken back also where the last process has ended meanwhile. */
		if (on && memory_group_kind(fd, name, MEMORY_GROUP_DEPTH) == MEMORY_GROUP_EMPTY)
			continue;
		protect_one(fd, name, on);
		if (depth < NESTED_DEPTH)
			protect_below(fd, name, on, depth + 1, budget);
	}
}

/* A living one's; returns what it uses. */
static uint64_t protect_living(const struct memory_paths *paths, int dir_fd, const char *name,
	bool on)
{
	/* More when it is taken back: others may have come in between. */
	unsigned int budget = on ? NESTED_MAX : NESTED_MAX * 4;
	char text[24];

	protect_one(dir_fd, name, on);
	if (!paths->recursive)
		protect_below(dir_fd, name, on, 1, &budget);
	read_value(dir_fd, name, "memory.current", text, sizeof(text));
	return strtoull(text, NULL, 10);
}

static uint64_t protect_groups(const struct memory_paths *paths, int dir_fd, const char *parent,
	bool on, unsigned int depth);

/* Protection is capped by the parent's, and what the parent has beyond its children's goes to all below it, also to the
 * removed: it gets what the living ones use. */
static uint64_t protect_parent(const struct memory_paths *paths, int dir_fd, const char *name,
	bool on, unsigned int depth)
{
	uint64_t used = protect_groups(paths, dir_fd, name, on, depth + 1);
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)(on ? used : 0));
	write_value(dir_fd, name, "memory.low", text);
	return used;
}

/* It was one of the others when the step began. */
static void unprotect_empty(const struct memory_paths *paths, int dir_fd, const char *name,
	unsigned int depth)
{
	if (memory_is_container_id(name) || depth == MEMORY_GROUP_DEPTH)
		(void)protect_living(paths, dir_fd, name, false);
	else
		(void)protect_parent(paths, dir_fd, name, false, depth);
}

/* All groups of the directory `parent`, which are as deep as `depth` says; returns what the living use. */
static uint64_t protect_groups(const struct memory_paths *paths, int dir_fd, const char *parent,
	bool on, unsigned int depth)
{
	_cleanup_close_ int fd = openat(dir_fd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct file_dir dir = {.fd = fd};
	uint64_t used = 0;
	unsigned char type;
	const char *name;

	while (fd >= 0 && (name = file_dir_next(&dir, &type))) {
		if (type != DT_DIR)
			continue;
		switch (memory_group_kind(fd, name, depth)) {
		case MEMORY_GROUP_PARENT:
			used += protect_parent(paths, fd, name, on, depth);
			break;
		case MEMORY_GROUP_EMPTY:
			if (!on)
				unprotect_empty(paths, fd, name, depth);
			break;
		case MEMORY_GROUP_LIVING:
			used += protect_living(paths, fd, name, on);
			break;
		}
	}
	return used;
}

static void protect_containers(const struct memory_paths *paths, bool on)
{
	(void)protect_groups(paths, paths->base_fd, slices[0], on, 1);
}

/* What the slice has now is kept in `saved` and replaced. */
static void replace_value(int base_fd, size_t slice, const char *file, char saved[24],
	const char *text)
{
	read_value(base_fd, slices[slice], file, saved, 24);
	if (saved[0] != '\0')
		write_value(base_fd, slices[slice], file, text);
}

static void restore_value(int base_fd, size_t slice, const char *file, char saved[24])
{
	if (saved[0] != '\0')
		write_value(base_fd, slices[slice], file, saved);
	saved[0] = '\0';
}

static bool takes_from_root(const struct reclaim_worker *worker)
{
	return worker->step.action == RECLAIM_TAKE && worker->class == RECLAIM_REST;
}

static bool takes_from_dead(const struct reclaim_worker *worker)
{
	return worker->step.action == RECLAIM_TAKE && worker->class == RECLAIM_DEAD;
}

/* The slices' memory.low does not reach their containers. Services have one of their own (init/cgroup.c). */
static bool takes_from_below(const struct reclaim_worker *worker)
{
	return takes_from_root(worker) && !worker->paths->recursive;
}

static void prepare(struct reclaim_worker *worker)
{
	const int base_fd = worker->paths->base_fd;
	char used[24];

	if (takes_from_dead(worker) || takes_from_below(worker))
		protect_containers(worker->paths, true);
	for (size_t i = 0; takes_from_root(worker) && i < ARRAY_SIZE(slices); i++)
		replace_value(base_fd, i, "memory.low", worker->low[i], "max");
	for (size_t i = 0; worker->plain && i < SLICES_SWAPPED; i++) {
		read_value(base_fd, slices[i], "memory.swap.current", used, sizeof(used));
		if (used[0] != '\0')
			replace_value(base_fd, i, "memory.swap.max", worker->swap_max[i], used);
	}
}

static void clean_up(struct reclaim_worker *worker)
{
	const int base_fd = worker->paths->base_fd;

	if (takes_from_dead(worker) || takes_from_below(worker))
		protect_containers(worker->paths, false);
	for (size_t i = 0; i < ARRAY_SIZE(slices); i++) {
		restore_value(base_fd, i, "memory.low", worker->low[i]);
		restore_value(base_fd, i, "memory.swap.max", worker->swap_max[i]);
	}
}

void reclaim_worker_recover(const struct memory_paths *paths, bool swap)
{
	/* The predecessor may have gone down, whatever the mount says now. */
	const struct memory_paths all = {.base_fd = paths->base_fd, .recursive = false};
	char text[24];

	if (paths->base_fd < 0)
		return;
	protect_containers(&all, false);
	/* Those that have one get it with memory_limits_apply(), which comes after this. */
	for (size_t i = 0; i < ARRAY_SIZE(slices); i++) {
		read_value(paths->base_fd, slices[i], "memory.low", text, sizeof(text));
		if (strcmp(text, "max") == 0)
			write_value(paths->base_fd, slices[i], "memory.low", "0");
	}
	for (size_t i = 0; i < SLICES_SWAPPED; i++) {
		const char *wanted = i == 0 && !swap ? "0" : "max";

		read_value(paths->base_fd, slices[i], "memory.swap.max", text, sizeof(text));
		if (text[0] != '\0' && strcmp(text, wanted) != 0)
			write_value(paths->base_fd, slices[i], "memory.swap.max", wanted);
	}
}

/* ---- the child ----------------------------------------------------------------------------------- */

static int make_request(const struct reclaim_worker *worker, struct runner_step_request *request)
{
	const struct reclaim_step *step = &worker->step;
	const char *name = worker->name;

	*request = (struct runner_step_request){
		.calm = true, .bytes = step->bytes, .no_swap = !worker->plain};
	switch (step->action) {
	case RECLAIM_WAIT:
		return -EINVAL;
	case RECLAIM_TAKE_ROOT: /* of our part of the hierarchy: never above it */
		name = ".";
		/* fall through */
	case RECLAIM_TAKE:
		request->step = RUNNER_STEP_TAKE;
		break;
	case RECLAIM_FLUSH:
		request->step = RUNNER_STEP_FLUSH;
		name = worker->data;
		break;
	case RECLAIM_COMPACT:
		request->step = RUNNER_STEP_COMPACT;
		break;
	case RECLAIM_DROP:
		request->step = RUNNER_STEP_DROP;
		break;
	}
	(void)snprintf(request->name, sizeof(request->name), "%s", name);
	return 0;
}

static void on_child_exit(struct loop_source *source, uint32_t events);

static int attempt(struct reclaim_worker *worker)
{
	struct runner_step_request request;
	struct runner_child child = {.pid_fd = -1};
	int rc = make_request(worker, &request);

	if (rc < 0)
		return rc;
	prepare(worker);
	rc = runner_run_step(&request, &child);
	if (rc == 0)
		rc = runner_hear_end(&child, worker->loop, &worker->exit, on_child_exit, worker);
	if (rc < 0) {
		clean_up(worker);
		return rc;
	}
	worker->pid = child.pid;
	return 0;
}

/* ---- its end ------------------------------------------------------------------------------------- */

static void forget_child(struct reclaim_worker *worker)
{
	int fd = worker->exit.fd;

	loop_remove(worker->loop, &worker->exit);
	close_p(&fd);
	worker->pid = 0;
	clean_up(worker);
}

/* syncfs(2) does not obey a signal before all is written, on a broken disk never. There is nothing to undo: the step is
 * over, its child is left to itself. */
static void leave_child(struct reclaim_worker *worker)
{
	const struct reclaim_result result = {.fresh = true, .error = -ECANCELED};

	worker->left_pid = worker->pid;
	forget_child(worker);
	worker->fn(worker->ctx, &result);
}

static bool is_left(struct reclaim_worker *worker)
{
	uint64_t cpu_us;
	int status;

	if (worker->left_pid != 0 && runner_wait(worker->left_pid, &status, &cpu_us) != -EAGAIN)
		worker->left_pid = 0;
	return worker->left_pid != 0;
}

static void on_deadline(struct loop_timer *timer)
{
	struct reclaim_worker *worker = timer->ctx;

	reclaim_worker_interrupt(worker);
	if (reclaim_worker_is_busy(worker) && worker->step.action == RECLAIM_FLUSH)
		leave_child(worker);
}

/* True if the step is tried once more. Linux before 6.11 does not know swappiness=. */
static bool try_without_swappiness(struct reclaim_worker *worker, int error)
{
	if (worker->plain) {
		worker->no_swappiness |= error != -EINVAL && error != -ECANCELED;
		return false;
	}
	if (error != -EINVAL ||
		(worker->step.action != RECLAIM_TAKE && worker->step.action != RECLAIM_TAKE_ROOT))
		return false;
	worker->plain = true;
	return attempt(worker) == 0;
}

static void on_child_exit(struct loop_source *source, uint32_t events)
{
	struct reclaim_worker *worker = source->ctx;
	struct reclaim_result result = {.fresh = true};
	uint64_t cpu_us = 0;
	int status = 0, rc = runner_wait(worker->pid, &status, &cpu_us);

	(void)events;
	if (rc == -EAGAIN)
		return;
	forget_child(worker);
	worker->cpu_us += cpu_us;
	result.error = rc == 0 && WIFEXITED(status) ? -WEXITSTATUS(status) : -ECANCELED;
	if (try_without_swappiness(worker, result.error))
		return;
	loop_timer_cancel(worker->loop, &worker->deadline);
	result.cpu_us = worker->cpu_us;
	worker->fn(worker->ctx, &result);
}

/* ---- what others call ---------------------------------------------------------------------------- */

void reclaim_worker_init(struct reclaim_worker *worker, struct loop *loop,
	const struct memory_paths *paths, reclaim_worker_fn *fn, void *ctx)
{
	*worker = (struct reclaim_worker){
		.loop = loop, .paths = paths, .data = "/", .fn = fn, .ctx = ctx, .exit.fd = -1};
}

int reclaim_worker_start(struct reclaim_worker *worker, const struct reclaim_step *step,
	enum reclaim_class class, const char *name)
{
	int rc;

	if (reclaim_worker_is_busy(worker))
		return -EBUSY;
	if (is_left(worker) && step->action == RECLAIM_FLUSH)
		return -EINPROGRESS;
	worker->step = *step;
	worker->class = class;
	worker->plain = worker->no_swappiness;
	worker->cpu_us = 0;
	(void)snprintf(worker->name, sizeof(worker->name), "%s", name);
	rc = attempt(worker);
	if (rc == 0 && step->deadline_us > 0)
		loop_timer_set(worker->loop, &worker->deadline, step->deadline_us, on_deadline,
			worker);
	return rc;
}

bool reclaim_worker_is_busy(const struct reclaim_worker *worker)
{
	return worker->pid != 0;
}

void reclaim_worker_interrupt(struct reclaim_worker *worker)
{
	if (reclaim_worker_is_busy(worker))
		(void)runner_signal(worker->pid, SIGKILL);
}

void reclaim_worker_stop(struct reclaim_worker *worker)
{
	loop_timer_cancel(worker->loop, &worker->deadline);
	if (reclaim_worker_is_busy(worker)) {
		/* Not waited for: one that hangs in a broken disk would hang the agent. */
		(void)runner_signal(worker->pid, SIGKILL);
		forget_child(worker);
	}
}
