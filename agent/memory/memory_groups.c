/* SPDX-License-Identifier: MIT
 *
 * memory_groups.c - see memory_groups.h.
 */
#include "agent/memory/memory_groups.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/common/memory_read.h"
#include "agent/memory/group_kind.h"
#include "lib/clock.h"
#include "lib/file.h"

#define PAGE_BYTES UINT64_C(4096)

#define PATH_MAX_BELOW 512  /* of a file below the base or the root */
#define TEXT_MAX       4096 /* memory.stat has about 1,800 bytes */
#define LIVING_MAX     (RECLAIM_GROUPS_MAX - 8)

static const char containers[] = "containers";
/* The slices of our units (keel.units(5)), the engine's first; without Slice= a unit is in system. */
static const char *const own[] = {"engine", "system", "user", "keel"};

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
	const char *ages;
	struct reclaim_facts *facts;
	struct memory_names *names;
	struct memory_seen *seen;
	struct memory_group before[MEMORY_GROUPS_MAX];
	unsigned int groups_before;
	struct charge dead, rest; /* what is left of the whole by those that were looked at */
	bool uncertain;           /* a living group could not be read */
	unsigned int living;
	struct living found[LIVING_MAX + 1]; /* by cache, largest first; one more to sort in */
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
		if (memory_read_lru_gen(look->ages, path, RECLAIM_OLD_US / USEC_PER_MSEC, &pages) ==
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
		if (len >= (int)sizeof(path)) {
			look->uncertain = true;
			continue;
		}
		switch (memory_group_kind(fd, name, depth)) {
		case MEMORY_GROUP_EMPTY:
			break;
		case MEMORY_GROUP_PARENT:
			walk(look, path, depth + 1);
			break;
		case MEMORY_GROUP_LIVING:
			add_living(look, path);
			break;
		}
	}
}

/* ---- all groups ------------------------------------------------------------------------------------ */

static void add_own(struct look *look)
{
	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		struct charge charge;

		if (read_charge(look, own[i], &charge) < 0)
			continue;
		charge_subtract(&look->rest, &charge);
		read_counters(look, own[i],
			set_group(look, look->facts->groups++,
				i == 0 ? RECLAIM_ENGINE : RECLAIM_OWN, own[i], &charge));
		tell_group(look, own[i], &charge);
	}
}

static bool is_ours(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (strcmp(name, own[i]) == 0)
			return true;
	return strcmp(name, containers) == 0;
}

/* What is charged to no group but the root: what was read before there were groups, and the cache of groups beside ours
 * that are gone. Those that are there are subtracted too. */
static void add_rest(struct look *look)
{
	_cleanup_close_ int fd =
		openat(look->paths->base_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct file_dir dir = {.fd = fd};
	struct charge part;
	unsigned char type;
	const char *name;

	while (fd >= 0 && (name = file_dir_next(&dir, &type)) != NULL)
		if (type == DT_DIR && !is_ours(name) && read_charge(look, name, &part) == 0)
			charge_subtract(&look->rest, &part);
	(void)set_group(look, look->facts->groups++, RECLAIM_REST, ".", &look->rest);
	tell_group(look, ".", &look->rest);
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

static void look_at_groups(struct look *look, uint64_t slab)
{
	struct reclaim_facts *facts = look->facts;
	struct charge whole;
	bool with_rest;

	if (!look->abilities->cgroup)
		return;
	with_rest = look->paths->base_is_root && read_charge(look, ".", &look->rest) == 0;
	if (read_charge(look, containers, &whole) < 0) {
		facts->containers = 1; /* for all we know */
		return;
	}
	tell_group(look, containers, &whole);
	look->dead = whole;
	/* The root's own slab is counted nowhere but in /proc/meminfo. */
	look->rest.stat.slab_reclaimable = slab;
	charge_subtract(&look->rest, &whole);
	facts->groups = 1; /* the dead, when it is known what is living */
	add_own(look);
	if (with_rest)
		add_rest(look);
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

void memory_groups_gather(const struct memory_paths *paths,
	const struct memory_abilities *abilities, uint64_t slab, const char *ages,
	struct reclaim_facts *facts, struct memory_names *names, struct memory_seen *seen)
{
	struct look *look = &look_now;

	look->paths = paths;
	look->abilities = abilities;
	look->ages = ages;
	look->facts = facts;
	look->names = names;
	look->seen = seen;
	memcpy(look->before, seen->group, sizeof(look->before));
	look->groups_before = seen->groups;
	look->rest = (struct charge){0};
	look->uncertain = false;
	look->living = 0;
	seen->groups = facts->groups = facts->containers = 0;
	look_at_limits(look);
	look_at_pressure(look);
	look_at_groups(look, slab);
}
