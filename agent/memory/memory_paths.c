/* SPDX-License-Identifier: MIT
 *
 * memory_paths.c - see memory_paths.h. Callers: memory.c at its start.
 */
#include "agent/memory/memory_paths.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "agent/common/memory_read.h"
#include "lib/file.h"

/* proc_pid_mounts(5). The hierarchy is mounted early: if the table is longer than this, it is in the first part. */
static bool is_recursive(void)
{
	static char text[64 * 1024];
	char *rest = text, *line;

	if (file_read("/proc/self/mounts", text, sizeof(text)) == -ENOENT)
		text[0] = '\0';
	while ((line = strsep(&rest, "\n")))
		if (strstr(line, " cgroup2 ") && strstr(line, "memory_recursiveprot"))
			return true;
	return false;
}

void memory_paths_open(struct memory_paths *paths)
{
	static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	const char *base = getenv("KEEL_CGROUP"), *mode = getenv("KEEL_MODE");

	*paths = (struct memory_paths){.base_fd = -1};
	paths->root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!base || strlen(base) >= sizeof(paths->base))
		return;
	memcpy(paths->base, base, strlen(base) + 1);
	for (size_t i = 0; i < ARRAY_SIZE(mounts) && paths->base_fd < 0; i++) {
		char path[sizeof(paths->base) + 32];
		struct statfs fs;

		(void)snprintf(path, sizeof(path), "%s%s", mounts[i], base);
		if (statfs(path, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
			paths->base_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	paths->recursive = is_recursive();
	paths->base_is_root =
		paths->base_fd >= 0 && base[0] == '\0' && mode && strcmp(mode, "vm") == 0;
}

void memory_paths_close(struct memory_paths *paths)
{
	close_p(&paths->root_fd);
	close_p(&paths->base_fd);
}

static bool exists(int dir_fd, const char *path)
{
	return dir_fd >= 0 && faccessat(dir_fd, path, F_OK, 0) == 0;
}

void memory_find_abilities(const struct memory_paths *paths, struct memory_abilities *abilities)
{
	struct memory_pressure pressure;
	char text[256];

	*abilities = (struct memory_abilities){
		.cgroup = exists(paths->base_fd, "containers/memory.stat"),
		.reclaim = exists(paths->base_fd, "containers/memory.reclaim"),
		.compaction = exists(paths->root_fd, "proc/sys/vm/compact_memory"),
		.reporting = exists(paths->root_fd, MEMORY_REPORTING_ORDER),
	};
	abilities->swappiness = abilities->reclaim;
	/* A kernel that was told psi=0 has the file and refuses to read it. */
	abilities->psi = paths->base_fd >= 0 &&
			 file_read_at(paths->base_fd, "containers/memory.pressure", text,
				 sizeof(text)) > 0 &&
			 memory_read_pressure(text, &pressure) == 0;
	/* A mask, "0x0007"; its first bit is the main switch. */
	if (file_read_at(paths->root_fd, "sys/kernel/mm/lru_gen/enabled", text, sizeof(text)) > 0)
		abilities->lru_gen = (strtoul(text, NULL, 16) & 1) != 0;
	abilities->lru_gen_ages = abilities->lru_gen && exists(paths->root_fd, MEMORY_LRU_GEN_AGES);
}
