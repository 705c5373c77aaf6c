/* SPDX-License-Identifier: MIT
 *
 * Which groups below base/containers live, which are empty, which have others below them; on plain files.
 */
#include "tests/unit/memory_tree.h"

#include "agent/memory/group_kind.h"

static struct memory_tree tree;

static int set_up(void **state)
{
	(void)state;
	memory_tree_make(&tree);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	memory_tree_remove(&tree);
	return 0;
}

static void expect(const char *name, unsigned int depth, enum memory_group_kind kind)
{
	assert_int_equal(memory_group_kind(tree.paths.base_fd, name, depth), kind);
}

static void test_kinds(void **state)
{
	static const char upper[] =
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	char long_text[400];

	(void)state;
	expect("none", 1, MEMORY_GROUP_EMPTY);
	expect("containers/buildkit/gone", 2, MEMORY_GROUP_EMPTY);
	expect("containers/buildkit/one", 2, MEMORY_GROUP_LIVING);
	expect("containers/buildkit", 1, MEMORY_GROUP_PARENT);
	expect("containers/buildkit", MEMORY_GROUP_DEPTH, MEMORY_GROUP_LIVING);
	memory_tree_write(&tree, "containers/buildkit/cgroup.subtree_control", "cpu pids\n");
	expect("containers/buildkit", 1, MEMORY_GROUP_LIVING);
	/* What lies below a container's is its own affair. */
	memory_tree_write(&tree, MEMORY_TREE_A "/cgroup.subtree_control", "memory\n");
	memory_tree_write(&tree, MEMORY_TREE_A "/cgroup.events", "populated 1\n");
	expect(MEMORY_TREE_A, 1, MEMORY_GROUP_LIVING);
	assert_false(memory_is_container_id(upper));
	assert_false(memory_is_container_id(MEMORY_TREE_A "a"));
	assert_false(memory_is_container_id(MEMORY_TREE_A "z"));
	/* What cannot be told might live. */
	memory_tree_write(&tree, "odd/cgroup.events", "frozen 0\n");
	expect("odd", 1, MEMORY_GROUP_LIVING);
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	memory_tree_write(&tree, "odd/cgroup.events", long_text);
	expect("odd", 1, MEMORY_GROUP_LIVING);
}

/* A directory instead of the file cannot be read. */
static void test_unreadable(void **state)
{
	(void)state;
	memory_tree_write(&tree, "odd/cgroup.events/x", "");
	expect("odd", 1, MEMORY_GROUP_LIVING);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_kinds, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_unreadable, set_up, tear_down),
};

UNIT_TEST_MAIN(tests)
