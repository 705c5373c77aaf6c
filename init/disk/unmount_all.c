/* SPDX-License-Identifier: MIT
 *
 * unmount_all.c - see unmount_all.h. Called by verb_repair.c, with the engine and its containers stopped.
 *
 * The table is read again after each unmount: one of a shared mount takes its copies along, and the number of containers has
 * no bound to make room for.
 */
#include "init/disk/unmount_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "init/disk/mount_table.h"
#include "init/disk/reason.h"

#define MOUNTS_MAX \
	65536 /* more than sysctl fs.mount-max allows by default is no table that shrinks */

/* True if the path is `top` or below it. */
static bool is_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	return strncmp(path, top, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

struct search {
	unsigned int major, minor;
	bool found;
	char top[256];    /* where the device is mounted, the last such mount */
	char victim[256]; /* the last mount there or below: it can go first */
};

static void look_at(struct search *search, const char *line)
{
	struct mount_entry entry;

	if (mount_entry_parse(&entry, line) < 0)
		return;
	if (entry.major == search->major && entry.minor == search->minor) {
		(void)snprintf(search->top, sizeof(search->top), "%s", entry.target);
		search->found = true;
	}
	if (search->found && is_below(entry.target, search->top))
		(void)snprintf(search->victim, sizeof(search->victim), "%s", entry.target);
}

/* The next mount to undo. 0, -ENOENT: none is left, or -errno. */
static int find_victim(struct search *search)
{
	FILE *table = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t size = 0;

	if (!table)
		return -errno;
	search->found = false;
	while (getline(&line, &size, table) > 0)
		look_at(search, line);
	free(line);
	(void)fclose(table);
	return search->found ? 0 : -ENOENT;
}

int unmount_all(unsigned int major, unsigned int minor, bool lazy, char *reason, size_t reason_size)
{
	struct search search = {.major = major, .minor = minor};

	for (int i = 0; i < MOUNTS_MAX; i++) {
		int rc = find_victim(&search);

		if (rc == -ENOENT)
			return 0;
		if (rc < 0)
			return REASON_FAIL(reason, reason_size, rc,
				"/proc/self/mountinfo cannot be read: %s", strerror(-rc));
		if (umount2(search.victim, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) < 0) {
			rc = -errno;
			return REASON_FAIL(reason, reason_size, rc,
				rc == -EBUSY
					? "%s is still in use (%s): end what uses it, a shell that is there for example"
					: "unmount %s: %s",
				search.victim, strerror(-rc));
		}
	}
	return REASON_FAIL(reason, reason_size, -EBUSY, "%s is mounted again and again",
		search.victim);
}

int unmount_find(const char *target, unsigned int *major, unsigned int *minor)
{
	struct mount_entry entry;

	if (mount_table_find_target(target, &entry) < 0)
		return -ENOENT;
	*major = entry.major;
	*minor = entry.minor;
	return 0;
}
