/* SPDX-License-Identifier: MIT
 *
 * test_oom.c - who was killed for want of memory: the kernel's words, dockerd's answer, the list of the last ones.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "agent/common/kernel_message.h"
#include "agent/memory/oom_watch.h"
#include "tests/unit/unit_test.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CHOSEN(group_, rest_)                                                           \
	"6,1,5000000,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=" ID \
	",mems_allowed=0,oom_memcg=/containers,task_memcg=" group_ rest_ "\n SUBSYSTEM=x\n"
#define KILLED(rest_) "3,2,5000001,-;Memory cgroup out of memory: Killed process " rest_

static enum kernel_oom judge(const char *record, const char *base, struct memory_oom_kill *kill)
{
	return kernel_message_oom(record, strlen(record), base, kill);
}

static void expect_chosen(const char *record, const char *base, const struct memory_oom_kill *want)
{
	struct memory_oom_kill kill;

	assert_int_equal(judge(record, base, &kill), KERNEL_OOM_CHOSEN);
	assert_int_equal(kill.at_us, 5000000);
	assert_int_equal(kill.pid, want->pid);
	assert_int_equal(kill.global, want->global);
	assert_string_equal(kill.process, want->process);
	assert_string_equal(kill.group, want->group);
	assert_string_equal(kill.container_id, want->container_id);
	assert_string_equal(kill.container, "");
}

static void test_chosen(void **state)
{
	static const struct {
		const char *record, *base;
		struct memory_oom_kill kill;
	} table[] = {
		{CHOSEN("/containers/" ID, ",task=memload,pid=77,uid=0"), "",
			{.pid = 77,
				.process = "memload",
				.group = "containers/" ID,
				.container_id = ID}},
		/* Groups that the container made itself. */
		{CHOSEN("/containers/" ID "/a", ",task=x,pid=77,uid=0"), "",
			{.pid = 77,
				.process = "x",
				.group = "containers/" ID "/a",
				.container_id = ID}},
		/* Below a base of ours, which is not told; another's is. */
		{CHOSEN("/wsl-user/b/containers/" ID, ",task=x,pid=77,uid=0"), "/wsl-user/b",
			{.pid = 77, .process = "x", .group = "containers/" ID, .container_id = ID}},
		{CHOSEN("/wsl-user/bb/containers/" ID, ",task=x,pid=77,uid=0"), "/wsl-user/b",
			{.pid = 77, .process = "x", .group = "wsl-user/bb/containers/" ID}},
		{CHOSEN("/a/" ID "/" ID, ",task=x,pid=77,uid=0"), "",
			{.pid = 77,
				.process = "x",
				.group =
					"a/" ID
					"/0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab"}},
		{CHOSEN("/other", ",task=x,pid=77,uid=0"), "/wsl-user/b",
			{.pid = 77, .process = "x", .group = "other"}},
		{CHOSEN("/wsl-user/b", ",task=x,pid=77,uid=0"), "/wsl-user/b",
			{.pid = 77, .process = "x", .group = "wsl-user/b"}},
		/* No container's. */
		{CHOSEN("/containers/buildkit/abc", ",task=x,pid=77,uid=0"), "",
			{.pid = 77, .process = "x", .group = "containers/buildkit/abc"}},
		{CHOSEN("/containers/" ID "0", ",task=x,pid=77,uid=0"), "",
			{.pid = 77, .process = "x", .group = "containers/" ID "0"}},
		{CHOSEN("/containers/" ID "g", ",task=x,pid=77,uid=0"), "",
			{.pid = 77, .process = "x", .group = "containers/" ID "g"}},
		{CHOSEN("/containers/0123456789ABCDEF", ",task=x,pid=77,uid=0"), "",
			{.pid = 77, .process = "x", .group = "containers/0123456789ABCDEF"}},
		{CHOSEN("/containers/:x{", ",task=x,pid=77,uid=0"), "",
			{.pid = 77, .process = "x", .group = "containers/:x{"}},
		{CHOSEN("/engine/docker.service", ",task=dockerd,pid=9,uid=0"), "",
			{.pid = 9, .process = "dockerd", .group = "engine/docker.service"}},
		{CHOSEN("/", ",task=sh,pid=9,uid=0"), "", {.pid = 9, .process = "sh"}},
		/* The name of a process is its own choice. */
		{CHOSEN("/containers/" ID, ",task=,pid=1,uid=0,pid=77,uid=0"), "",
			{.pid = 77,
				.process = ",pid=1,uid=0",
				.group = "containers/" ID,
				.container_id = ID}},
		{CHOSEN("/containers/" ID, ",task=,task=y,pid=77,uid=0"), "",
			{.pid = 77,
				.process = ",task=y",
				.group = "containers/" ID,
				.container_id = ID}},
		{CHOSEN("/containers/" ID, ",task=0123456789abcdefg,pid=77,uid=0"), "",
			{.pid = 77,
				.process = "0123456789abcde",
				.group = "containers/" ID,
				.container_id = ID}},
		/* Cut off, because another processor has said something in between; a number that is none. */
		{CHOSEN("/containers/" ID, ",task=x"), "",
			{.process = "x", .group = "containers/" ID, .container_id = ID}},
		{CHOSEN("/containers/" ID, ",task=x,pid=,uid=0"), "",
			{.process = "x", .group = "containers/" ID, .container_id = ID}},
		{CHOSEN("/containers/" ID, ",task=x,pid=2147483648,uid=0"), "",
			{.process = "x", .group = "containers/" ID, .container_id = ID}},
		{CHOSEN("/containers/" ID, ",task=x,pid=99999999999999999999,uid=0"), "",
			{.process = "x", .group = "containers/" ID, .container_id = ID}},
		{CHOSEN("/containers/" ID, ""), "",
			{.group = "containers/" ID, .container_id = ID}},
		{"6,1,5000000,c;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null)", "",
			{.pid = 0}},
		/* The whole VM. */
		{"6,1,5000000,-;oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,"
		 "task_memcg=/user/console-shell.service,task=tail,pid=300,uid=0",
			"",
			{.pid = 300,
				.global = true,
				.process = "tail",
				.group = "user/console-shell.service"}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		expect_chosen(table[i].record, table[i].base, &table[i].kill);
}

static void test_killed(void **state)
{
	struct memory_oom_kill kill;

	(void)state;
	assert_int_equal(judge(KILLED("77 (memload) total-vm:2048256kB, anon-rss:1kB, UID:0"), "",
				 &kill),
		KERNEL_OOM_KILLED);
	assert_int_equal(kill.pid, 77);
	assert_false(kill.global);
	assert_string_equal(kill.process, "memload");
	assert_int_equal(
		judge("3,2,1,-;Out of memory: Killed process 5 (a) total-vm: (b) total-vm:1kB", "",
			&kill),
		KERNEL_OOM_KILLED);
	assert_true(kill.global);
	assert_int_equal(kill.pid, 5);
	assert_string_equal(kill.process, "a) total-vm: (b");
	assert_int_equal(judge(KILLED("x"), "", &kill), KERNEL_OOM_KILLED);
	assert_int_equal(kill.pid, 0);
	assert_int_equal(judge(KILLED("7 (x"), "", &kill), KERNEL_OOM_KILLED);
	assert_string_equal(kill.process, "");
}

static void test_others(void **state)
{
	static const char *const others[] = {"", "6", "6,1,2,-", "x,1,2,-;oom-kill:constraint=",
		"6,x,2,-;oom-kill:constraint=", "6,1,x,-;oom-kill:constraint=",
		"6,1,2;oom-kill:constraint=", "6;oom-kill:constraint=", "6,1;oom-kill:constraint=",
		"6,1,2,-;Memory cgroup out of memory: OOM victim 7 (x) is already exiting",
		"6,1,2,-;Out of memory and no killable processes...",
		"6,1,2,-;oom_reaper: reaped process 7 (x)",
		"6,1,2,-;A: Killed process 7 (x) total-vm:1kB",
		/* Not the kernel's: written to /dev/kmsg by a process. */
		"14,1,2,-;oom-kill:constraint=CONSTRAINT_MEMCG,task_memcg=/containers/x,task=x,pid=1,uid=0",
		"11,1,2,-;Out of memory: Killed process 1 (init) total-vm:1kB"};
	struct memory_oom_kill kill;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_int_equal(judge(others[i], "", &kill), KERNEL_OOM_OTHER);
}

/* ---- dockerd's answer ----------------------------------------------------------------------------- */

#define HEAD "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"

static void test_names(void **state)
{
	static const struct {
		const char *answer, *name;
	} table[] = {
		{HEAD "{\"Id\":\"1\",\"Name\":\"/hog\",\"State\":{}}", "hog"},
		{HEAD "{\"Name\":\"hog\"}", "hog"},
		{HEAD "{\"Name\":\"/a\\u0007b\"}", "a?b"},
		{HEAD "{\"Name\":7}", NULL},
		{HEAD "{\"Name\":\"/hog\"", NULL},
		{HEAD "[]", NULL},
		{HEAD, NULL},
		{"HTTP/1.0 200 OK\r\n", NULL},
		{"HTTP/1.0 404 Not Found\r\n\r\n{\"Name\":\"/hog\"}", NULL},
		{"HTTP/1.1 44444444444 x\r\n\r\n{\"Name\":\"/hog\"}", NULL},
		{"SSH-2.0-x\r\n", NULL},
		{"", NULL},
	};
	char name[CONTAINER_NAME_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		int rc = container_name_parse(table[i].answer, strlen(table[i].answer), name,
			sizeof(name));

		assert_int_equal(rc, table[i].name ? 0 : -EPROTO);
		assert_string_equal(name, table[i].name ? table[i].name : "");
	}
}

static void test_name_is_bounded(void **state)
{
	static char answer[CONTAINER_ANSWER_MAX + 200];
	char name[CONTAINER_NAME_MAX];
	size_t head = strlen(HEAD "{\"Name\":\"/");

	(void)state;
	(void)memset(answer, 'n', sizeof(answer));
	memcpy(answer, HEAD "{\"Name\":\"/", head);
	memcpy(answer + 300, "\"}", 2);
	assert_int_equal(container_name_parse(answer, 302, name, sizeof(name)), 0);
	assert_int_equal(strlen(name), sizeof(name) - 1);
	memcpy(answer + sizeof(answer) - 2, "\"}", 2);
	answer[300] = answer[301] = 'n';
	assert_int_equal(container_name_parse(answer, sizeof(answer), name, sizeof(name)), -EPROTO);
}

/* ---- the list -------------------------------------------------------------------------------------- */

static struct {
	struct loop loop;
	struct oom_watch watch;
	struct memory_seen seen;
	struct address dockerd;
	int listener, told;
	char path[64];
} test;

static void on_change(void *ctx)
{
	(void)ctx;
	test.told++;
	test.loop.stop = true;
}

static int set_up(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char text[80];

	(void)state;
	(void)memset(&test, 0, sizeof(test));
	(void)snprintf(test.path, sizeof(test.path), "/tmp/keel-oom-%d", (int)getpid());
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", test.path);
	(void)snprintf(text, sizeof(text), "unix:%s", test.path);
	(void)unlink(test.path);
	test.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (test.listener < 0 ||
		bind(test.listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(test.listener, 8) < 0 || loop_init(&test.loop) < 0 ||
		address_parse(text, &test.dockerd) < 0)
		return -1;
	oom_watch_init(&test.watch, &test.loop, "", &test.dockerd, &test.seen, on_change, NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	oom_watch_stop(&test.watch);
	loop_fini(&test.loop);
	(void)close(test.listener);
	return unlink(test.path);
}

static void take(const char *record)
{
	oom_watch_take(&test.watch, record, record ? strlen(record) : 0);
}

/* dockerd, asked once. What it was asked is checked. */
static void answer_with(const char *answer)
{
	_cleanup_close_ int fd = accept4(test.listener, NULL, NULL, SOCK_CLOEXEC);
	static const char want[] = "GET /containers/" ID "/json HTTP/1.0\r\n";
	char request[512] = "";

	assert_true(fd >= 0 && recv(fd, request, sizeof(request) - 1, 0) > 0);
	assert_memory_equal(request, want, sizeof(want) - 1);
	assert_int_equal(send(fd, answer, strlen(answer), MSG_NOSIGNAL), strlen(answer));
}

static void test_kill_with_name(void **state)
{
	(void)state;
	take(CHOSEN("/containers/" ID, ",task=memload,pid=77,uid=0"));
	take(KILLED("77 (memload) total-vm:1kB"));
	assert_int_equal(test.told, 0);
	take(NULL);
	assert_int_equal(test.told, 1); /* at once, without waiting for the name */
	assert_int_equal(test.seen.oom_kills, 1);
	assert_int_equal(test.seen.oom_kept, 1);
	assert_string_equal(test.seen.oom_kill[0].container, "");
	answer_with(HEAD "{\"Name\":\"/hog\"}");
	test.loop.stop = false;
	assert_int_equal(loop_run(&test.loop), 0);
	assert_int_equal(test.told, 2);
	assert_string_equal(test.seen.oom_kill[0].container, "hog");
	/* The next one of the same container needs no question. */
	take(CHOSEN("/containers/" ID, ",task=memload,pid=78,uid=0"));
	take(NULL);
	assert_false(test.watch.question.busy);
	assert_int_equal(test.seen.oom_kill[0].pid, 78);
	assert_string_equal(test.seen.oom_kill[0].container, "hog");
	take(NULL);
	assert_int_equal(test.told, 3); /* nothing new */
}

static void test_kill_without_name(void **state)
{
	(void)state;
	take(CHOSEN("/containers/" ID, ",task=memload,pid=77,uid=0"));
	take(NULL);
	answer_with("HTTP/1.0 404 Not Found\r\n\r\n");
	while (test.watch.question.busy)
		assert_int_equal(loop_once(&test.loop), 0);
	assert_int_equal(test.told, 1);
	assert_string_equal(test.seen.oom_kill[0].container, "");
	assert_string_equal(test.seen.oom_kill[0].container_id, ID);
}

static void test_dockerd_away(void **state)
{
	(void)state;
	(void)close(test.listener);
	take(CHOSEN("/containers/" ID, ",task=memload,pid=77,uid=0"));
	take(NULL);
	while (test.watch.question.busy)
		assert_int_equal(loop_once(&test.loop), 0);
	assert_int_equal(test.seen.oom_kills, 1);
	test.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void test_many(void **state)
{
	char record[256];

	(void)state;
	/* Told in few words each: the kernel limits how often it says more. */
	for (int pid = 1; pid <= 100; pid++) {
		(void)snprintf(record, sizeof(record), KILLED("%d (p%d) total-vm:1kB"), pid, pid);
		take(record);
	}
	take("6,1,2,-;something else");
	take(NULL);
	assert_int_equal(test.told, 1);
	assert_int_equal(test.seen.oom_kills, 100);
	assert_int_equal(test.seen.oom_kept, MEMORY_OOM_KILLS);
	assert_string_equal(test.seen.oom_kill[0].process, "p100");
	assert_string_equal(test.seen.oom_kill[MEMORY_OOM_KILLS - 1].process, "p93");
	assert_false(test.watch.question.busy);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_chosen),
	cmocka_unit_test(test_killed),
	cmocka_unit_test(test_others),
	cmocka_unit_test(test_names),
	cmocka_unit_test(test_name_is_bounded),
	cmocka_unit_test_setup_teardown(test_kill_with_name, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_kill_without_name, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_dockerd_away, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
};

UNIT_TEST_MAIN(tests)
