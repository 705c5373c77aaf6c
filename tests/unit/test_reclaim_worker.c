/* SPDX-License-Identifier: MIT
 *
 * test_reclaim_worker.c - one step at a time in a child, on control groups made of plain files. memory.reclaim is a fifo where
 * a step is to last: it ends when the test opens it.
 */
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/loop_test.h"
#include "tests/unit/memory_tree.h"

#include "agent/memory/reclaim_worker.h"
#include "agent/runner.h"

static struct loop loop;
static struct memory_tree tree;
static struct reclaim_worker worker;
static struct reclaim_result last;
static unsigned int results;

static void on_result(void *ctx, const struct reclaim_result *result)
{
	assert_ptr_equal(ctx, &worker);
	last = *result;
	results++;
}

static void use_runner(const char *data)
{
	runner_use(&(struct runner_options){
		.data = data, .root_fd = tree.paths.root_fd, .base_fd = tree.paths.base_fd});
}

static int set_up(void **state)
{
	(void)state;
	memory_tree_make(&tree);
	assert_int_equal(loop_init(&loop), 0);
	use_runner(tree.path);
	reclaim_worker_init(&worker, &loop, &tree.paths, on_result, &worker);
	results = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	reclaim_worker_stop(&worker);
	assert_null(loop.timers);
	loop_fini(&loop);
	memory_tree_remove(&tree);
	/* No child is left behind, dead or alive. */
	while (waitpid(-1, NULL, 0) > 0)
		;
	return 0;
}

static void start(enum reclaim_action action, enum reclaim_class class, const char *name,
	uint64_t bytes)
{
	const struct reclaim_step step = {.action = action, .bytes = bytes};

	results = 0;
	assert_int_equal(reclaim_worker_start(&worker, &step, class, name), 0);
	assert_true(reclaim_worker_is_busy(&worker));
}

static void finish(int error)
{
	LOOP_UNTIL(&loop, results > 0);
	assert_int_equal(results, 1);
	assert_true(last.fresh);
	assert_int_equal(last.error, error);
	assert_false(reclaim_worker_is_busy(&worker));
}

/* The file is a fifo from now on: a step that writes it lasts until `release`. */
static void hold(const char *name)
{
	assert_int_equal(unlinkat(tree.paths.base_fd, name, 0), 0);
	assert_int_equal(mkfifoat(tree.paths.base_fd, name, 0600), 0);
}

static void release(const char *name, const char *text)
{
	_cleanup_close_ int fd = openat(tree.paths.base_fd, name, O_RDONLY | O_CLOEXEC);
	char content[64] = "";

	assert_true(fd >= 0);
	assert_true(read(fd, content, sizeof(content) - 1) > 0);
	assert_string_equal(content, text);
}

static void test_each_kind_of_step(void **state)
{
	(void)state;
	start(RECLAIM_TAKE, RECLAIM_OWN, "engine", 64 << 20);
	finish(0);
	memory_tree_expect(&tree, "engine/memory.reclaim", "67108864 swappiness=0");
	memory_tree_expect(&tree, "reclaim/cpu.weight", "10");
	start(RECLAIM_TAKE, RECLAIM_LIVE, "containers/" MEMORY_TREE_A, 4096);
	finish(0);
	memory_tree_expect(&tree, "containers/" MEMORY_TREE_A "/memory.reclaim",
		"4096 swappiness=0");
	start(RECLAIM_TAKE_ROOT, RECLAIM_DEAD, "ignored", 8192);
	finish(0);
	memory_tree_expect(&tree, "memory.reclaim", "8192 swappiness=0");
	start(RECLAIM_COMPACT, RECLAIM_DEAD, ".", 0);
	finish(0);
	memory_tree_expect(&tree, "proc/sys/vm/compact_memory", "1");
	start(RECLAIM_DROP, RECLAIM_DEAD, ".", 0);
	finish(0);
	memory_tree_expect(&tree, "proc/sys/vm/drop_caches", "3");
	worker.data = tree.path;
	start(RECLAIM_FLUSH, RECLAIM_DEAD, ".", 0);
	finish(0);
	assert_false(worker.no_swappiness);
}

static void test_what_is_refused(void **state)
{
	const struct reclaim_step wait = {.action = RECLAIM_WAIT};
	const struct reclaim_step step = {.action = RECLAIM_COMPACT};

	(void)state;
	assert_int_equal(reclaim_worker_start(&worker, &wait, RECLAIM_DEAD, "."), -EINVAL);
	start(RECLAIM_TAKE, RECLAIM_LIVE, "containers/none", 4096);
	assert_int_equal(reclaim_worker_start(&worker, &step, RECLAIM_DEAD, "."), -EBUSY);
	finish(-ENOENT);
	worker.data = "/none"; /* not where the data disk is */
	assert_int_equal(reclaim_worker_start(&worker,
				 &(struct reclaim_step){.action = RECLAIM_FLUSH}, RECLAIM_DEAD,
				 "."),
		-EINVAL);
	use_runner(worker.data);
	start(RECLAIM_FLUSH, RECLAIM_DEAD, ".", 0);
	finish(-ENOENT);
}

/* The living are protected while the dead remainder is taken, and only then; who has a value of his own keeps it. */
static void test_the_living_are_protected(void **state)
{
	(void)state;
	hold("containers/memory.reclaim");
	start(RECLAIM_TAKE, RECLAIM_DEAD, "containers", 4096);
	memory_tree_expect(&tree, "containers/" MEMORY_TREE_A "/memory.low", "max");
	memory_tree_expect(&tree, "containers/" MEMORY_TREE_B "/memory.low", "8388608");
	memory_tree_expect(&tree, "containers/buildkit/one/memory.low", "max");
	memory_tree_expect(&tree, "containers/buildkit/gone/memory.low", "0");
	/* What its living children use, so that nothing is left for its dead ones. */
	memory_tree_expect(&tree, "containers/buildkit/memory.low", "1048576");
	memory_tree_expect(&tree, "containers/memory.low", "0");
	release("containers/memory.reclaim", "4096 swappiness=0");
	finish(0);
	memory_tree_expect(&tree, "containers/" MEMORY_TREE_A "/memory.low", "0");
	memory_tree_expect(&tree, "containers/" MEMORY_TREE_B "/memory.low", "8388608");
	memory_tree_expect(&tree, "containers/buildkit/one/memory.low", "0");
	memory_tree_expect(&tree, "containers/buildkit/memory.low", "0");
}

#define INSIDE "containers/" MEMORY_TREE_A "/kubelet"

/* A container with groups of its own: one that lives, one below it, an empty one, one with a value of its own. */
static void make_nested(void)
{
	memory_tree_group(&tree, INSIDE, "0\n", true);
	memory_tree_group(&tree, INSIDE "/pod", "0\n", true);
	memory_tree_group(&tree, INSIDE "/own", "4096\n", true);
	memory_tree_group(&tree, INSIDE "/gone", "0\n", false);
	memory_tree_group(&tree, "containers/buildkit/one/deep", "0\n", true);
}

static void expect_nested(const char *low)
{
	memory_tree_expect(&tree, INSIDE "/memory.low", low);
	memory_tree_expect(&tree, INSIDE "/pod/memory.low", low);
	memory_tree_expect(&tree, INSIDE "/own/memory.low", "4096");
	memory_tree_expect(&tree, INSIDE "/gone/memory.low", "0");
	memory_tree_expect(&tree, "containers/buildkit/one/deep/memory.low", low);
}

/* Where memory.low is not for all below a group, each group has to have it. */
static void test_nested_groups_are_protected(void **state)
{
	(void)state;
	make_nested();
	hold("containers/memory.reclaim");
	start(RECLAIM_TAKE, RECLAIM_DEAD, "containers", 4096);
	expect_nested("max");
	/* Its processes end in the middle of the step. */
	memory_tree_write(&tree, INSIDE "/pod/cgroup.events", "populated 0\n");
	release("containers/memory.reclaim", "4096 swappiness=0");
	finish(0);
	expect_nested("0");
}

static void test_nested_groups_are_protected_from_the_root(void **state)
{
	(void)state;
	make_nested();
	hold("memory.reclaim");
	start(RECLAIM_TAKE, RECLAIM_REST, ".", 4096);
	memory_tree_expect(&tree, INSIDE "/memory.low", "max");
	memory_tree_expect(&tree, "containers/" MEMORY_TREE_A "/memory.low", "max");
	release("memory.reclaim", "4096 swappiness=0");
	finish(0);
	expect_nested("0");
}

static void test_nested_groups_are_left_where_low_reaches_them(void **state)
{
	(void)state;
	make_nested();
	tree.paths.recursive = true;
	hold("containers/memory.reclaim");
	start(RECLAIM_TAKE, RECLAIM_DEAD, "containers", 4096);
	expect_nested("0");
	memory_tree_expect(&tree, "containers/" MEMORY_TREE_A "/memory.low", "max");
	release("containers/memory.reclaim", "4096 swappiness=0");
	finish(0);
	expect_nested("0");
}

/* However deep and many a container makes them, a step begins and ends. */
static void test_nested_groups_are_bounded(void **state)
{
	char deep[160] = "containers/" MEMORY_TREE_A, name[160], path[192];

	(void)state;
	for (unsigned int i = 0; i < 10; i++) {
		(void)strncat(deep, "/d", sizeof(deep) - strlen(deep) - 1);
		memory_tree_group(&tree, deep, "0\n", true);
	}
	for (unsigned int i = 0; i < 600; i++) {
		(void)snprintf(name, sizeof(name), "containers/" MEMORY_TREE_B "/%u", i);
		memory_tree_group(&tree, name, "0\n", true);
	}
	hold("containers/memory.reclaim");
	start(RECLAIM_TAKE, RECLAIM_DEAD, "containers", 4096);
	(void)snprintf(path, sizeof(path), "%s/memory.low", deep);
	memory_tree_expect(&tree, path, "0");
	*strrchr(deep, '/') = '\0';
	*strrchr(deep, '/') = '\0';
	(void)snprintf(path, sizeof(path), "%s/memory.low", deep);
	memory_tree_expect(&tree, path, "max");
	release("containers/memory.reclaim", "4096 swappiness=0");
	finish(0);
	memory_tree_expect(&tree, path, "0");
	for (unsigned int i = 0; i < 600; i++) {
		(void)snprintf(path, sizeof(path), "containers/" MEMORY_TREE_B "/%u/memory.low", i);
		memory_tree_expect(&tree, path, "0");
	}
}

static void test_the_slices_are_protected(void **state)
{
	(void)state;
	hold("memory.reclaim");
	start(RECLAIM_TAKE, RECLAIM_REST, ".", 4096);
	memory_tree_expect(&tree, "engine/memory.low", "max");
	memory_tree_expect(&tree, "containers/memory.low", "max");
	memory_tree_expect(&tree, "user/memory.low", "max");
	memory_tree_expect(&tree, "keel/memory.low", "max");
	release("memory.reclaim", "4096 swappiness=0");
	finish(0);
	memory_tree_expect(&tree, "engine/memory.low", "134217728");
	memory_tree_expect(&tree, "containers/memory.low", "0");
	memory_tree_expect(&tree, "user/memory.low", "0");
	memory_tree_expect(&tree, "keel/memory.low", "0");
}

static void test_interrupted(void **state)
{
	(void)state;
	hold("containers/memory.reclaim");
	start(RECLAIM_TAKE, RECLAIM_DEAD, "containers", 4096);
	reclaim_worker_interrupt(&worker);
	finish(-ECANCELED);
	memory_tree_expect(&tree, "containers/" MEMORY_TREE_A "/memory.low", "0");
	assert_false(worker.no_swappiness);
	reclaim_worker_interrupt(&worker); /* nothing is under way: nobody is hit */
}

static void test_deadline(void **state)
{
	const struct reclaim_step step = {
		.action = RECLAIM_TAKE, .bytes = 4096, .deadline_us = clock_now_us()};

	(void)state;
	hold("engine/memory.reclaim");
	assert_int_equal(reclaim_worker_start(&worker, &step, RECLAIM_OWN, "engine"), 0);
	finish(-ECANCELED);
}

/* Flushing obeys nobody: at its deadline it is left behind, and the next one waits for its end. */
static void test_flush_is_left_behind(void **state)
{
	const struct reclaim_step step = {.action = RECLAIM_FLUSH, .deadline_us = clock_now_us()};
	const struct runner_step_request held = {.step = RUNNER_STEP_TAKE, .name = "containers"};
	struct runner_child child;
	siginfo_t info;
	pid_t pid;

	(void)state;
	worker.data = tree.path;
	assert_int_equal(reclaim_worker_start(&worker, &step, RECLAIM_DEAD, "."), 0);
	pid = worker.pid;
	/* Before the loop can hear of its end: nothing of a test's own makes syncfs(2) last. */
	loop_timer_cancel(&loop, &worker.deadline);
	worker.deadline.fn(&worker.deadline);
	finish(-ECANCELED);
	assert_int_equal(worker.left_pid, pid);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	start(RECLAIM_FLUSH, RECLAIM_DEAD, ".", 0);
	finish(0);
	assert_int_equal(worker.left_pid, 0);
	/* As long as one writes there is no other; the rest goes on. */
	hold("containers/memory.reclaim");
	assert_int_equal(runner_run_step(&held, &child), 0);
	worker.left_pid = child.pid;
	assert_int_equal(reclaim_worker_start(&worker, &step, RECLAIM_DEAD, "."), -EINPROGRESS);
	start(RECLAIM_COMPACT, RECLAIM_DEAD, ".", 0);
	finish(0);
	assert_int_equal(runner_signal(child.pid, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)child.pid, &info, WEXITED | WNOWAIT), 0);
	close_p(&child.pid_fd);
	start(RECLAIM_FLUSH, RECLAIM_DEAD, ".", 0);
	finish(0);
	assert_int_equal(worker.left_pid, 0);
}

static void test_stopped(void **state)
{
	pid_t pid;

	(void)state;
	hold("containers/memory.reclaim");
	start(RECLAIM_TAKE, RECLAIM_DEAD, "containers", 4096);
	pid = worker.pid;
	reclaim_worker_stop(&worker);
	memory_tree_expect(&tree, "containers/" MEMORY_TREE_A "/memory.low", "0");
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(results, 0);
}

/* A kernel that does not know swappiness=: a number is all that this file takes. */
static void refuse_words(const char *name)
{
	assert_int_equal(unlinkat(tree.paths.base_fd, name, 0), 0);
	assert_int_equal(symlinkat("/proc/self/oom_score_adj", tree.paths.base_fd, name), 0);
}

static void test_without_swappiness(void **state)
{
	(void)state;
	refuse_words("engine/memory.reclaim");
	start(RECLAIM_TAKE, RECLAIM_OWN, "engine", 1000);
	finish(0);
	assert_true(worker.no_swappiness);
	memory_tree_expect(&tree, "engine/memory.swap.max", "max");
	/* From now on at once; meanwhile nobody swaps more than he does. */
	hold("containers/memory.reclaim");
	start(RECLAIM_TAKE, RECLAIM_DEAD, "containers", 4096);
	memory_tree_expect(&tree, "engine/memory.swap.max", "4096");
	memory_tree_expect(&tree, "containers/memory.swap.max", "4096");
	release("containers/memory.reclaim", "4096");
	finish(0);
	memory_tree_expect(&tree, "engine/memory.swap.max", "max");
	memory_tree_expect(&tree, "containers/memory.swap.max", "max");
}

/* EINVAL for another reason says nothing about swappiness. */
static void test_nonsense_is_no_ability(void **state)
{
	(void)state;
	refuse_words("engine/memory.reclaim");
	start(RECLAIM_TAKE, RECLAIM_OWN, "engine",
		5000); /* more than 1000: refused as a number too */
	finish(-EINVAL);
	assert_false(worker.no_swappiness);
}

/* What a killed agent left: "max" where it was 0, a builder's sum, swap that is held. */
static void test_recover(void **state)
{
	const struct memory_paths none = {.root_fd = -1, .base_fd = -1};

	(void)state;
	memory_tree_write(&tree, "containers/" MEMORY_TREE_A "/memory.low", "max\n");
	memory_tree_write(&tree, "containers/buildkit/memory.low", "1048576\n");
	memory_tree_write(&tree, "containers/buildkit/gone/memory.low", "max\n");
	memory_tree_write(&tree, "engine/memory.swap.max", "4096\n");
	memory_tree_write(&tree, "containers/memory.low", "max\n");
	make_nested();
	memory_tree_write(&tree, INSIDE "/pod/memory.low", "max\n");
	tree.paths.recursive = true;
	memory_tree_write(&tree, "user/memory.low", "4096\n");
	reclaim_worker_recover(&tree.paths, false);
	memory_tree_expect(&tree, "containers/memory.low", "0");
	memory_tree_expect(&tree, "user/memory.low", "4096");
	memory_tree_expect(&tree, "containers/" MEMORY_TREE_A "/memory.low", "0");
	memory_tree_expect(&tree, "containers/" MEMORY_TREE_B "/memory.low", "8388608");
	memory_tree_expect(&tree, "containers/buildkit/memory.low", "0");
	memory_tree_expect(&tree, "containers/buildkit/gone/memory.low", "0");
	expect_nested("0");
	memory_tree_expect(&tree, "engine/memory.swap.max", "max");
	memory_tree_expect(&tree, "containers/memory.swap.max", "0");
	memory_tree_write(&tree, "containers/memory.swap.max", "0\n");
	reclaim_worker_recover(&tree.paths, true);
	memory_tree_expect(&tree, "containers/memory.swap.max", "max");
	reclaim_worker_recover(&none, true);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_each_kind_of_step, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_what_is_refused, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_the_living_are_protected, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_the_slices_are_protected, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_nested_groups_are_protected, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_nested_groups_are_protected_from_the_root, set_up,
		tear_down),
	cmocka_unit_test_setup_teardown(test_nested_groups_are_left_where_low_reaches_them, set_up,
		tear_down),
	cmocka_unit_test_setup_teardown(test_nested_groups_are_bounded, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_interrupted, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_deadline, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_flush_is_left_behind, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_stopped, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_without_swappiness, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_nonsense_is_no_ability, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_recover, set_up, tear_down),
};

UNIT_TEST_MAIN(tests)
