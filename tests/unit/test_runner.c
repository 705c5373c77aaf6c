/* SPDX-License-Identifier: MIT
 *
 * test_runner.c - the agent's runner: what it believes of a frame (all of it is pure), and a real one, forked: children, their
 * descriptors, their ends, its own end.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/unit/loop_test.h"

#include "agent/runner.h"
#include "agent/runner_check.h"

static struct runner_order order;

static int check(const struct runner_request *request, size_t fds)
{
	return runner_check(request, fds, "/data", &order);
}

static struct runner_request with_path(uint32_t verb, uint32_t kind, const char *path)
{
	struct runner_request request = {.verb = verb, .kind = kind};

	(void)snprintf(request.path, sizeof(request.path), "%s", path);
	return request;
}

static int check_path(uint32_t verb, uint32_t kind, const char *path)
{
	const struct runner_request request = with_path(verb, kind, path);

	return check(&request, 0);
}

static void test_verbs(void **state)
{
	struct runner_request request = {.verb = RUNNER_VERBS};

	(void)state;
	assert_int_equal(check(&request, 0), -EINVAL);
	request.verb = UINT32_MAX;
	assert_int_equal(check(&request, 0), -EINVAL);
	/* Descriptors come only where they mean something. */
	request = (struct runner_request){.verb = RUNNER_WAIT, .number = 7};
	assert_int_equal(check(&request, 1), -EINVAL);
	assert_int_equal(check(&request, 0), 0);
	assert_int_equal(order.pid, 7);
}

static void test_disk(void **state)
{
	struct runner_request request = with_path(RUNNER_DISK, DISK_VERB_INIT, "/dev/sdb");

	(void)state;
	(void)strcpy(request.uuid, "ab-1");
	assert_int_equal(check(&request, 1), 0);
	assert_string_equal(order.disk.device, "/dev/sdb");
	assert_string_equal(order.disk.uuid, "ab-1");
	assert_int_equal(check(&request, 0), -EINVAL);
	request.flag = 1; /* gentle is a trim's */
	assert_int_equal(check(&request, 1), 0);
	assert_false(order.disk.gentle);
	/* A disk that is made or adopted is named twice, whoever asks; the other verbs name none. */
	request.uuid[0] = '\0';
	assert_int_equal(check(&request, 1), -EINVAL);
	request.kind = DISK_VERB_REPAIR;
	assert_int_equal(check(&request, 1), 0);
	request.kind = DISK_VERB_TRIM;
	assert_int_equal(check(&request, 1), -EINVAL);
	request.path[0] = '\0';
	assert_int_equal(check(&request, 1), 0);
	assert_true(order.disk.gentle);
	request.kind = DISK_VERB_ADOPT;
	(void)strcpy(request.uuid, "ab-1");
	assert_int_equal(check(&request, 1), -EINVAL);
	request.kind = DISK_VERB_GROW;
	assert_int_equal(check(&request, 1), -EINVAL);
	request.kind = DISK_VERB_ADOPT + 1;
	assert_int_equal(check(&request, 1), -EINVAL);
	request.kind = DISK_VERB_REPAIR;
	(void)strcpy(request.uuid, "--force");
	assert_int_equal(check(&request, 1), -EINVAL);
	request.uuid[0] = '\0';
	(void)strcpy(request.path, "/dev/../etc/passwd");
	assert_int_equal(check(&request, 1), -EINVAL);
	memset(request.path, 'x', sizeof(request.path)); /* without end */
	assert_int_equal(check(&request, 1), -EINVAL);
	request.path[0] = '\0';
	memset(request.uuid, 'x', sizeof(request.uuid));
	assert_int_equal(check(&request, 1), -EINVAL);
}

static void test_steps(void **state)
{
	static const char *const climbing[] = {
		"..", "../x", "a/../b", "a/..", "", "/containers", "a//../b"};
	struct runner_request request = with_path(RUNNER_STEP, RUNNER_STEP_TAKE, "containers/a");

	(void)state;
	request.flag = request.flag2 = 1;
	request.bytes = 4096;
	assert_int_equal(check(&request, 0), 0);
	assert_true(order.step.calm && order.step.no_swap);
	assert_int_equal(order.step.bytes, 4096);
	assert_string_equal(order.step.name, "containers/a");
	for (size_t i = 0; i < ARRAY_SIZE(climbing); i++)
		assert_int_equal(check_path(RUNNER_STEP, RUNNER_STEP_TAKE, climbing[i]), -EINVAL);
	assert_int_equal(check_path(RUNNER_STEP, RUNNER_STEP_TAKE, "."), 0);
	assert_int_equal(check_path(RUNNER_STEP, RUNNER_STEP_TAKE, "a..b/..c"), 0);
	assert_int_equal(check_path(RUNNER_STEP, RUNNER_STEP_FLUSH, "/data"), 0);
	assert_int_equal(check_path(RUNNER_STEP, RUNNER_STEP_COMPACT, ""), 0);
	assert_int_equal(check_path(RUNNER_STEP, RUNNER_STEP_DROP, ""), 0);
	assert_int_equal(check_path(RUNNER_STEP, RUNNER_STEPS, ""), -EINVAL);
	memset(request.path, 'a', sizeof(request.path));
	assert_int_equal(check(&request, 0), -EINVAL);
}

static void test_files(void **state)
{
	struct runner_request request = {.verb = RUNNER_OPEN, .kind = RUNNER_FILE_PRESSURE};

	(void)state;
	request.number = RUNNER_PRESSURES - 1;
	assert_int_equal(check(&request, 0), 0);
	request.number++;
	assert_int_equal(check(&request, 0), -EINVAL);
	request.kind = RUNNER_FILE_INPUT;
	assert_int_equal(check(&request, 0), 0);
	assert_int_equal(check_path(RUNNER_OPEN, RUNNER_FILES, ""), -EINVAL);
	assert_int_equal(check_path(RUNNER_OPEN, RUNNER_FILE_DISK_ERRORS, "/data"), 0);
	assert_string_equal(order.path, "/data");
	assert_int_equal(check_path(RUNNER_OPEN, RUNNER_FILE_DISK_ERRORS, "data"), -EINVAL);
	assert_int_equal(check_path(RUNNER_OPEN, RUNNER_FILE_DISK_ERRORS, "/"), -EINVAL);
}

/* Whoever says them, the runner would hang on a path that does. */
static void test_places(void **state)
{
	static const char *const known[] = {
		"/", "/run", "/var/lib/docker", "/var/lib/containerd", "/data"};
	static const char *const others[] = {"", "data", "/dat", "/data/", "/data/..", "//",
		"/mnt/c", "/proc/1/root", "/var/lib/docker/volumes"};
	struct runner_request request = with_path(RUNNER_LOOK, 0, "/data");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		assert_int_equal(check_path(RUNNER_LOOK, 0, known[i]), 0);
		assert_string_equal(order.path, known[i]);
		assert_int_equal(check_path(RUNNER_STEP, RUNNER_STEP_FLUSH, known[i]), 0);
		assert_string_equal(order.step.name, known[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		assert_int_equal(check_path(RUNNER_LOOK, 0, others[i]), -EINVAL);
		assert_int_equal(check_path(RUNNER_STEP, RUNNER_STEP_FLUSH, others[i]), -EINVAL);
		assert_int_equal(check_path(RUNNER_OPEN, RUNNER_FILE_DISK_ERRORS, others[i]),
			-EINVAL);
	}
	assert_int_equal(runner_check(&request, 0, NULL, &order), -EINVAL);
	memset(request.path, '/', sizeof(request.path));
	assert_int_equal(check(&request, 0), -EINVAL);
}

static void test_pids_and_signals(void **state)
{
	struct runner_request request = {.verb = RUNNER_SIGNAL, .number = 7, .signal = SIGTERM};

	(void)state;
	assert_int_equal(check(&request, 0), 0);
	assert_int_equal(order.signal, SIGTERM);
	request.signal = 0;
	assert_int_equal(check(&request, 0), -EINVAL);
	request.signal = (uint32_t)SIGSYS + 1;
	assert_int_equal(check(&request, 0), -EINVAL);
	request.signal = SIGKILL;
	request.number = 0;
	assert_int_equal(check(&request, 0), -EINVAL);
	request.number = (uint32_t)-1;
	assert_int_equal(check(&request, 0), -EINVAL);
}

static void test_words(void **state)
{
	struct runner_request request = {.verb = RUNNER_SESSION, .words_len = 8};

	(void)state;
	memcpy(request.words, "ls\0-l\0\0", 8);
	assert_int_equal(check(&request, 3), 0);
	assert_string_equal(order.words[0], "ls");
	assert_string_equal(order.words[1], "-l");
	assert_string_equal(order.words[2], "");
	assert_string_equal(order.words[3], "");
	assert_null(order.words[4]);
	assert_int_equal(check(&request, 0), -EINVAL); /* without a tty its ends come along */
	request.flag = 1;
	request.rows = 24;
	request.columns = 80;
	assert_int_equal(check(&request, 3), -EINVAL);
	assert_int_equal(check(&request, 0), 0);
	assert_true(order.tty && order.rows == 24 && order.columns == 80);
	request.words_len = 0;
	assert_int_equal(check(&request, 0), -EINVAL);
	request.words_len = 2; /* without end */
	assert_int_equal(check(&request, 0), -EINVAL);
	request.words_len = RUNNER_WORDS_MAX + 1;
	assert_int_equal(check(&request, 0), -EINVAL);
	request.words[0] = '\0';
	request.words_len = 1;
	assert_int_equal(check(&request, 0), -EINVAL);
	memset(request.words, 0, sizeof(request.words));
	for (size_t i = 0; i <= RUNNER_ARGS_MAX; i++)
		request.words[i * 2] = 'x';
	request.words_len = RUNNER_ARGS_MAX * 2;
	assert_int_equal(check(&request, 0), 0);
	request.words_len += 2;
	assert_int_equal(check(&request, 0), -E2BIG);
}

/* ---- a real one ---------------------------------------------------------------------------------- */

static struct loop loop;
static bool ended;

static void on_runner_end(void *ctx)
{
	(void)ctx;
	ended = true;
	runner_stop(&loop);
}

static int set_up(void **state)
{
	(void)state;
	ended = false;
	assert_int_equal(loop_init(&loop), 0);
	assert_int_equal(runner_start(&(struct runner_options){.disk_program = "/bin/echo",
				 .data = "/none",
				 .shell = true,
				 .root_fd = -1,
				 .base_fd = -1}),
		0);
	assert_true(runner_pid() > 0);
	assert_int_equal(runner_watch(&loop, on_runner_end, NULL), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	runner_stop(&loop);
	loop_fini(&loop);
	while (waitpid(-1, NULL, 0) > 0) /* it ends because we let go of it */
		;
	return 0;
}

static int wait_for(struct runner_child *child)
{
	struct pollfd end = {.fd = child->pid_fd, .events = POLLIN};
	uint64_t cpu_us;
	int status = -1;

	assert_int_equal(poll(&end, 1, 20000), 1);
	assert_int_equal(runner_wait(child->pid, &status, &cpu_us), 0);
	assert_int_equal(runner_wait(child->pid, &(int){0}, &cpu_us), -ECHILD);
	assert_int_equal(runner_signal(child->pid, SIGKILL), -ESRCH);
	close_p(&child->pid_fd);
	return status;
}

static void expect(int fd, const char *text)
{
	char found[256] = "";
	size_t len = 0;
	ssize_t n;

	while (!strstr(found, text)) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};

		assert_int_equal(poll(&ready, 1, 20000), 1);
		n = read(fd, found + len, sizeof(found) - 1 - len);
		if (n <= 0)
			fail_msg("\"%s\" instead of \"%s\"", found, text);
		len += (size_t)n;
	}
}

static void test_a_job(void **state)
{
	const struct disk_request request = {.verb = DISK_VERB_GROW};
	struct runner_child child;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(runner_run_disk(&request, ends[1], &child), 0);
	close_p(&ends[1]);
	expect(ends[0], "grow --json\n");
	assert_int_equal(wait_for(&child), 0);
	/* The runner keeps nothing of it open. */
	assert_int_equal(read(ends[0], &(char){0}, 1), 0);
	close_p(&ends[0]);
}

static struct runner_session_request session(bool tty, const char *command)
{
	struct runner_session_request request = {.tty = tty, .rows = 25, .columns = 81};

	request.words_len = (uint32_t)snprintf(request.words, sizeof(request.words), "sh%c-c%c%s",
				    0, 0, command) +
			    1;
	return request;
}

static void test_a_session(void **state)
{
	struct runner_session_request request = session(false, "read x; echo got $x; exit 3");
	struct runner_child child;
	int in[2], out[2];

	(void)state;
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(runner_run_session(&request, (int[]){in[0], out[1], out[1]}, &child), 0);
	assert_int_equal(child.pty_fd, -1);
	close_p(&in[0]);
	close_p(&out[1]);
	assert_int_equal(write(in[1], "this\n", 5), 5);
	expect(out[0], "got this\n");
	assert_int_equal(WEXITSTATUS(wait_for(&child)), 3);
	close_p(&in[1]);
	close_p(&out[0]);
}

static void test_a_session_with_a_terminal(void **state)
{
	struct runner_session_request request = session(true,
		"trap 'stty size; exit 4' WINCH; stty size; while :; do sleep 0.01; done");
	const struct winsize size = {.ws_row = 30, .ws_col = 90};
	struct runner_child child;

	(void)state;
	assert_int_equal(runner_run_session(&request, NULL, &child), 0);
	expect(child.pty_fd, "25 81");
	assert_int_equal(ioctl(child.pty_fd, TIOCSWINSZ, &size), 0);
	expect(child.pty_fd, "30 90");
	assert_int_equal(WEXITSTATUS(wait_for(&child)), 4);
	close_p(&child.pty_fd);
}

/* All of its process group hears the signal, and what is left of it goes with its leader. */
static void test_a_session_is_ended(void **state)
{
	struct runner_session_request request =
		session(false, "trap 'exit 5' TERM; sleep 1000 & echo up; while :; do wait; done");
	struct runner_child child;
	uint64_t cpu_us;
	int out[2], status;

	(void)state;
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(runner_run_session(&request, (int[]){out[1], out[1], out[1]}, &child), 0);
	close_p(&out[1]);
	expect(out[0], "up\n");
	assert_int_equal(runner_wait(child.pid, &status, &cpu_us), -EAGAIN);
	assert_int_equal(runner_signal(child.pid, SIGTERM), 0);
	assert_int_equal(WEXITSTATUS(wait_for(&child)), 5);
	while (read(out[0], &(char){0}, 1) > 0) /* the last one that has it open is gone */
		;
	close_p(&out[0]);
}

static void test_looks(void **state)
{
	struct runner_look look;
	struct stat info;
	int fd = runner_open(RUNNER_FILE_MOUNTS, 0, NULL);

	(void)state;
	assert_true(fd >= 0);
	expect(fd, " / ");
	close_p(&fd);
	assert_int_equal(runner_look_at("/", &look), 0);
	assert_int_equal(stat("/", &info), 0);
	assert_true(look.device == info.st_dev && look.total >= look.used);
	assert_int_equal(runner_look_at("/none", &look), -ENOENT);
	assert_int_equal(runner_look_at("/tmp", &look), -EINVAL);
	assert_int_equal(runner_open(RUNNER_FILE_ENVIRON, (unsigned int)getpid(), NULL), -ESRCH);
	assert_int_equal(runner_open(RUNNER_FILE_INPUT, 12345, NULL), -ENOENT);
}

/* Nobody else's processes. */
static void test_strangers(void **state)
{
	uint64_t cpu_us;
	int status;

	(void)state;
	assert_int_equal(runner_signal(getpid(), SIGKILL), -ESRCH);
	assert_int_equal(runner_wait(getpid(), &status, &cpu_us), -ECHILD);
}

static void test_too_many(void **state)
{
	struct runner_session_request request = session(false, "read x");
	struct runner_child children[RUNNER_CHILDREN], one;
	int in[2];

	(void)state;
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	for (size_t i = 0; i < RUNNER_CHILDREN; i++)
		assert_int_equal(runner_run_session(&request, (int[]){in[0], 1, 2}, &children[i]),
			0);
	assert_int_equal(runner_run_session(&request, (int[]){in[0], 1, 2}, &one), -EAGAIN);
	close_p(&in[0]);
	close_p(&in[1]);
	for (size_t i = 0; i < RUNNER_CHILDREN; i++)
		(void)wait_for(&children[i]);
	request = session(false, "exit 0");
	assert_int_equal(runner_run_session(&request, (int[]){0, 1, 2}, &one), 0);
	assert_int_equal(wait_for(&one), 0);
}

/* Nobody could hear of their ends: they go, and leave their places to others. */
static void test_abandoned(void **state)
{
	struct runner_session_request request = session(false, "sleep 1000");
	struct runner_child children[RUNNER_CHILDREN], one;

	(void)state;
	for (size_t i = 0; i < RUNNER_CHILDREN; i++)
		assert_int_equal(runner_run_session(&request, (int[]){0, 1, 2}, &children[i]), 0);
	for (size_t i = 0; i < RUNNER_CHILDREN; i++) {
		struct pollfd end = {.fd = children[i].pid_fd, .events = POLLIN};

		runner_abandon(children[i].pid);
		assert_int_equal(poll(&end, 1, 20000), 1);
		close_p(&children[i].pid_fd);
	}
	runner_abandon(getpid()); /* a stranger */
	request = session(false, "exit 0");
	assert_int_equal(runner_run_session(&request, (int[]){0, 1, 2}, &one), 0);
	assert_int_equal(wait_for(&one), 0);
}

/* A call whose answer could not be taken is not made; the runner and its other calls stay. */
static void test_out_of_descriptors(void **state)
{
	struct runner_session_request request = session(true, "exit 0");
	struct runner_child child;
	struct runner_look look;
	struct rlimit limit, low;
	int first = dup(0), fd; /* the lowest that is free */

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = (rlim_t)first + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(runner_open(RUNNER_FILE_MOUNTS, 0, NULL), -EMFILE);
	close_p(&first); /* room for one of the two */
	assert_int_equal(runner_run_session(&request, NULL, &child), -EMFILE);
	assert_int_equal(runner_look_at("/", &look), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	fd = runner_open(RUNNER_FILE_MOUNTS, 0, NULL);
	assert_true(fd >= 0);
	close_p(&fd);
}

/* What is started to end with it does so, and the agent hears of it. */
static void test_it_dies(void **state)
{
	struct runner_session_request request = session(false, "echo up; sleep 1000");
	struct runner_child child;
	int out[2];

	(void)state;
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(runner_run_session(&request, (int[]){out[1], out[1], out[1]}, &child), 0);
	close_p(&out[1]);
	expect(out[0], "up\n");
	assert_int_equal(kill(runner_pid(), SIGKILL), 0);
	LOOP_UNTIL(&loop, ended);
	close_p(&out[0]);
	close_p(&child.pid_fd);
}

static void test_no_shell(void **state)
{
	struct runner_session_request request = session(false, "exit 0");
	struct runner_child child;

	(void)state;
	runner_use(&(struct runner_options){.root_fd = -1, .base_fd = -1});
	assert_int_equal(runner_run_session(&request, (int[]){0, 1, 2}, &child), -EPERM);
}

#define REAL(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_verbs),
	cmocka_unit_test(test_disk),
	cmocka_unit_test(test_steps),
	cmocka_unit_test(test_files),
	cmocka_unit_test(test_places),
	cmocka_unit_test(test_pids_and_signals),
	cmocka_unit_test(test_words),
	REAL(test_a_job),
	REAL(test_a_session),
	REAL(test_a_session_with_a_terminal),
	REAL(test_a_session_is_ended),
	REAL(test_looks),
	REAL(test_strangers),
	REAL(test_too_many),
	REAL(test_abandoned),
	REAL(test_out_of_descriptors),
	REAL(test_it_dies),
	cmocka_unit_test(test_no_shell),
};

UNIT_TEST_MAIN(tests)
