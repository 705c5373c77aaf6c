/* SPDX-License-Identifier: MIT
 *
 * disk_watch.c - see disk_watch.h. Caller: disk.c.
 *
 * Everything goes by the number of the mounted device (stat(2) of the mount point), never by a name that was
 * told: /sys/dev/block/8:16 is that disk and no other.
 */
#include "agent/disk_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/sysmacros.h>

#include "agent/common/dockerd.h"
#include "agent/common/facts.h"
#include "agent/common/mount_flags.h"
#include "agent/runner.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/netlink/uevent.h"

#define SECTOR 512 /* the unit of /sys/dev/block/N/size, whatever the device's own is */

/* ---- small files of sysfs ------------------------------------------------------------------------ */

static uint64_t read_number(const char *path)
{
	char text[32];

	return file_read(path, text, sizeof(text)) > 0 ? strtoull(text, NULL, 10) : 0;
}

static void device_path(const struct disk_watch *watch, const char *name, char *path, size_t size)
{
	(void)snprintf(path, size, "/sys/dev/block/%u:%u%s", major(watch->device),
		minor(watch->device), name);
}

static void ext4_path(const struct disk_watch *watch, const char *name, char *path, size_t size)
{
	(void)snprintf(path, size, "/sys/fs/ext4/%s/%s", watch->seen->kernel, name);
}

uint64_t disk_watch_ext4_number(const struct disk_watch *watch, const char *name)
{
	char path[128];

	ext4_path(watch, name, path, sizeof(path));
	return read_number(path);
}

static void ext4_text(const struct disk_watch *watch, const char *name, char *text, size_t size)
{
	char path[128];

	ext4_path(watch, name, path, sizeof(path));
	if (file_read(path, text, size) < 0)
		text[0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	text_sanitize(text);
}

bool disk_watch_takes_discards(const struct disk_watch *watch)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "/sys/class/block/%s/queue/discard_max_bytes",
		watch->disk);
	return read_number(path) > 0;
}

/* ".../block/sda/sda1" -> "sda1", and the disk's own "sda". */
static int find_names(struct disk_watch *watch)
{
	char path[128], target[512], *name, *parent;
	ssize_t len;

	device_path(watch, "", path, sizeof(path));
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return errno == ENOENT ? -ENXIO : -errno;
	target[len] = '\0';
	name = strrchr(target, '/');
	if (!name)
		return -ENODEV;
	*name++ = '\0';
	parent = strrchr(target, '/');
	device_path(watch, "/partition", path, sizeof(path));
	(void)snprintf(watch->seen->kernel, sizeof(watch->seen->kernel), "%s", name);
	(void)snprintf(watch->disk, sizeof(watch->disk), "%s",
		parent && access(path, F_OK) == 0 ? parent + 1 : name);
	return 0;
}

/* ---- what is there now --------------------------------------------------------------------------- */

static void look_at_device(struct disk_watch *watch)
{
	struct disk_seen *seen = watch->seen;
	uint64_t bytes;
	char path[128];

	device_path(watch, "/size", path, sizeof(path));
	bytes = read_number(path) * SECTOR;
	if (bytes > 0)
		seen->size_bytes = bytes;
	/* No way back: what appears under this number later is not what is mounted. */
	if (!seen->vanished && access(path, F_OK) < 0 && errno == ENOENT) {
		seen->vanished = true;
		log_error("%s: the data disk went away while mounted", seen->kernel);
	}
}

static void count_errors(struct disk_watch *watch)
{
	struct disk_errors *errors = &watch->seen->errors;
	uint64_t before = errors->count;

	errors->count = disk_watch_ext4_number(watch, "errors_count");
	errors->first_at = disk_watch_ext4_number(watch, "first_error_time");
	errors->last_at = disk_watch_ext4_number(watch, "last_error_time");
	ext4_text(watch, "first_error_func", errors->first_function,
		sizeof(errors->first_function));
	ext4_text(watch, "last_error_func", errors->last_function, sizeof(errors->last_function));
	if (errors->count > before)
		log_error("%s: ext4 has counted %llu errors since its last check, the last in %s",
			watch->seen->kernel, (unsigned long long)errors->count,
			errors->last_function);
}

static void look_at_mount(struct disk_watch *watch)
{
	struct disk_seen *seen = watch->seen;
	int fd = runner_open(RUNNER_FILE_MOUNTS, 0, NULL);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	char device[32], *line = NULL;
	size_t size = 0;

	if (!file) {
		close_p(&fd);
		return;
	}
	(void)snprintf(device, sizeof(device), "%u:%u", major(watch->device), minor(watch->device));
	while (getline(&line, &size, file) > 0) {
		enum mount_flags flags = mount_flags_read(line, device, watch->mountpoint);

		if (flags == MOUNT_FLAGS_OTHER)
			continue;
		if (flags == MOUNT_FLAGS_WRITABLE && watch->told_read_only)
			flags = MOUNT_FLAGS_READ_ONLY;
		if (flags == MOUNT_FLAGS_READ_ONLY && !seen->read_only)
			log_error("%s: the data disk is read-only", seen->kernel);
		seen->read_only = flags == MOUNT_FLAGS_READ_ONLY;
		break;
	}
	free(line);
	(void)fclose(file);
}

/* ---- who unmounts it ------------------------------------------------------------------------------ */

/* Where the disk is mounted: its own place, and the engine's directories. */
static const char *point_at(const struct disk_watch *watch, size_t i)
{
	static const char *const engine[] = {ENGINE_DIRECTORIES};

	return i == 0 ? watch->mountpoint : i <= ARRAY_SIZE(engine) ? engine[i - 1] : NULL;
}

static bool is_of_disk(const struct disk_watch *watch, const char *point)
{
	struct runner_look look, root;

	if (runner_look_at(point, &look) < 0)
		return false;
	if (watch->device)
		return look.device == watch->device;
	return runner_look_at("/", &root) == 0 && look.device != root.device;
}

/* Mounts of sessions are peers of ours (lazily, or with the engine down, they are unmounted here too). */
static void look_at_points(struct disk_watch *watch)
{
	struct disk_seen *seen = watch->seen;
	const char *point, *missing = NULL;

	/* A repair, or whoever else unmounts for a time, says so (init/disk/engine_hold.h). */
	if (access("/run/keel/engine-hold", F_OK) == 0 || seen->vanished)
		return;
	for (size_t i = 0; (point = point_at(watch, i)) && !missing; i++)
		if ((watch->device || i == 0) && !is_of_disk(watch, point))
			missing = point;
	if (missing && !seen->unmounted)
		log_error("%s was unmounted by somebody", missing);
	seen->unmounted = missing;
}

/* ---- events -------------------------------------------------------------------------------------- */

static void close_source(struct disk_watch *watch, struct loop_source *source)
{
	int fd = source->fd;

	if (!source->fn)
		return;
	loop_remove(watch->loop, source);
	close_p(&fd);
}

static void on_uevent(struct loop_source *source, uint32_t events)
{
	struct disk_watch *watch = source->ctx;
	uint64_t bytes = watch->seen->size_bytes;
	bool vanished = watch->seen->vanished;

	(void)events;
	if (!uevent_drain(source->fd, "block"))
		return;
	look_at_device(watch);
	if (bytes != watch->seen->size_bytes || vanished != watch->seen->vanished)
		watch->fn(watch->ctx);
}

/* Having been asked, it is quiet until the next change. */
static void on_mounts(struct loop_source *source, uint32_t events)
{
	struct disk_watch *watch = source->ctx;
	const char *before = watch->seen->unmounted;

	(void)events;
	look_at_points(watch);
	if (before != watch->seen->unmounted)
		watch->fn(watch->ctx);
}

static int start_mounts(struct disk_watch *watch)
{
	int fd = runner_open(RUNNER_FILE_MOUNTS, 0, NULL);
	int rc =
		fd < 0 ? fd : loop_add(watch->loop, &watch->mounts, fd, EPOLLPRI, on_mounts, watch);

	if (rc < 0)
		close_p(&fd);
	return rc;
}

static void on_again(struct loop_timer *timer)
{
	disk_watch_look_at_errors(timer->ctx);
}

/* The kernel tells of an error before it counts it and before the file system becomes read-only. */
void disk_watch_look_at_errors(struct disk_watch *watch)
{
	static const uint64_t pauses_us[] = {
		50 * USEC_PER_MSEC, 250 * USEC_PER_MSEC, 2 * USEC_PER_SEC, 10 * USEC_PER_SEC};
	const struct disk_seen *seen = watch->seen;
	uint64_t count = seen->errors.count;
	bool read_only = seen->read_only;

	count_errors(watch);
	look_at_mount(watch);
	if (watch->looks < ARRAY_SIZE(pauses_us))
		loop_timer_set(watch->loop, &watch->again,
			clock_now_us() + pauses_us[watch->looks++], on_again, watch);
	if (count != seen->errors.count || read_only != seen->read_only)
		watch->fn(watch->ctx);
}

static void on_error(struct loop_source *source, uint32_t events)
{
	_Alignas(struct fanotify_event_metadata) char buffer[4096];
	struct disk_watch *watch = source->ctx;

	(void)events;
	/* What it says is less than what ext4 keeps: which function, how often. */
	while (read(source->fd, buffer, sizeof(buffer)) > 0)
		;
	watch->looks = 0;
	disk_watch_look_at_errors(watch);
}

static int start_uevents(struct disk_watch *watch)
{
	int fd = uevent_open();
	int rc =
		fd < 0 ? fd : loop_add(watch->loop, &watch->uevents, fd, EPOLLIN, on_uevent, watch);

	if (rc < 0)
		close_p(&fd);
	return rc;
}

static int start_errors(struct disk_watch *watch)
{
	_cleanup_close_ int fd = runner_open(RUNNER_FILE_DISK_ERRORS, 0, watch->mountpoint);
	int rc;

	if (fd < 0)
		return fd;
	rc = loop_add(watch->loop, &watch->errors, fd, EPOLLIN, on_error, watch);
	if (rc == 0)
		(void)TAKE_FD(fd);
	return rc;
}

static void complain(const struct disk_watch *watch, const char *what, int rc)
{
	if (rc < 0)
		log_warning("%s: %s: %s; not watched", watch->seen->kernel, what, strerror(-rc));
}

void disk_watch_init(struct disk_watch *watch, struct loop *loop, struct disk_seen *seen,
	disk_watch_fn *fn, void *ctx)
{
	*watch = (struct disk_watch){.loop = loop, .seen = seen, .fn = fn, .ctx = ctx};
}

/* Unmounted before we came: the directory's disk would be the root's. Which one is missing is not known then, but
 * that something is. */
static int start_unmounted(struct disk_watch *watch)
{
	watch->device = 0;
	complain(watch, "the table of mounts", start_mounts(watch));
	look_at_points(watch);
	watch->seen->watched = true;
	return -ENOMEDIUM;
}

int disk_watch_start(struct disk_watch *watch, const char *mountpoint)
{
	struct runner_look look, root = {0};
	int rc = runner_look_at(mountpoint, &look);

	if (rc == 0)
		rc = runner_look_at("/", &root);
	if (rc < 0)
		return rc;
	watch->told_read_only = false;
	(void)snprintf(watch->mountpoint, sizeof(watch->mountpoint), "%s", mountpoint);
	if (look.device == root.device)
		return start_unmounted(watch);
	watch->device = look.device;
	rc = find_names(watch);
	if (rc < 0)
		return rc;
	/* First the sources, then the look: nothing falls between. */
	complain(watch, "events of block devices", start_uevents(watch));
	complain(watch, "the table of mounts", start_mounts(watch));
	complain(watch, "errors of the file system", start_errors(watch));
	complain(watch, "the kernel's log", disk_kmsg_start(watch));
	look_at_device(watch);
	look_at_points(watch);
	count_errors(watch);
	look_at_mount(watch);
	watch->seen->watched = true;
	return 0;
}

void disk_watch_stop(struct disk_watch *watch)
{
	close_source(watch, &watch->uevents);
	close_source(watch, &watch->errors);
	close_source(watch, &watch->mounts);
	loop_timer_cancel(watch->loop, &watch->again);
	disk_kmsg_stop(watch);
}
