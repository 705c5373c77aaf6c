/* SPDX-License-Identifier: MIT
 *
 * memory_watch.c - see memory_watch.h. Caller: memory.c.
 *
 * cgroupfs has inotify for directories that are made and removed and for cgroup.events (cgroups(7)). A removed directory's
 * mark stays (kernfs does not count its links down to nothing), so none is set on a container's own group.
 */
#include "agent/memory/memory_watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

#include "agent/memory/group_kind.h"
#include "agent/runner.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/netlink/uevent.h"

#define READS 16 /* in one wake-up: who makes and removes groups without end costs others nothing */

#define STALL_WINDOW_US 1000000

static void close_source(struct memory_watch *watch, struct loop_source *source)
{
	int fd = source->fd;

	loop_remove(watch->loop, source);
	close_p(&fd);
}

/* ---- groups -------------------------------------------------------------------------------------- */

/* inotify has no "at": through /proc. */
static int add_mark(const struct memory_watch *watch, const char *path, uint32_t mask)
{
	char text[192];
	int mark;

	(void)snprintf(text, sizeof(text), "/proc/self/fd/%d/%s", watch->paths->base_fd, path);
	mark = inotify_add_watch(watch->groups.fd, text, mask);
	return mark < 0 ? -errno : mark;
}

/* A builder's groups lie one deeper. One that is gone by now has been heard of. */
static void mark_child(const struct memory_watch *watch, const char *name)
{
	char path[128];

	if (memory_is_container_id(name))
		return;
	(void)snprintf(path, sizeof(path), "containers/%s", name);
	(void)!add_mark(watch, path, IN_DELETE | IN_ONLYDIR);
}

static void mark_children(const struct memory_watch *watch)
{
	_cleanup_close_ int fd =
		openat(watch->paths->base_fd, "containers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct file_dir dir = {.fd = fd};
	unsigned char type;
	const char *name;

	while (fd >= 0 && (name = file_dir_next(&dir, &type)))
		if (type == DT_DIR)
			mark_child(watch, name);
}

static bool is_empty(const struct memory_watch *watch)
{
	char text[64];

	return file_read_at(watch->paths->base_fd, "containers/cgroup.events", text, sizeof(text)) >
		       0 &&
	       strstr(text, "populated 0");
}

/* True if something has ended. */
static bool take_notice(struct memory_watch *watch, const struct inotify_event *event)
{
	if (event->mask & IN_Q_OVERFLOW) {
		mark_children(watch);
		return true;
	}
	if (event->mask & IN_IGNORED) {
		if (event->wd == watch->containers)
			watch->containers = -1;
		if (event->wd == watch->events)
			watch->events = -1;
		return false;
	}
	if (event->wd == watch->events)
		return is_empty(watch);
	if (!(event->mask & IN_ISDIR))
		return false;
	if (event->mask & IN_CREATE && event->len > 0)
		mark_child(watch, event->name);
	return event->mask & IN_DELETE;
}

static void on_groups(struct loop_source *source, uint32_t events)
{
	_Alignas(struct inotify_event) char buffer[4096];
	struct memory_watch *watch = source->ctx;
	bool ended = false;

	(void)events;
	for (int i = 0; i < READS; i++) {
		ssize_t len = read(source->fd, buffer, sizeof(buffer));

		for (const char *p = buffer; len > 0 && p < buffer + len;) {
			const struct inotify_event *event = (const void *)p;

			ended |= take_notice(watch, event);
			p += sizeof(*event) + event->len;
		}
		if (len <= 0)
			break;
	}
	if (ended)
		watch->fn(watch->ctx, MEMORY_WATCH_ENDED);
}

static int open_groups(struct memory_watch *watch)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	int rc = fd < 0 ? -errno
			: loop_add(watch->loop, &watch->groups, fd, EPOLLIN, on_groups, watch);

	if (rc < 0)
		close_p(&fd);
	return rc;
}

static int start_groups(struct memory_watch *watch)
{
	int rc = watch->groups.fd >= 0 ? 0 : open_groups(watch);

	if (rc < 0)
		return rc;
	if (watch->containers < 0) {
		watch->containers =
			add_mark(watch, "containers", IN_CREATE | IN_DELETE | IN_ONLYDIR);
		if (watch->containers < 0)
			return watch->containers;
		mark_children(watch);
	}
	if (watch->events < 0)
		watch->events = add_mark(watch, "containers/cgroup.events", IN_MODIFY);
	return watch->events < 0 ? watch->events : 0;
}

/* ---- size ---------------------------------------------------------------------------------------- */

static void on_uevent(struct loop_source *source, uint32_t events)
{
	struct memory_watch *watch = source->ctx;

	(void)events;
	if (uevent_drain(source->fd, "memory"))
		watch->fn(watch->ctx, MEMORY_WATCH_SIZE);
}

static int start_size(struct memory_watch *watch)
{
	int fd, rc;

	if (watch->size.fd >= 0)
		return 0;
	fd = uevent_open();
	rc = fd < 0 ? fd : loop_add(watch->loop, &watch->size, fd, EPOLLIN, on_uevent, watch);
	if (rc < 0)
		close_p(&fd);
	return rc;
}

/* ---- pressure ------------------------------------------------------------------------------------ */

static void on_stall(struct loop_source *source, uint32_t events)
{
	struct memory_watch *watch = source->ctx;

	if (events & EPOLLERR) /* the group is gone */
		close_source(watch, source);
	else
		watch->fn(watch->ctx, MEMORY_WATCH_STALL);
}

/* Documentation/accounting/psi.rst, "Monitoring for pressure thresholds". Without PSI there is no such file, or it refuses:
 * abilities.psi tells that. */
static void arm(struct memory_watch *watch, struct loop_source *source, unsigned int number)
{
	_cleanup_close_ int fd = runner_open(RUNNER_FILE_PRESSURE, number, NULL);
	char text[48];
	int len;

	len = snprintf(text, sizeof(text), "some %llu %d", (unsigned long long)watch->stall_us,
		STALL_WINDOW_US);
	if (fd < 0 || write(fd, text, (size_t)len + 1) < 0)
		return;
	if (loop_add(watch->loop, source, fd, EPOLLPRI, on_stall, watch) == 0)
		(void)TAKE_FD(fd);
}

void memory_watch_arm_stall(struct memory_watch *watch, bool armed)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(watch->stall); i++) {
		if (!armed)
			close_source(watch, &watch->stall[i]);
		else if (watch->stall[i].fd < 0 && watch->paths->base_fd >= 0)
			arm(watch, &watch->stall[i], i);
	}
}

/* ---- what memory.c calls ------------------------------------------------------------------------- */

void memory_watch_init(struct memory_watch *watch, struct loop *loop,
	const struct memory_paths *paths, uint64_t stall_us, memory_watch_fn *fn, void *ctx)
{
	*watch = (struct memory_watch){.loop = loop,
		.paths = paths,
		.stall_us = stall_us,
		.fn = fn,
		.ctx = ctx,
		.groups.fd = -1,
		.size.fd = -1,
		.stall = {{.fd = -1}, {.fd = -1}},
		.containers = -1,
		.events = -1};
}

void memory_watch_start(struct memory_watch *watch)
{
	int groups = watch->paths->base_fd < 0 ? 0 : start_groups(watch);
	int size = start_size(watch);

	if ((groups < 0 || size < 0) && !watch->complained) {
		if (groups < 0)
			log_warning("control groups of containers: %s; their end is not heard",
				strerror(-groups));
		if (size < 0)
			log_warning("events of memory devices: %s; their coming is not heard",
				strerror(-size));
		watch->complained = true;
	}
}

void memory_watch_stop(struct memory_watch *watch)
{
	memory_watch_arm_stall(watch, false);
	close_source(watch, &watch->groups);
	close_source(watch, &watch->size);
	watch->containers = watch->events = -1;
}
