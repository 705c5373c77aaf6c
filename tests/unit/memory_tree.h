/* SPDX-License-Identifier: MIT
 *
 * memory_tree.h - control groups as plain files in a directory of its own, for tests of what works on them. A plain file is
 * not cut when it is written: a value is what its first word begins with.
 */
#pragma once

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/unit_test.h"

#include "agent/memory/memory_gather.h"
#include "lib/file.h"

#define MEMORY_TREE_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define MEMORY_TREE_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

struct memory_tree {
	char path[64];
	struct memory_paths paths;
};

static inline void memory_tree_write(const struct memory_tree *tree, const char *name,
	const char *text)
{
	char path[256];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", tree->path, name);
	for (char *slash = path + strlen(tree->path) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		(void)mkdir(path, 0755);
		*slash = '/';
	}
	file = fopen(path, "we");
	assert_non_null(file);
	if (!file)
		return;
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static inline void memory_tree_expect(const struct memory_tree *tree, const char *name,
	const char *text)
{
	char content[64];

	if (file_read_at(tree->paths.base_fd, name, content, sizeof(content)) < 0)
		fail_msg("%s: cannot be read", name);
	if (strncmp(content, text, strlen(text)) != 0)
		fail_msg("%s: \"%s\" instead of \"%s\"", name, content, text);
}

static inline void memory_tree_group(const struct memory_tree *tree, const char *group,
	const char *low, bool populated)
{
	const char *const files[][2] = {{"memory.low", low}, {"memory.current", "1048576\n"},
		{"memory.swap.current", "4096\n"}, {"memory.swap.max", "max\n"},
		{"memory.reclaim", ""}, {"cpu.weight", ""},
		{"cgroup.events",
			populated ? "populated 1\nfrozen 0\n" : "populated 0\nfrozen 0\n"}};
	char path[160];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", group, files[i][0]);
		memory_tree_write(tree, path, files[i][1]);
	}
}

/* The slices, two containers, and a builder's group with one that lives. */
static inline void memory_tree_make(struct memory_tree *tree)
{
	*tree = (struct memory_tree){.path = "/tmp/keel-memory-XXXXXX"};
	assert_non_null(mkdtemp(tree->path));
	memory_tree_group(tree, "containers", "0\n", true);
	memory_tree_group(tree, "engine", "134217728\n", true);
	memory_tree_group(tree, "keel", "0\n", true);
	memory_tree_group(tree, "user", "0\n", true);
	memory_tree_group(tree, "reclaim", "0\n", true);
	memory_tree_group(tree, "containers/" MEMORY_TREE_A, "0\n", true);
	memory_tree_group(tree, "containers/" MEMORY_TREE_B, "8388608\n", true);
	memory_tree_group(tree, "containers/buildkit", "0\n", true);
	memory_tree_write(tree, "containers/buildkit/cgroup.subtree_control", "cpu memory\n");
	memory_tree_group(tree, "containers/buildkit/one", "0\n", true);
	memory_tree_group(tree, "containers/buildkit/gone", "0\n", false);
	memory_tree_write(tree, "memory.reclaim", "");
	memory_tree_write(tree, "proc/sys/vm/compact_memory", "");
	memory_tree_write(tree, "proc/sys/vm/drop_caches", "");
	tree->paths.root_fd = open(tree->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tree->paths.base_fd = open(tree->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(tree->paths.root_fd >= 0 && tree->paths.base_fd >= 0);
}

static inline void memory_tree_remove(struct memory_tree *tree)
{
	char command[96];

	close_p(&tree->paths.root_fd);
	close_p(&tree->paths.base_fd);
	(void)snprintf(command, sizeof(command), "rm -r %s", tree->path);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a test's own directory */
}
