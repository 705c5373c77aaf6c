/* SPDX-License-Identifier: MIT
 *
 * test_memory_watch.c - the end of control groups is heard, on plain directories: inotify tells of them likewise.
 */
#include "tests/unit/loop_test.h"
#include "tests/unit/memory_tree.h"

#include "agent/memory/memory_watch.h"
#include "agent/runner.h"

static struct loop loop;
static struct memory_tree tree;
static struct memory_watch watch;
static unsigned int heard[3];

static void on_watch(void *ctx, enum memory_watch_event event)
{
	assert_ptr_equal(ctx, &watch);
	heard[event]++;
}

static int set_up(void **state)
{
	(void)state;
	memory_tree_make(&tree);
	assert_int_equal(loop_init(&loop), 0);
	memset(heard, 0, sizeof(heard));
	runner_use(&(struct runner_options){
		.root_fd = tree.paths.root_fd, .base_fd = tree.paths.base_fd});
	memory_watch_init(&watch, &loop, &tree.paths, 10000, on_watch, &watch);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	memory_watch_stop(&watch);
	loop_fini(&loop);
	memory_tree_remove(&tree);
	return 0;
}

static void make(const char *name)
{
	assert_int_equal(mkdirat(tree.paths.base_fd, name, 0755), 0);
}

static void drop(const char *name)
{
	assert_int_equal(unlinkat(tree.paths.base_fd, name, AT_REMOVEDIR), 0);
}

/* All that is queued now. */
static void turn(void)
{
	while (loop_test_step(&loop))
		;
}

static void test_a_container_ends(void **state)
{
	(void)state;
	make("containers/old");
	memory_watch_start(&watch);
	assert_false(watch.complained);
	make("containers/new");
	turn();
	assert_int_equal(heard[MEMORY_WATCH_ENDED], 0);
	drop("containers/old");
	turn();
	assert_int_equal(heard[MEMORY_WATCH_ENDED], 1);
	drop("containers/new");
	turn();
	assert_int_equal(heard[MEMORY_WATCH_ENDED], 2);
	/* A file that goes is no group. */
	assert_int_equal(unlinkat(tree.paths.base_fd, "containers/memory.reclaim", 0), 0);
	turn();
	assert_int_equal(heard[MEMORY_WATCH_ENDED], 2);
}

/* A builder keeps its groups one level deeper: in one that was there, and in one that came. */
static void test_a_build_ends(void **state)
{
	(void)state;
	make("containers/buildkit/run");
	memory_watch_start(&watch);
	make("containers/other");
	turn();
	make("containers/other/run");
	drop("containers/buildkit/run");
	turn();
	assert_int_equal(heard[MEMORY_WATCH_ENDED], 1);
	drop("containers/other/run");
	turn();
	assert_int_equal(heard[MEMORY_WATCH_ENDED], 2);
}

/* What a container makes below its own group is not watched: the mark would outlive it. */
static void test_within_a_container(void **state)
{
	(void)state;
	make("containers/" MEMORY_TREE_A "/init");
	memory_watch_start(&watch);
	drop("containers/" MEMORY_TREE_A "/init");
	turn();
	assert_int_equal(heard[MEMORY_WATCH_ENDED], 0);
}

static void test_the_last_process_ends(void **state)
{
	(void)state;
	memory_watch_start(&watch);
	memory_tree_write(&tree, "containers/cgroup.events", "populated 1\nfrozen 0\n");
	turn();
	assert_int_equal(heard[MEMORY_WATCH_ENDED], 0);
	memory_tree_write(&tree, "containers/cgroup.events", "populated 0\nfrozen 0\n");
	turn();
	assert_true(heard[MEMORY_WATCH_ENDED] > 0);
}

/* Many at once are few calls, and not more than one a read. */
static void test_many_end(void **state)
{
	char name[64];

	(void)state;
	memory_watch_start(&watch);
	for (int i = 0; i < 50; i++) {
		(void)snprintf(name, sizeof(name), "containers/c%d", i);
		make(name);
		drop(name);
	}
	turn();
	assert_in_range(heard[MEMORY_WATCH_ENDED], 1, 3);
}

static void test_what_is_not_there_comes_later(void **state)
{
	(void)state;
	assert_int_equal(renameat(tree.paths.base_fd, "containers", tree.paths.base_fd, "away"), 0);
	memory_watch_start(&watch);
	assert_true(watch.complained);
	memory_watch_start(&watch);
	assert_int_equal(renameat(tree.paths.base_fd, "away", tree.paths.base_fd, "containers"), 0);
	make("containers/late");
	memory_watch_start(&watch);
	drop("containers/late");
	turn();
	assert_int_equal(heard[MEMORY_WATCH_ENDED], 1);
}

/* No PSI here: plain files take the trigger and never tell, or are missing; neither is an error. */
static void test_pressure(void **state)
{
	(void)state;
	memory_watch_arm_stall(&watch, true);
	assert_int_equal(watch.stall[0].fd, -1);
	/* A file that cannot be polled is left out too. */
	memory_tree_write(&tree, "engine/memory.pressure", "");
	memory_watch_arm_stall(&watch, true);
	memory_tree_expect(&tree, "engine/memory.pressure", "some 10000 1000000");
	assert_int_equal(watch.stall[1].fd, -1);
	memory_watch_arm_stall(&watch, false);
}

static void test_without_control_groups(void **state)
{
	(void)state;
	close_p(&tree.paths.base_fd);
	memory_watch_start(&watch);
	memory_watch_arm_stall(&watch, true);
	turn();
	assert_int_equal(heard[MEMORY_WATCH_ENDED], 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_a_container_ends, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_a_build_ends, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_within_a_container, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_the_last_process_ends, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_many_end, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_what_is_not_there_comes_later, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_pressure, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_without_control_groups, set_up, tear_down),
};

UNIT_TEST_MAIN(tests)
