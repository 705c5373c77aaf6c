/* SPDX-License-Identifier: MIT
 *
 * memory_gather.c - see memory_gather.h. Caller: memory.c, before it asks the policy.
 *
 * base/containers counts what its groups use and also what removed ones have left behind. So what no living group
 * uses is the dead ones'. The whole is read before its parts: what grows meanwhile makes the dead's share
 * smaller, never larger.
 */
#include "agent/memory/memory_gather.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "agent/common/memory_read.h"
#include "lib/clock.h"
#include "lib/file.h"

#define PAGE_BYTES UINT64_C(4096)

#define PATH_MAX_BELOW 512          /* of a file below the base or the root */
#define TEXT_MAX       4096         /* memory.stat has about 1,800 bytes */
#define LONG_TEXT_MAX  (256 * 1024) /* zoneinfo of 64 processors; lru_gen of 1,000 groups */
#define LIVING_MAX     (RECLAIM_GROUPS_MAX - 8)
#define DEPTH_MAX      3 /* of groups with groups below base/containers */

#define REPORTING_ORDER    "sys/module/page_reporting/parameters/page_reporting_order"
#define LRU_GEN_AGES       "sys/kernel/debug/lru_gen"
#define RUNNING_CONTAINERS "run/containerd/io.containerd.runtime.v2.task/moby"

static const char containers[] = "containers";
static const char *const own[] = {"engine", "user", "keel"};

/* What is charged to a group and those below it. */
struct charge {
	struct memory_stat stat;
	uint64_t old;
};

struct living {
	char name[MEMORY_NAME_MAX];
	uint64_t cache;
	struct charge charge;
};

/* One look. */
struct look {
	const struct memory_paths *paths;
	const struct memory_abilities *abilities;
	struct reclaim_facts *facts;
	struct memory_names *names;
	struct memory_seen *seen;
	struct memory_group before[MEMORY_GROUPS_MAX];
	unsigned int groups_before;
	struct charge dead;
	bool uncertain; /* a living group could not be read */
	unsigned int living;
	struct living found[LIVING_MAX + 1]; /* by cache, largest first; one more to sort in */
	char text[LONG_TEXT_MAX];            /* the VM's; then lru_gen, for all groups */
};

static struct look look_now;

/* ---- files ----------------------------------------------------------------------------------------- */

/* A file of a group; one that is longer than thought is cut. 0 or -errno. */
static int read_group_file(const struct look *look, const char *group, const char *file, char *text,
	size_t size)
{
	char path[PATH_MAX_BELOW];
	ssize_t len;

	(void)snprintf(path, sizeof(path), "%s/%s", group, file);
	len = file_read_at(look->paths->base_fd, path, text, size);
	return len < 0 && len != -EFBIG ? (int)len : 0;
}

/* memory.current and others; 0 for "max" and for what is not there. */
static uint64_t read_group_number(const struct look *look, const char *group, const char *file)
{
	char text[64];
	uint64_t value;

	if (read_group_file(look, group, file, text, sizeof(text)) < 0 ||
		memory_read_number(text, &value) < 0)
		return 0;
	return value;
}

static uint64_t read_group_key(const struct look *look, const char *group, const char *file,
	const char *key)
{
	char text[TEXT_MAX];
	uint64_t value;

	if (read_group_file(look, group, file, text, sizeof(text)) < 0 ||
		memory_read_key(text, key, &value) < 0)
		return 0;
	return value;
}

static int read_group_pressure(const struct look *look, const char *group,
	struct memory_pressure *pressure)
{
	char text[256];
	int rc = read_group_file(look, group, "memory.pressure", text, sizeof(text));

	return rc < 0 ? rc : memory_read_pressure(text, pressure);
}

/* Of the smallest free block that the kernel reports to its host; -1: it reports none. It is as large as an unsigned
 * number gets while no driver is there to report to (mm/page_reporting.c). */
static int reporting_order(const struct memory_paths *paths)
{
	char text[32];
	uint64_t order;

	if (file_read_at(paths->root_fd, REPORTING_ORDER, text, sizeof(text)) < 0 ||
		memory_read_number(text, &order) < 0 || order >= MEMORY_ORDERS)
		return -1;
	return (int)order;
}

/* ---- groups ---------------------------------------------------------------------------------------- */

static int read_charge(const struct look *look, const char *name, struct charge *charge)
{
	char text[TEXT_MAX], path[PATH_MAX_BELOW];
	int rc = read_group_file(look, name, "memory.stat", text, sizeof(text));

	if (rc == 0)
		rc = memory_read_stat(text, &charge->stat);
	if (rc < 0)
		return rc;
	charge->old = 0;
	if (look->abilities->lru_gen_ages) {
		uint64_t pages;

		(void)snprintf(path, sizeof(path), "%s/%s", look->paths->base,
			strcmp(name, ".") == 0 ? "" : name);
		if (memory_read_lru_gen(look->text, path, RECLAIM_OLD_US / USEC_PER_MSEC, &pages) ==
			0)
			charge->old = pages * PAGE_BYTES;
	}
	return 0;
}

static void subtract(uint64_t *from, uint64_t part)
{
	*from -= part < *from ? part : *from;
}

static void charge_subtract(struct charge *from, const struct charge *part)
{
	memory_stat_subtract(&from->stat, &part->stat);
	subtract(&from->old, part->old);
}

/* Tells it from every other one that ever was (kernfs does not use a number twice). 0: it is gone. */
static uint64_t group_id(const struct look *look, const char *name)
{
	struct stat info;

	return fstatat(look->paths->base_fd, name, &info, 0) == 0 ? info.st_ino : 0;
}

static struct reclaim_group *set_group(struct look *look, unsigned int i, enum reclaim_class class,
	const char *name, const struct charge *charge)
{
	struct reclaim_group *group = &look->facts->group[i];

	(void)snprintf(look->names->name[i], sizeof(look->names->name[i]), "%s", name);
	*group = (struct reclaim_group){
		.class = class,
		.id = group_id(look, name),
		.inactive = charge->stat.inactive_file,
		.active = charge->stat.active_file,
		.dirty = charge->stat.file_dirty + charge->stat.file_writeback,
		.slab = charge->stat.slab_reclaimable,
		.old = charge->old,
		.refaults = charge->stat.refault_file,
	};
	return group;
}

static void read_counters(const struct look *look, const char *name, struct reclaim_group *group)
{
	struct memory_pressure pressure;

	if (look->abilities->psi && read_group_pressure(look, name, &pressure) == 0)
		group->stall_us = pressure.some_us;
	group->cpu_us = read_group_key(look, name, "cpu.stat", "usage_usec");
}

/* For documents. */
static void tell_group(struct look *look, const char *name, const struct charge *charge)
{
	struct memory_seen *seen = look->seen;
	struct memory_group *group = &seen->group[seen->groups];

	if (seen->groups == MEMORY_GROUPS_MAX)
		return;
	seen->groups++;
	*group = (struct memory_group){0};
	for (unsigned int i = 0; i < look->groups_before; i++)
		if (strcmp(look->before[i].name, name) == 0)
			*group = look->before[i];
	(void)snprintf(group->name, sizeof(group->name), "%s", name);
	group->current = read_group_number(look, name, "memory.current");
	/* The root has none. */
	if (group->current == 0)
		group->current = charge->stat.anon + charge->stat.file +
				 charge->stat.slab_reclaimable + charge->stat.slab_unreclaimable;
	group->anon = charge->stat.anon;
	group->shmem = charge->stat.shmem;
	group->cache = memory_stat_cache(&charge->stat);
}

/* ---- the living ------------------------------------------------------------------------------------ */

static void add_living(struct look *look, const char *name)
{
	struct living one;
	int rc = read_charge(look, name, &one.charge);
	unsigned int at = look->living;

	if (rc == -ENOENT || rc == -ENODEV)
		return; /* it has just ended */
	look->facts->containers++;
	if (rc < 0) {
		look->uncertain = true;
		return;
	}
	charge_subtract(&look->dead, &one.charge);
	if (strlen(name) >= sizeof(one.name))
		return;
	memcpy(one.name, name, strlen(name) + 1);
	one.cache = memory_stat_cache(&one.charge.stat);
	for (; at > 0 && look->found[at - 1].cache < one.cache; at--)
		look->found[at] = look->found[at - 1];
	look->found[at] = one;
	if (look->living < LIVING_MAX)
		look->living++;
}

/* A container of Docker's: its groups are its own affair. */
static bool is_container_id(const char *name)
{
	return strspn(name, "0123456789abcdef") == 64 && name[64] == '\0';
}

/* A group of groups, as BuildKit's: one that hands the memory controller down can have no process of its own
 * (cgroup-v2.rst, "No Internal Process Constraint"). */
static bool is_parent(const struct look *look, const char *path)
{
	char text[256];

	return read_group_file(look, path, "cgroup.subtree_control", text, sizeof(text)) == 0 &&
	       strstr(text, "memory");
}

/* True also if it cannot be told: what might live is not taken for dead. */
static bool is_populated(const struct look *look, const char *path)
{
	char text[256];
	uint64_t populated;
	int rc = read_group_file(look, path, "cgroup.events", text, sizeof(text));

	if (rc == -ENOENT || rc == -ENODEV)
		return false;
	return rc < 0 || memory_read_key(text, "populated", &populated) < 0 || populated > 0;
}

static void walk(struct look *look, const char *parent, unsigned int depth)
{
	_cleanup_close_ int fd =
		openat(look->paths->base_fd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct file_dir dir = {.fd = fd};
	unsigned char type;
	const char *name;

	if (fd < 0) {
		look->uncertain |= errno != ENOENT;
		return;
	}
	while ((name = file_dir_next(&dir, &type)) != NULL) {
		char path[PATH_MAX_BELOW - 32]; /* with a file's name behind it */
		int len = snprintf(path, sizeof(path), "%s/%s", parent, name);

		if (type != DT_DIR)
			continue;
		if (len >= (int)sizeof(path))
			look->uncertain = true;
		else if (!is_populated(look, path))
			continue;
		else if (depth < DEPTH_MAX && !is_container_id(name) && is_parent(look, path))
			walk(look, path, depth + 1);
		else
			add_living(look, path);
	}
}

/* ---- all groups ------------------------------------------------------------------------------------ */

static void add_own(struct look *look)
{
	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		struct charge charge;

		if (read_charge(look, own[i], &charge) < 0)
			continue;
		read_counters(look, own[i],
			set_group(look, look->facts->groups++, RECLAIM_OWN, own[i], &charge));
		tell_group(look, own[i], &charge);
	}
}

/* What is charged to no group but the root: what was read before there were groups, and the cache of groups beside ours
 * that are gone. */
static void add_rest(struct look *look, uint64_t slab)
{
	_cleanup_close_ int fd =
		openat(look->paths->base_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct file_dir dir = {.fd = fd};
	struct charge rest, part;
	unsigned char type;
	const char *name;

	if (fd < 0 || read_charge(look, ".", &rest) < 0)
		return;
	/* The root's own slab is counted nowhere but in /proc/meminfo. */
	rest.stat.slab_reclaimable = slab;
	while ((name = file_dir_next(&dir, &type)) != NULL)
		if (type == DT_DIR && read_charge(look, name, &part) == 0)
			charge_subtract(&rest, &part);
	(void)set_group(look, look->facts->groups++, RECLAIM_REST, ".", &rest);
	tell_group(look, ".", &rest);
}

static void add_listed(struct look *look)
{
	for (unsigned int i = 0; i < look->living; i++) {
		const struct living *one = &look->found[i];

		read_counters(look, one->name,
			set_group(look, look->facts->groups++, RECLAIM_LIVE, one->name,
				&one->charge));
		tell_group(look, one->name, &one->charge);
	}
}

static void look_at_groups(struct look *look, const struct memory_info *info)
{
	struct reclaim_facts *facts = look->facts;
	struct charge whole;

	if (!look->abilities->cgroup || read_charge(look, containers, &whole) < 0)
		return;
	tell_group(look, containers, &whole);
	look->dead = whole;
	facts->groups = 1; /* the dead, when it is known what is living */
	add_own(look);
	if (look->paths->base_is_root)
		add_rest(look, info->slab_reclaimable);
	walk(look, containers, 1);
	add_listed(look);
	if (look->uncertain)
		look->dead = (struct charge){0};
	/* With those of the living that are not listed: the sum over all groups loses none. */
	look->dead.stat.refault_file = whole.stat.refault_file;
	for (unsigned int i = 0; i < look->living; i++)
		subtract(&look->dead.stat.refault_file, look->found[i].charge.stat.refault_file);
	(void)set_group(look, 0, RECLAIM_DEAD, containers, &look->dead);
}

/* Without cgroup v2: those that the engine runs, by the directories that containerd keeps of them. */
static unsigned int count_containers(const struct memory_paths *paths)
{
	_cleanup_close_ int fd =
		openat(paths->root_fd, RUNNING_CONTAINERS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct file_dir dir = {.fd = fd};
	unsigned int count = 0;
	unsigned char type;

	while (fd >= 0 && file_dir_next(&dir, &type) != NULL)
		count++;
	return count;
}

static void look_at_limits(const struct look *look)
{
	struct memory_seen *seen = look->seen;

	seen->containers_max = seen->containers_high = 0;
	if (look->abilities->cgroup) {
		seen->containers_max = read_group_number(look, containers, "memory.max");
		seen->containers_high = read_group_number(look, containers, "memory.high");
	}
	seen->reserve = seen->containers_max > 0 && seen->containers_max < seen->total
				? seen->total - seen->containers_max
				: 0;
}

/* Of containers and engine alone: our own worker's reclaim counts as a stall of the group that it is in. */
static void look_at_pressure(const struct look *look)
{
	const char *const groups[] = {containers, "engine"};

	look->facts->stall_us = 0;
	look->seen->pressure_percent = -1;
	for (size_t i = 0; look->abilities->psi && i < ARRAY_SIZE(groups); i++) {
		struct memory_pressure pressure;
		int percent;

		if (read_group_pressure(look, groups[i], &pressure) < 0)
			continue;
		look->facts->stall_us += pressure.some_us;
		percent = (int)pressure.some_avg10_permille / 10;
		if (percent > look->seen->pressure_percent)
			look->seen->pressure_percent = percent;
	}
}

/* ---- the VM ---------------------------------------------------------------------------------------- */

static void look_at_sizes(const struct look *look, const struct memory_info *info)
{
	struct memory_seen *seen = look->seen;
	uint64_t file = info->cached + info->buffers;

	subtract(&file, info->shmem);
	seen->total = info->total;
	seen->free = info->free;
	seen->available = info->available;
	seen->cache = file + info->slab_reclaimable;
	seen->slab = info->slab_unreclaimable;
	seen->anon = info->anon;
	seen->shmem = info->shmem;
	seen->swap_total = info->swap_total;
	seen->swap_free = info->swap_free;
	look->facts->total = info->total;
	look->facts->free = info->free;
	look->facts->cache = file;
}

static void look_at_blocks(struct look *look)
{
	const struct memory_paths *paths = look->paths;
	struct memory_seen *seen = look->seen;
	uint64_t per_cpu;

	memset(seen->free_blocks, 0, sizeof(seen->free_blocks));
	if (file_read_at(paths->root_fd, "proc/buddyinfo", look->text, sizeof(look->text)) > 0)
		(void)!memory_read_buddyinfo(look->text, seen->free_blocks);
	(void)!file_read_at(paths->root_fd, "proc/zoneinfo", look->text, sizeof(look->text));
	(void)!memory_read_zoneinfo(look->text, &per_cpu);
	seen->per_cpu = per_cpu * PAGE_BYTES;

	seen->reporting_order = reporting_order(paths);
	seen->reportable = seen->stranded = 0;
	if (seen->reporting_order >= 0) {
		for (int i = seen->reporting_order; i < MEMORY_ORDERS; i++)
			seen->reportable += (seen->free_blocks[i] << i) * PAGE_BYTES;
		if (seen->reportable < seen->free)
			seen->stranded = seen->free - seen->reportable;
	}
	look->facts->reportable = seen->reportable;
	look->facts->stranded = seen->stranded;
}

static void look_at_processors(const struct look *look)
{
	char text[512]; /* its first line */
	uint64_t total, busy, tick_us = USEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK);

	(void)!file_read_at(look->paths->root_fd, "proc/stat", text, sizeof(text));
	(void)!memory_read_cpu(text, &total, &busy);
	look->facts->cpu_total_us = total * tick_us;
	look->facts->cpu_busy_us = busy * tick_us;
}

void memory_gather(const struct memory_paths *paths, const struct memory_abilities *abilities,
	struct reclaim_facts *facts, struct memory_names *names, struct memory_seen *seen)
{
	struct look *look = &look_now;
	struct memory_info info;
	char text[TEXT_MAX];

	look->paths = paths;
	look->abilities = abilities;
	look->facts = facts;
	look->names = names;
	look->seen = seen;
	memcpy(look->before, seen->group, sizeof(look->before));
	look->groups_before = seen->groups;
	look->uncertain = false;
	look->living = 0;
	seen->known = true;
	seen->abilities = facts->abilities = *abilities;
	seen->groups = facts->groups = facts->containers = 0;
	facts->now_us = clock_now_us();

	(void)!file_read_at(paths->root_fd, "proc/meminfo", text, sizeof(text));
	(void)!memory_read_info(text, &info);
	look_at_sizes(look, &info);
	look_at_blocks(look);
	look_at_processors(look);
	look_at_limits(look);
	look_at_pressure(look);
	if (abilities->lru_gen_ages)
		(void)!file_read_at(paths->root_fd, LRU_GEN_AGES, look->text, sizeof(look->text));
	look_at_groups(look, &info);
	if (!abilities->cgroup)
		facts->containers = count_containers(paths);
}

/* ---- abilities ------------------------------------------------------------------------------------- */

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
		.reporting = exists(paths->root_fd, REPORTING_ORDER),
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
	abilities->lru_gen_ages = abilities->lru_gen && exists(paths->root_fd, LRU_GEN_AGES);
}

/* ---- paths ----------------------------------------------------------------------------------------- */

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
		char path[PATH_MAX_BELOW];
		struct statfs fs;

		(void)snprintf(path, sizeof(path), "%s%s", mounts[i], base);
		if (statfs(path, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
			paths->base_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	paths->base_is_root = base[0] == '\0' && mode && strcmp(mode, "vm") == 0;
}

void memory_paths_close(struct memory_paths *paths)
{
	close_p(&paths->root_fd);
	close_p(&paths->base_fd);
}
