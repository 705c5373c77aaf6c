/* SPDX-License-Identifier: MIT
 *
 * device_watch.c - see device_watch.h. Used by disk_stage.c.
 */
#include "init/disk/device_watch.h"

#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

#include "lib/log.h"

int device_watch_open(struct device_watch *watch)
{
	watch->count = 0;
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	return watch->fd < 0 ? -errno : 0;
}

static bool wanted(const struct disk_facts *disk)
{
	/* Mounted where it belongs and waited for: a rescue, until somebody repairs it. */
	return disk->exclusion == DISK_EXCLUSION_NONE || disk->exclusion == DISK_EXCLUSION_BUSY ||
	       disk->at_mountpoint;
}

static const struct disk_facts *find_wanted(const struct disk_scan *scan, const char *device)
{
	for (size_t i = 0; i < scan->count; i++)
		if (wanted(&scan->disks[i]) && strcmp(scan->disks[i].device, device) == 0)
			return &scan->disks[i];
	return NULL;
}

static bool is_watched(const struct device_watch *watch, int wd)
{
	for (size_t i = 0; i < watch->count; i++)
		if (watch->watched[i].wd == wd)
			return true;
	return false;
}

bool device_watch_set(struct device_watch *watch, const struct disk_scan *scan)
{
	bool added = false;
	size_t kept = 0;

	for (size_t i = 0; i < watch->count; i++) {
		if (find_wanted(scan, watch->watched[i].device))
			watch->watched[kept++] = watch->watched[i];
		else
			(void)inotify_rm_watch(watch->fd, watch->watched[i].wd);
	}
	watch->count = kept;
	for (size_t i = 0; i < scan->count && watch->count < DISK_SCAN_MAX; i++) {
		const struct disk_facts *disk = &scan->disks[i];
		int wd;

		if (!wanted(disk))
			continue;
		/* The same node gives the same number. A node that was made anew gives another; the number
		 * of the old one left with it (IN_IGNORED). */
		wd = inotify_add_watch(watch->fd, disk->device, IN_CLOSE_WRITE);
		if (wd < 0) {
			if (errno != ENOENT)
				log_warning("watch %s: %s", disk->device, strerror(errno));
			continue;
		}
		if (is_watched(watch, wd))
			continue;
		watch->watched[watch->count].wd = wd;
		(void)snprintf(watch->watched[watch->count].device,
			sizeof(watch->watched[0].device), "%s", disk->device);
		watch->count++;
		added = true;
	}
	return added;
}

static void forget(struct device_watch *watch, int wd)
{
	for (size_t i = 0; i < watch->count; i++)
		if (watch->watched[i].wd == wd)
			watch->watched[i--] = watch->watched[--watch->count];
}

static bool take_event(struct device_watch *watch, const struct inotify_event *event,
	void (*written)(void *ctx, const char *device), void *ctx)
{
	bool found = false;

	for (size_t i = 0; i < watch->count; i++) {
		/* Events were lost: any of them may have been written to. */
		if (event->mask & IN_Q_OVERFLOW ||
			(event->mask & IN_CLOSE_WRITE && event->wd == watch->watched[i].wd)) {
			written(ctx, watch->watched[i].device);
			found = true;
		}
	}
	if (event->mask & IN_IGNORED)
		forget(watch, event->wd);
	return found;
}

bool device_watch_drain(struct device_watch *watch, void (*written)(void *ctx, const char *device),
	void *ctx)
{
	_Alignas(struct inotify_event) char buffer[4096];
	struct inotify_event event;
	bool found = false;
	ssize_t len;

	while ((len = read(watch->fd, buffer, sizeof(buffer))) > 0) {
		for (size_t at = 0; at + sizeof(event) <= (size_t)len;
			at += sizeof(event) + event.len) {
			memcpy(&event, buffer + at, sizeof(event));
			found = take_event(watch, &event, written, ctx) || found;
		}
	}
	return found;
}
