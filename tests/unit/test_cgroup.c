/* SPDX-License-Identifier: MIT
 *
 * test_cgroup.c - signals by group: every process of every group below, nobody else. A tree of plain files stands
 * for the cgroup file system; the processes are real.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "init/cgroup.h"
#include "tests/unit/unit_test.h"

#define CHILDREN 3

static char top[64];
static int top_fd;

static void put(const char *path, const char *text)
{
	char full[128];
	FILE *file;

	(void)snprintf(full, sizeof(full), "%s/%s", top, path);
	file = fopen(full, "we");
	assert_true(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void make(const char *path)
{
	char full[128];

	(void)snprintf(full, sizeof(full), "%s/%s", top, path);
	assert_int_equal(mkdir(full, 0700), 0);
}

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(top, sizeof(top), "/tmp/keel-cgroup-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return top_fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	char command[96];

	(void)state;
	(void)close(top_fd);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", top);
	return system(command); /* NOLINT(cert-env33-c): a test's own directory */
}

static pid_t start_child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			(void)pause();
	}
	assert_true(pid > 0);
	return pid;
}

static void expect_signal(pid_t pid, int signal)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), signal);
}

static void test_everybody_below(void **state)
{
	char text[4096] = "";
	pid_t pids[CHILDREN], other = start_child();

	(void)state;
	for (int i = 0; i < CHILDREN; i++)
		pids[i] = start_child();
	make("containers");
	make("containers/a");
	make("containers/a/b");
	make("containers/empty");
	make("engine");
	/* More than one read, numbers that a read cuts in two, and what must never be signalled: 0 (another
	 * namespace's process) would be our own process group, 1 is PID 1. */
	for (int i = 0; i < 500; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s",
			i % 2 ? "1\n" : "0\n");
	(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%d\n", (int)pids[0]);
	put("containers/cgroup.procs", text);
	(void)snprintf(text, sizeof(text), "%d\n", (int)pids[1]);
	put("containers/a/cgroup.procs", text);
	(void)snprintf(text, sizeof(text), "%d\n", (int)pids[2]);
	put("containers/a/b/cgroup.procs", text);
	put("containers/empty/cgroup.procs", "");
	(void)snprintf(text, sizeof(text), "%d\n", (int)other);
	put("engine/cgroup.procs", text);

	assert_int_equal(cgroup_signal(top_fd, "containers", SIGTERM), CHILDREN);
	for (int i = 0; i < CHILDREN; i++)
		expect_signal(pids[i], SIGTERM);
	assert_int_equal(kill(other, 0), 0);
	/* They are gone now: nobody is there to be signalled, and that is no error. */
	assert_int_equal(cgroup_signal(top_fd, "containers", SIGTERM), 0);
	assert_int_equal(cgroup_signal(top_fd, "engine", SIGKILL), 1);
	expect_signal(other, SIGKILL);
}

static void test_no_group(void **state)
{
	(void)state;
	assert_int_equal(cgroup_signal(top_fd, "nothing", SIGTERM), -ENOENT);
	assert_int_equal(cgroup_signal(-1, "containers", SIGTERM), -ENOTSUP);
	/* A directory that is no group */
	assert_int_equal(cgroup_signal(top_fd, "", SIGTERM), -ENOENT);
}

static void test_depth_is_bounded(void **state)
{
	char path[64] = "g", text[16];
	pid_t reached = start_child(), deep = start_child();

	(void)state;
	for (int i = 0; i < 20; i++) {
		make(path);
		(void)snprintf(text, sizeof(text), "%d\n", (int)(i < 17 ? reached : deep));
		(void)strcat(path, "/cgroup.procs");
		put(path, text);
		path[strlen(path) - strlen("cgroup.procs")] = '\0';
		(void)strcat(path, "g");
	}
	assert_int_equal(cgroup_signal(top_fd, "g", 0), 17);
	assert_int_equal(kill(reached, SIGKILL), 0);
	assert_int_equal(kill(deep, SIGKILL), 0);
	expect_signal(reached, SIGKILL);
	expect_signal(deep, SIGKILL);
}

static void test_populated(void **state)
{
	(void)state;
	make("a");
	put("a/cgroup.events", "populated 1\nfrozen 0\n");
	put("cgroup.events", "populated 0\nfrozen 1\n");
	assert_int_equal(cgroup_is_populated(top_fd, "a"), 1);
	assert_int_equal(cgroup_is_populated(top_fd, ""), 0);
	assert_int_equal(cgroup_is_populated(top_fd, "b"), -ENOENT);
	assert_int_equal(cgroup_is_populated(-1, "a"), -ENOTSUP);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_everybody_below, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_no_group, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_depth_is_bounded, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_populated, set_up, tear_down),
};

UNIT_TEST_MAIN(tests)
