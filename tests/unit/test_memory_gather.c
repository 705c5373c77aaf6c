/* SPDX-License-Identifier: MIT
 *
 * test_memory_gather.c - what the policy is told, from directory trees as kernels present them: our own, and those that
 * can do less.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/memory/memory_gather.h"
#include "tests/unit/unit_test.h"

#define MIB (UINT64_C(1) << 20)

#define ID(c) c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c
#define AA    ID("aa")
#define BB    ID("bb")
#define CC    ID("cc")
#define DEAD  ID("de")

static char top[64];
static struct memory_paths paths;
static struct memory_abilities abilities;
static struct reclaim_facts facts;
static struct memory_names names;
static struct memory_seen seen;

static void run(const char *verb, const char *path)
{
	char command[1024];

	(void)snprintf(command, sizeof(command), "%s '%s/%s'", verb, top, path);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a test's own directory */
}

static void put(const char *path, const char *text)
{
	char full[1024];
	FILE *file;

	(void)snprintf(full, sizeof(full), "%s/%s", top, path);
	for (char *slash = strchr(full + strlen(top) + 1, '/'); slash;
		slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		assert_true(mkdir(full, 0700) == 0 || errno == EEXIST);
		*slash = '/';
	}
	file = fopen(full, "we");
	assert_true(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void remove_it(const char *path)
{
	run("rm -rf", path);
}

/* There, and refuses to be read: what a plain file cannot do. */
static void refuse(const char *path)
{
	remove_it(path);
	run("mkdir", path);
}

/* A group's files; sizes in MiB. `events`: NULL for a slice. */
static void put_group(const char *name, uint64_t inactive, uint64_t active, uint64_t slab,
	unsigned int refaults, const char *events)
{
	char path[1024], text[1024];

	(void)snprintf(text, sizeof(text),
		"anon %" PRIu64 "\nfile %" PRIu64 "\nshmem 0\nfile_dirty %" PRIu64
		"\nfile_writeback %" PRIu64 "\n"
		"inactive_file %" PRIu64 "\nactive_file %" PRIu64 "\nslab_reclaimable %" PRIu64
		"\nslab_unreclaimable 0\n"
		"workingset_refault_file %u\n",
		UINT64_C(3) << 20, (inactive + active) << 20, inactive << 18, inactive << 17,
		inactive << 20, active << 20, slab << 20, refaults);
	(void)snprintf(path, sizeof(path), "base/%s/memory.stat", name);
	put(path, text);
	(void)snprintf(text, sizeof(text), "%" PRIu64 "\n", (inactive + active + slab + 4) << 20);
	(void)snprintf(path, sizeof(path), "base/%s/memory.current", name);
	put(path, text);
	(void)snprintf(path, sizeof(path), "base/%s/memory.pressure", name);
	(void)snprintf(text, sizeof(text),
		"some avg10=%" PRIu64 ".50 avg60=0.00 avg300=0.00 total=%" PRIu64 "000\n"
		"full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
		slab, inactive);
	put(path, text);
	(void)snprintf(path, sizeof(path), "base/%s/cpu.stat", name);
	(void)snprintf(text, sizeof(text), "usage_usec %" PRIu64 "00\nuser_usec 1\n", inactive);
	put(path, text);
	(void)snprintf(path, sizeof(path), "base/%s/cgroup.subtree_control", name);
	put(path, "");
	if (!events)
		return;
	(void)snprintf(path, sizeof(path), "base/%s/cgroup.events", name);
	put(path, events);
}

#define ALIVE "populated 1\nfrozen 0\n"
#define EMPTY "populated 0\nfrozen 0\n"

static int open_below(const char *name)
{
	char path[96];

	(void)snprintf(path, sizeof(path), "%s/%s", top, name);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(top, sizeof(top), "/tmp/keel-gather-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	put("root/proc/meminfo", "MemTotal: 2097152 kB\nMemFree: 1048576 kB\n"
				 "MemAvailable: 1500000 kB\nBuffers: 1024 kB\nCached: 524288 kB\n"
				 "SwapTotal: 2048 kB\nSwapFree: 1024 kB\nAnonPages: 4096 kB\n"
				 "Shmem: 8192 kB\nSReclaimable: 102400 kB\nSUnreclaim: 16 kB\n");
	put("root/proc/buddyinfo", "Node 0, zone DMA32 256 0 0 0 0 32 0 0 0 0 255 \n");
	put("root/proc/zoneinfo", "Node 0, zone DMA32\n  pagesets\n count: 100\n count: 28\n");
	put("root/proc/stat", "cpu  450 44 1059 56446 27 0 18 0 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n");
	put("root/proc/sys/vm/compact_memory", "");
	put("root/sys/module/page_reporting/parameters/page_reporting_order", "5\n");
	put("root/sys/kernel/mm/lru_gen/enabled", "0x0006\n");
	/* 900 MiB of containers, of which 480 are charged to the living. */
	put_group("containers", 500, 400, 60, 1000, ALIVE);
	put("base/containers/cgroup.subtree_control", "memory pids\n");
	put("base/containers/memory.reclaim", "");
	put("base/containers/memory.max", "1610612736\n");
	put("base/containers/memory.high", "max\n");
	put_group("containers/" AA, 100, 200, 10, 100, ALIVE);
	put_group("containers/" BB, 50, 10, 5, 10, ALIVE);
	/* Its processes have just ended, or it is a directory that was left behind. */
	put_group("containers/" DEAD, 90, 0, 0, 0, EMPTY);
	put_group("containers/buildkit", 130, 0, 5, 50, ALIVE);
	put("base/containers/buildkit/cgroup.subtree_control", "cpu memory\n");
	put_group("containers/buildkit/step", 110, 10, 5, 40, ALIVE);
	put_group("engine", 70, 30, 7, 5, NULL);
	put_group("keel", 8, 4, 1, 0, NULL);
	paths.root_fd = open_below("root");
	paths.base_fd = open_below("base");
	paths.base_is_root = false;
	paths.base[0] = '\0';
	memset(&facts, 0x55, sizeof(facts));
	memset(&seen, 0, sizeof(seen));
	return paths.root_fd < 0 || paths.base_fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	memory_paths_close(&paths);
	remove_it("");
	return 0;
}

static void look(void)
{
	memory_find_abilities(&paths, &abilities);
	memory_gather(&paths, &abilities, &facts, &names, &seen);
}

/* The index in facts of a group, or the test fails. */
static unsigned int find(const char *name)
{
	for (unsigned int i = 0; i < facts.groups; i++)
		if (strcmp(names.name[i], name) == 0)
			return i;
	fail_msg("no group %s", name);
	return 0;
}

static const struct memory_group *told(const char *name)
{
	for (unsigned int i = 0; i < seen.groups; i++)
		if (strcmp(seen.group[i].name, name) == 0)
			return &seen.group[i];
	return NULL;
}

static void check_group(const char *name, enum reclaim_class class, uint64_t inactive,
	uint64_t active, uint64_t slab, uint64_t refaults)
{
	const struct reclaim_group *group = &facts.group[find(name)];

	assert_int_equal(group->class, class);
	assert_int_equal(group->inactive / MIB, inactive);
	assert_int_equal(group->active / MIB, active);
	assert_int_equal(group->slab / MIB, slab);
	assert_int_equal(group->refaults, refaults);
	assert_true(group->id != 0);
	assert_int_equal(group->old, 0);
}

static void test_vm(void **state)
{
	(void)state;
	look();
	assert_true(seen.known);
	assert_int_equal(seen.total, 2048 * MIB);
	assert_int_equal(seen.free, 1024 * MIB);
	assert_int_equal(seen.cache, (512 + 1 - 8 + 100) * MIB);
	assert_int_equal(seen.slab, 16384);
	assert_int_equal(seen.anon, 4 * MIB);
	assert_int_equal(seen.shmem, 8 * MIB);
	assert_int_equal(seen.swap_total, 2 * MIB);
	assert_int_equal(seen.swap_free, MIB);
	assert_int_equal(seen.reporting_order, 5);
	assert_int_equal(seen.free_blocks[0], 256);
	assert_int_equal(seen.free_blocks[10], 255);
	assert_int_equal(seen.reportable, (4 + 1020) * MIB);
	assert_int_equal(seen.stranded, 0); /* read at another time: never below 0 */
	assert_int_equal(seen.per_cpu, 128 * 4096);
	assert_int_equal(facts.total, seen.total);
	assert_int_equal(facts.free, seen.free);
	assert_int_equal(facts.cache, (512 + 1 - 8) * MIB);
	assert_int_equal(facts.reportable, seen.reportable);
	assert_int_equal(facts.cpu_total_us, 58044 * 10000);
	assert_int_equal(facts.cpu_busy_us, 1571 * 10000);
	assert_true(facts.now_us > 0);
	/* Blocks of order 5 are too small for this host. */
	put("root/sys/module/page_reporting/parameters/page_reporting_order", "9\n");
	look();
	assert_int_equal(seen.reportable, 1020 * MIB);
	assert_int_equal(facts.stranded, 4 * MIB);
	/* What is the policy's or its caller's is left alone. */
	assert_int_equal(facts.event, 0x55555555);
	assert_int_equal(facts.request, UINT64_C(0x5555555555555555));
}

static void test_groups(void **state)
{
	const struct memory_group *group;

	(void)state;
	look();
	assert_int_equal(facts.groups, 6);
	assert_int_equal(facts.containers, 3);
	assert_string_equal(names.name[0], "containers");
	/* 500 - 100 - 50 - 110, 400 - 200 - 10 - 10, 60 - 10 - 5 - 5, 1000 - 100 - 10 - 40 */
	check_group("containers", RECLAIM_DEAD, 240, 180, 40, 850);
	check_group("containers/" AA, RECLAIM_LIVE, 100, 200, 10, 100);
	check_group("containers/" BB, RECLAIM_LIVE, 50, 10, 5, 10);
	check_group("containers/buildkit/step", RECLAIM_LIVE, 110, 10, 5, 40);
	check_group("engine", RECLAIM_ENGINE, 70, 30, 7, 5);
	check_group("keel", RECLAIM_OWN, 8, 4, 1, 0);
	/* Largest first. */
	assert_true(find("containers/" AA) < find("containers/buildkit/step"));
	assert_true(find("containers/buildkit/step") < find("containers/" BB));
	/* A quarter and an eighth of the inactive ones. */
	assert_int_equal(facts.group[find("engine")].dirty, (70 << 18) + (70 << 17));
	assert_int_equal(facts.group[0].dirty, (240 << 18) + (240 << 17));
	assert_int_equal(facts.group[find("engine")].stall_us, 70000);
	assert_int_equal(facts.group[find("engine")].cpu_us, 7000);
	assert_int_equal(facts.group[find("containers/" BB)].stall_us, 50000);
	assert_int_equal(facts.stall_us, 570000);
	assert_int_equal(seen.pressure_percent, 60);
	assert_int_equal(seen.containers_max, 1536 * MIB);
	assert_int_equal(seen.containers_high, 0);
	assert_int_equal(seen.reserve, 512 * MIB);

	assert_int_equal(seen.groups, 6);
	assert_string_equal(seen.group[0].name, "containers");
	assert_int_equal(seen.group[0].cache, 960 * MIB);
	group = told("containers/" AA);
	assert_non_null(group);
	assert_int_equal(group->current, 314 * MIB);
	assert_int_equal(group->anon, 3 * MIB);
	assert_int_equal(group->cache, 310 * MIB);
}

/* What others have put there stays with a group, also when its place in the list is another. */
static void test_kept(void **state)
{
	(void)state;
	look();
	for (unsigned int i = 0; i < seen.groups; i++) {
		seen.group[i].reclaimed = 1000 + facts.group[find(seen.group[i].name)].inactive;
		seen.group[i].cold = 7;
		seen.group[i].floor = 9;
	}
	put_group("containers/" BB, 900, 0, 5, 0, ALIVE);
	put_group("containers/" CC, 1, 0, 0, 0, ALIVE);
	remove_it("base/containers/" AA);
	look();
	assert_null(told("containers/" AA));
	assert_int_equal(told("containers/" BB)->reclaimed, 1000 + 50 * MIB);
	assert_int_equal(told("containers/" BB)->cold, 7);
	assert_int_equal(told("containers/" BB)->floor, 9);
	assert_int_equal(told("containers/" CC)->reclaimed, 0);
	assert_int_equal(told("engine")->reclaimed, 1000 + 70 * MIB);
	assert_string_equal(names.name[3], "containers/" BB);
}

static void test_identity(void **state)
{
	uint64_t id;

	(void)state;
	look();
	id = facts.group[find("containers/" AA)].id;
	assert_true(id != facts.group[find("containers/" BB)].id && id != facts.group[0].id);
	look();
	assert_int_equal(facts.group[find("containers/" AA)].id, id);
}

/* The root's, without what is charged below it, whoever made those groups. */
static void test_rest(void **state)
{
	(void)state;
	put("base/memory.stat", "anon 4096\nfile 8192\ninactive_file 1073741824\n"
				"active_file 536870912\nslab_reclaimable 5\n");
	put_group("stranger", 30, 6, 1, 0, ALIVE);
	put_group("system", 11, 7, 2, 0, NULL);
	look();
	/* Not the root of a VM of our own: nothing of it is ours. */
	assert_int_equal(facts.groups, 7);
	check_group("system", RECLAIM_OWN, 11, 7, 2, 0);
	paths.base_is_root = true;
	look();
	assert_int_equal(facts.groups, 8);
	check_group(".", RECLAIM_REST, 1024 - 500 - 70 - 8 - 30 - 11, 512 - 400 - 30 - 4 - 6 - 7,
		100 - 60 - 7 - 1 - 1 - 2, 0);
	assert_true(told(".")->current > 0);
	assert_null(told("stranger"));
}

/* A container's groups are its own affair; groups of groups have an end. */
static void test_nesting(void **state)
{
	(void)state;
	put("base/containers/" AA "/cgroup.subtree_control", "memory\n");
	put_group("containers/" AA "/init", 90, 0, 0, 0, ALIVE);
	put_group("containers/a", 40, 0, 0, 0, ALIVE);
	put("base/containers/a/cgroup.subtree_control", "memory\n");
	put_group("containers/a/b", 30, 0, 0, 0, ALIVE);
	put("base/containers/a/b/cgroup.subtree_control", "memory\n");
	put_group("containers/a/b/c", 20, 0, 0, 0, ALIVE);
	put("base/containers/a/b/c/cgroup.subtree_control", "memory\n");
	put_group("containers/a/b/c/d", 10, 0, 0, 0, ALIVE);
	/* Its name is too long to be listed, but it is not dead. */
	put_group("containers/a/" AA AA, 7, 0, 0, 0, ALIVE);
	/* Without the controller what is below it is charged to itself. */
	put_group("containers/plain", 5, 0, 0, 0, ALIVE);
	put_group("containers/plain/below", 4, 0, 0, 0, ALIVE);
	look();
	check_group("containers/" AA, RECLAIM_LIVE, 100, 200, 10, 100);
	check_group("containers/a/b/c", RECLAIM_LIVE, 20, 0, 0, 0);
	check_group("containers/plain", RECLAIM_LIVE, 5, 0, 0, 0);
	check_group("containers", RECLAIM_DEAD, 240 - 20 - 7 - 5, 180, 40, 850);
	assert_int_equal(facts.groups, 8);
	assert_int_equal(facts.containers, 6);
}

/* More than can be listed: the largest are, the others are not dead, and their refaults count. */
static void test_many(void **state)
{
	char name[96];
	uint64_t refaults = 0;

	(void)state;
	remove_it("base/containers/" AA);
	remove_it("base/containers/" BB);
	remove_it("base/containers/buildkit");
	for (unsigned int i = 1; i <= 100; i++) {
		(void)snprintf(name, sizeof(name), "containers/%064x", (i * 37) % 101);
		put_group(name, (i * 37) % 101, 0, 0, 1, ALIVE);
	}
	put_group("containers", 6000, 0, 0, 500, ALIVE);
	look();
	assert_int_equal(facts.containers, 100);
	assert_int_equal(facts.groups, 3 + RECLAIM_GROUPS_MAX - 8);
	assert_int_equal(facts.group[0].inactive / MIB, 6000 - 5050);
	for (unsigned int i = 3; i < facts.groups; i++) {
		assert_int_equal(facts.group[i].inactive / MIB, 100 - (i - 3));
		(void)snprintf(name, sizeof(name), "containers/%064x", 100 - (i - 3));
		assert_string_equal(names.name[i], name);
	}
	for (unsigned int i = 0; i < facts.groups; i++)
		refaults += facts.group[i].refaults;
	assert_int_equal(refaults, 500 + 5);
	assert_int_equal(seen.groups, MEMORY_GROUPS_MAX);
	assert_int_equal(seen.group[3].cache, 100 * MIB);
}

/* What cannot be told apart is not taken for dead. */
static void test_uncertain(void **state)
{
	static const struct {
		const char *name, *refused, *removed;
		bool dead_known;
		unsigned int containers;
	} rows[] = {
		{"a living group cannot be read", "base/containers/" AA "/memory.stat", NULL, false,
			3},
		{"it has gone meanwhile", NULL, "base/containers/" AA "/memory.stat", true, 2},
		{"whether it lives cannot be read", "base/containers/" DEAD "/cgroup.events", NULL,
			true, 4},
		{"it has gone before that", NULL, "base/containers/" AA "/cgroup.events", true, 2},
		{"whether it is a parent cannot be read",
			"base/containers/buildkit/cgroup.subtree_control", NULL, true, 3},
		{"the engine cannot be read", "base/engine/memory.stat", NULL, true, 3},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(set_up(state), 0);
		if (rows[i].refused)
			refuse(rows[i].refused);
		else
			remove_it(rows[i].removed);
		look();
		assert_int_equal(facts.containers, rows[i].containers);
		assert_int_equal(facts.group[0].inactive > 0, rows[i].dead_known);
		assert_int_equal(facts.group[0].slab > 0, rows[i].dead_known);
		assert_true(facts.group[0].refaults > 0);
		assert_int_equal(tear_down(state), 0);
	}
}

/* A name of its own for everything, however deep: what cannot be addressed might live. */
static void test_long_path(void **state)
{
	char name[600];

	(void)state;
	(void)snprintf(name, sizeof(name), "containers/%0200d", 1);
	put_group(name, 30, 0, 0, 0, ALIVE);
	(void)snprintf(name, sizeof(name), "base/containers/%0200d/cgroup.subtree_control", 1);
	put(name, "memory\n");
	(void)snprintf(name, sizeof(name), "containers/%0200d/%0200d", 1, 2);
	put_group(name, 20, 0, 0, 0, ALIVE);
	look();
	assert_int_equal(facts.groups, 6);
	assert_int_equal(facts.containers, 4);
	assert_int_equal(facts.group[0].inactive / MIB, 240 - 20);
	(void)snprintf(name, sizeof(name), "base/containers/%0200d/%0200d/cgroup.subtree_control",
		1, 2);
	put(name, "memory\n");
	(void)snprintf(name, sizeof(name), "containers/%0200d/%0200d/%0200d", 1, 2, 3);
	put_group(name, 10, 0, 0, 0, ALIVE);
	look();
	assert_int_equal(facts.groups, 6);
	assert_int_equal(facts.group[0].inactive, 0);
}

/* ---- lesser kernels -------------------------------------------------------------------------- */

static void without_pressure(void)
{
	remove_it("base/containers/memory.pressure");
	remove_it("base/engine/memory.pressure");
}

static void pressure_refused(void) /* psi=0: EOPNOTSUPP */
{
	refuse("base/containers/memory.pressure");
	refuse("base/engine/memory.pressure");
}

static void without_reclaim(void)
{
	remove_it("base/containers/memory.reclaim");
}

static void without_controller(void) /* hybrid: cgroup v2 is there, memory is v1's */
{
	remove_it("base");
	put("base/containers/cgroup.procs", "");
	put("base/containers/memory.pressure", "some avg10=1.00 avg60=0.00 avg300=0.00 total=5\n");
	put("root/run/containerd/io.containerd.runtime.v2.task/moby/" AA "/init.pid", "7");
	put("root/run/containerd/io.containerd.runtime.v2.task/moby/" BB "/init.pid", "8");
	close_p(&paths.base_fd);
	paths.base_fd = open_below("base");
}

static void without_cgroup2(void)
{
	remove_it("base");
	put("root/run/containerd/io.containerd.runtime.v2.task/moby/" AA "/init.pid", "7");
	close_p(&paths.base_fd);
}

static void without_engine(void) /* likewise, and no container has run yet */
{
	remove_it("base");
	close_p(&paths.base_fd);
}

static void without_reporting(void)
{
	remove_it("root/sys/module/page_reporting");
}

static void reporting_to_nobody(void)
{
	put("root/sys/module/page_reporting/parameters/page_reporting_order", "4294967295\n");
}

static void without_compaction(void)
{
	remove_it("root/proc/sys/vm/compact_memory");
}

static void without_lru_gen(void)
{
	remove_it("root/sys/kernel/mm/lru_gen");
}

static void with_lru_gen(void)
{
	put("root/sys/kernel/mm/lru_gen/enabled", "0x0007\n");
}

static void with_ages(void)
{
	with_lru_gen();
	put("root/sys/kernel/debug/lru_gen",
		"memcg     1 /\n node     0\n 0 70000 1 5000\n"
		"memcg    9 /containers\n node     0\n 0 90000 0 700\n 1 50 0 7\n"
		"memcg     0 /containers/" DEAD "\n node     0\n 0 90000 0 300\n"
		"memcg   10 /containers/" AA "\n node     0\n 0 80000 0 200\n"
		"memcg   11 /engine\n node     0\n 0 60000 0 30\n 1 59999 0 40\n");
}

static void without_procfs(void)
{
	remove_it("root/proc");
}

static void whole_refused(void) /* and what runs is not known then */
{
	refuse("base/containers/memory.stat");
}

static void test_lesser_kernels(void **state)
{
	static const struct {
		const char *name;
		void (*change)(void);
		struct memory_abilities expected;
		unsigned int groups, containers;
		int pressure, order;
	} rows[] = {
		{"ours", NULL, {true, true, true, true, false, false, true, true}, 6, 3, 60, 5},
		{"no PSI", without_pressure, {true, true, true, false, false, false, true, true}, 6,
			3, -1, 5},
		{"psi=0", pressure_refused, {true, true, true, false, false, false, true, true}, 6,
			3, -1, 5},
		{"before 5.19", without_reclaim,
			{true, false, false, true, false, false, true, true}, 6, 3, 60, 5},
		{"hybrid", without_controller,
			{false, false, false, true, false, false, true, true}, 0, 2, 1, 5},
		{"cgroup v1", without_cgroup2,
			{false, false, false, false, false, false, true, true}, 0, 1, -1, 5},
		{"nothing has run", without_engine,
			{false, false, false, false, false, false, true, true}, 0, 0, -1, 5},
		{"no reporting", without_reporting,
			{true, true, true, true, false, false, true, false}, 6, 3, 60, -1},
		{"no host that takes it", reporting_to_nobody,
			{true, true, true, true, false, false, true, true}, 6, 3, 60, -1},
		{"no compaction", without_compaction,
			{true, true, true, true, false, false, false, true}, 6, 3, 60, 5},
		{"no MGLRU", without_lru_gen, {true, true, true, true, false, false, true, true}, 6,
			3, 60, 5},
		{"MGLRU", with_lru_gen, {true, true, true, true, true, false, true, true}, 6, 3, 60,
			5},
		{"MGLRU and debugfs", with_ages, {true, true, true, true, true, true, true, true},
			6, 3, 60, 5},
		{"the whole cannot be read", whole_refused,
			{true, true, true, true, false, false, true, true}, 0, 1, 60, 5},
		{"no procfs", without_procfs, {true, true, true, true, false, false, false, true},
			6, 3, 60, 5},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(set_up(state), 0);
		if (rows[i].change)
			rows[i].change();
		look();
		assert_memory_equal(&abilities, &rows[i].expected, sizeof(abilities));
		assert_memory_equal(&seen.abilities, &abilities, sizeof(abilities));
		assert_memory_equal(&facts.abilities, &abilities, sizeof(abilities));
		assert_int_equal(facts.groups, rows[i].groups);
		assert_int_equal(facts.containers, rows[i].containers);
		assert_int_equal(seen.pressure_percent, rows[i].pressure);
		assert_int_equal(seen.reporting_order, rows[i].order);
		if (rows[i].order < 0)
			assert_int_equal(facts.reportable + facts.stranded, 0);
		if (!abilities.psi)
			assert_int_equal(facts.stall_us, 0);
		if (abilities.lru_gen_ages) {
			assert_int_equal(facts.group[0].old, 1000 * 4096);
			assert_int_equal(facts.group[find("containers/" AA)].old, 200 * 4096);
			assert_int_equal(facts.group[find("engine")].old, 30 * 4096);
			assert_int_equal(facts.group[find("keel")].old, 0);
		}
		assert_int_equal(tear_down(state), 0);
	}
}

static void test_paths(void **state)
{
	struct memory_paths found;

	(void)state;
	assert_int_equal(unsetenv("KEEL_CGROUP"), 0);
	memory_paths_open(&found);
	assert_true(found.root_fd >= 0);
	assert_int_equal(found.base_fd, -1);
	assert_false(found.base_is_root);
	memory_paths_close(&found);
	assert_int_equal(found.root_fd, -1);
	assert_int_equal(setenv("KEEL_CGROUP", "/no/such/group", 1), 0);
	assert_int_equal(setenv("KEEL_MODE", "vm", 1), 0);
	memory_paths_open(&found);
	assert_int_equal(found.base_fd, -1);
	assert_string_equal(found.base, "/no/such/group");
	assert_false(found.base_is_root);
	memory_paths_close(&found);
	/* The root, if this machine has cgroup v2. */
	assert_int_equal(setenv("KEEL_CGROUP", "", 1), 0);
	memory_paths_open(&found);
	assert_int_equal(found.base_is_root, found.base_fd >= 0);
	memory_paths_close(&found);
	assert_int_equal(setenv("KEEL_MODE", "wsl", 1), 0);
	memory_paths_open(&found);
	assert_false(found.base_is_root);
	memory_paths_close(&found);
}

#define IN_TREE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	IN_TREE(test_vm),
	IN_TREE(test_groups),
	IN_TREE(test_kept),
	IN_TREE(test_identity),
	IN_TREE(test_rest),
	IN_TREE(test_nesting),
	IN_TREE(test_many),
	IN_TREE(test_long_path),
	cmocka_unit_test(test_uncertain),
	cmocka_unit_test(test_lesser_kernels),
	cmocka_unit_test(test_paths),
};

UNIT_TEST_MAIN(tests)
