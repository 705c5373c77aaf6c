/* SPDX-License-Identifier: MIT
 *
 * undo_file.c - see undo_file.h. Called by verb_repair.c.
 */
#include "init/disk/undo_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "init/disk/reason.h"
#include "lib/file.h"
#include "lib/log.h"

#define SUFFIX     ".e2undo"
#define NEED_BASE  (UINT64_C(32) << 20)
#define NEED_SHARE 64 /* a 64th, 1.6 % */

uint64_t undo_file_need(uint64_t fs_bytes)
{
	return NEED_BASE + fs_bytes / NEED_SHARE;
}

/* A name that nothing has: e2fsck would go on with a file that is there, which belongs to another repair. */
static void choose_name(const char *uuid, char *path, size_t size)
{
	const time_t now = time(NULL);
	char when[32], more[16] = "";
	struct tm tm;

	(void)strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
	for (unsigned int n = 2;; n++) {
		(void)snprintf(path, size, UNDO_DIRECTORY "/%s-%s%s" SUFFIX,
			uuid[0] ? uuid : "unknown", when, more);
		if (access(path, F_OK) < 0)
			return;
		(void)snprintf(more, sizeof(more), "-%u", n);
	}
}

int undo_file_prepare(const char *uuid, uint64_t fs_bytes, char *path, size_t path_size,
	char *reason, size_t reason_size)
{
	const uint64_t need = undo_file_need(fs_bytes);
	struct statvfs fs = {0};
	uint64_t room;
	int rc = file_make_dirs(UNDO_DIRECTORY);

	if (rc == 0 && statvfs(UNDO_DIRECTORY, &fs) < 0)
		rc = -errno;
	if (rc < 0)
		return REASON_FAIL(reason, reason_size, rc, "%s cannot be used: %s", UNDO_DIRECTORY,
			strerror(-rc));
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (room < need)
		return REASON_FAIL(reason, reason_size, -ENOSPC,
			"%s has %" PRIu64 " MiB free, an undo file may need %" PRIu64
			" MiB: make room, or repair with --no-undo and without a way back",
			UNDO_DIRECTORY, room >> 20, need >> 20);
	choose_name(uuid, path, path_size);
	return 0;
}

/* The oldest undo file and how many there are. */
static size_t find_oldest(int directory, char *name, size_t size)
{
	struct file_dir entries = {.fd = directory};
	struct timespec oldest = {0};
	const char *entry;
	size_t count = 0;

	(void)lseek(directory, 0, SEEK_SET);
	while ((entry = file_dir_next(&entries, &(unsigned char){0}))) {
		const size_t len = strlen(entry);
		struct stat st;

		if (len < sizeof(SUFFIX) || strcmp(entry + len - strlen(SUFFIX), SUFFIX) != 0 ||
			fstatat(directory, entry, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (count++ == 0 || st.st_mtim.tv_sec < oldest.tv_sec ||
			(st.st_mtim.tv_sec == oldest.tv_sec &&
				st.st_mtim.tv_nsec < oldest.tv_nsec)) {
			oldest = st.st_mtim;
			(void)snprintf(name, size, "%s", entry);
		}
	}
	return count;
}

void undo_file_tidy(void)
{
	_cleanup_close_ int directory = open(UNDO_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[256];

	if (directory < 0)
		return;
	while (find_oldest(directory, name, sizeof(name)) > UNDO_KEEP) {
		if (unlinkat(directory, name, 0) < 0) {
			log_warning("remove %s/%s: %s", UNDO_DIRECTORY, name, strerror(errno));
			return;
		}
	}
}
