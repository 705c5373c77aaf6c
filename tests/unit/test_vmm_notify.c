/* SPDX-License-Identifier: MIT
 *
 * test_vmm_notify.c - messages to a monitor over sockets of each type; one that is not there, comes late, is full, never
 * reads. And the last word, which blocks, but not for long.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <linux/vm_sockets.h>

#include "tests/unit/loop_test.h"

#include "agent/vmm_notify.h"
#include "lib/vmm_socket.h"

static struct loop loop;
static struct vmm_notify notify;
static struct facts facts;
static struct vmm_address address;
static char directory[64];
static int monitor;

static int set_up(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/test_vmm.XXXXXX");
	assert_non_null(mkdtemp(directory));
	memset(&address, 0, sizeof(address));
	address.family = AF_UNIX;
	(void)snprintf(address.path, sizeof(address.path), "%s/monitor", directory);
	memset(&facts, 0, sizeof(facts));
	facts.boot_known = true;
	monitor = -1;
	assert_int_equal(loop_init(&loop), 0);
	vmm_notify_init(&notify, &loop, &address, &facts);
	memset(&notify.identity, 0, sizeof(notify.identity));
	strcpy(notify.identity.hostname, "keel");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	vmm_notify_finish(&notify, 10);
	assert_null(loop.timers);
	close_p(&monitor);
	(void)unlink(address.path);
	(void)rmdir(directory);
	loop_fini(&loop);
	return 0;
}

static void listen_monitor(int type)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	strcpy(un.sun_path, address.path);
	monitor = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(monitor >= 0);
	assert_int_equal(bind(monitor, (const struct sockaddr *)&un, sizeof(un)), 0);
	if (type != SOCK_DGRAM)
		assert_int_equal(listen(monitor, 4), 0);
}

/* The next message, whole: of connections, to their end. */
static void expect_message(int type, const char *message)
{
	char text[VMM_WORDS_MAX] = "";
	size_t len = 0;
	ssize_t n = 0;
	int fd = monitor;

	if (type != SOCK_DGRAM)
		LOOP_UNTIL(&loop, (fd = accept4(monitor, NULL, NULL, SOCK_NONBLOCK)) >= 0);
	do {
		LOOP_UNTIL(&loop,
			(n = recv(fd, text + len, sizeof(text) - len - 1, MSG_DONTWAIT)) >= 0);
		len += (size_t)n;
	} while (type != SOCK_DGRAM && n > 0);
	if (fd != monitor)
		close_p(&fd);
	assert_string_equal(text, message);
}

static void test_each_type(void **state)
{
	static const int types[] = {SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (i > 0)
			(void)set_up(state);
		listen_monitor(types[i]);
		vmm_notify_update(&notify);
		expect_message(types[i], "X_SYSTEMD_HOSTNAME=keel");
		expect_message(types[i], "STATUS=starting: waiting for the first word of PID 1");
		strcpy(facts.services[0].name, "a.service");
		facts.services[0].state = SERVICE_STATE_ACTIVE;
		vmm_notify_update(&notify);
		expect_message(types[i], "X_SYSTEMD_UNIT_ACTIVE=a.service");
		LOOP_UNTIL(&loop, notify.len == 0);
		assert_int_equal(notify.failures, 0);
		assert_null(loop.timers); /* nothing runs when there is nothing to say */
		if (i + 1 < ARRAY_SIZE(types))
			(void)tear_down(state);
	}
}

static void test_comes_late(void **state)
{
	(void)state;
	vmm_notify_update(&notify);
	assert_int_equal(notify.failures, 1);
	assert_int_equal(notify.fd, -1);
	vmm_notify_update(&notify); /* its time comes: nothing is done now */
	assert_int_equal(notify.failures, 1);
	listen_monitor(SOCK_STREAM);
	expect_message(SOCK_STREAM, "X_SYSTEMD_HOSTNAME=keel");
	LOOP_UNTIL(&loop, notify.failures == 0);
}

/* What listened was replaced by one with datagrams. */
static void test_comes_back_as_another_type(void **state)
{
	(void)state;
	listen_monitor(SOCK_STREAM);
	vmm_notify_update(&notify);
	expect_message(SOCK_STREAM, "X_SYSTEMD_HOSTNAME=keel");
	expect_message(SOCK_STREAM, "STATUS=starting: waiting for the first word of PID 1");
	LOOP_UNTIL(&loop, notify.len == 0);
	close_p(&monitor);
	(void)unlink(address.path);
	listen_monitor(SOCK_DGRAM);
	strcpy(facts.services[0].name, "a.service");
	facts.services[0].state = SERVICE_STATE_ACTIVE;
	vmm_notify_update(&notify);
	expect_message(SOCK_DGRAM, "X_SYSTEMD_UNIT_ACTIVE=a.service");
	LOOP_UNTIL(&loop, notify.failures == 0);
}

static void test_never_comes(void **state)
{
	(void)state;
	vmm_notify_update(&notify);
	for (unsigned int i = 1; i < VMM_NOTIFY_TRIES; i++) {
		assert_int_equal(notify.failures, i);
		assert_non_null(loop.timers);
		loop_timer_set(&loop, &notify.timer, clock_now_us(), notify.timer.fn, &notify);
		LOOP_UNTIL(&loop, notify.failures > i);
	}
	assert_null(loop.timers); /* given up */
	vmm_notify_update(&notify);
	assert_int_equal(notify.failures, VMM_NOTIFY_TRIES);
	assert_null(loop.timers);
	/* The vsock module is loaded: everything anew. */
	vmm_notify_retry_now(&notify);
	assert_int_equal(notify.failures, 1);
	listen_monitor(SOCK_DGRAM);
	vmm_notify_retry_now(&notify);
	expect_message(SOCK_DGRAM, "X_SYSTEMD_HOSTNAME=keel");
}

/* A queue of datagrams that nobody reads: one message waits for its deadline, and the loop rests. */
static void test_full(void **state)
{
	unsigned int steps = 0, rung = 0;
	int fd;

	(void)state;
	listen_monitor(SOCK_DGRAM);
	assert_int_equal(vmm_socket_open(&address, &rung, &fd), 0);
	while (send(fd, "x", 1, MSG_DONTWAIT) == 1)
		;
	vmm_notify_update(&notify);
	while (loop_test_step(&loop))
		assert_true(++steps < 10);
	assert_true(notify.len > 0);
	vmm_notify_update(&notify);
	vmm_notify_retry_now(&notify);
	loop_timer_set(&loop, &notify.timer, clock_now_us(), notify.timer.fn, &notify);
	LOOP_UNTIL(&loop, notify.failures == 1);
	assert_int_equal(notify.fd, -1);
	close_p(&fd);
}

/* Connections are taken by the kernel until its queue is full; then it is as if nobody were there. */
static void test_never_reads(void **state)
{
	(void)state;
	listen_monitor(SOCK_STREAM);
	for (unsigned int i = 0; i < 20; i++) {
		(void)snprintf(facts.services[i].name, CONTROL_NAME_MAX, "%u.service", i);
		facts.services[i].state = SERVICE_STATE_ACTIVE;
	}
	vmm_notify_update(&notify);
	LOOP_UNTIL(&loop, notify.failures == 1);
	assert_int_equal(notify.fd, -1);
}

/* The agent is stopped while there is still something to say. */
static void test_finish_says_the_rest(void **state)
{
	(void)state;
	listen_monitor(SOCK_DGRAM);
	vmm_notify_update(&notify);
	vmm_notify_finish(&notify, LOOP_TEST_DEADLINE_S * 1000);
	expect_message(SOCK_DGRAM, "X_SYSTEMD_HOSTNAME=keel");
	expect_message(SOCK_DGRAM, "STATUS=starting: waiting for the first word of PID 1");
}

static void test_no_address(void **state)
{
	(void)state;
	address.family = 0;
	vmm_notify_init(&notify, &loop, &address, &facts);
	vmm_notify_update(&notify);
	vmm_notify_retry_now(&notify);
	assert_null(loop.timers);
	assert_int_equal(notify.fd, -1);
	assert_int_equal(vmm_socket_say(&address, "x", 100), -EADDRNOTAVAIL);
}

static void test_order_of_types(void **state)
{
	static const int other[] = {
		ENODEV, ESOCKTNOSUPPORT, EPROTONOSUPPORT, EOPNOTSUPP, EPROTOTYPE};
	struct vmm_address vsock = {.family = AF_VSOCK, .cid = 2, .port = 1};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(other); i++) {
		unsigned int rung = 0;

		assert_true(vmm_socket_try_other(&vsock, &rung, -other[i]));
		assert_true(vmm_socket_try_other(&vsock, &rung, -other[i]));
		assert_int_equal(rung, 2);
		assert_false(vmm_socket_try_other(&vsock, &rung, -other[i]));
		rung = 1;
		assert_false(vmm_socket_try_other(&vsock, &rung, -ECONNREFUSED));
		/* Datagrams that are VMware's only. */
		rung = 0;
		assert_false(vmm_socket_try_other(&vsock, &rung, -EAGAIN));
		assert_true(vmm_socket_try_other(&vsock, &rung, -EHOSTUNREACH));
		assert_int_equal(rung, 1);
		rung = 0;
		vsock.type = SOCK_STREAM;
		assert_false(vmm_socket_try_other(&vsock, &rung, -other[i]));
		vsock.type = 0;
	}
}

/* ---- the last word ----------------------------------------------------------------------------- */

/* Somebody who takes one message, in a process of its own. */
static pid_t take_one(int type, const char *message)
{
	pid_t pid = fork();
	char text[64] = "";
	ssize_t len = 0, n;
	int fd = monitor;

	if (pid != 0)
		return pid;
	(void)fcntl(monitor, F_SETFL, 0);
	if (type != SOCK_DGRAM)
		fd = accept(monitor, NULL, NULL);
	do {
		n = recv(fd, text + len, sizeof(text) - 1 - (size_t)len, 0);
		len += n > 0 ? n : 0;
	} while (type != SOCK_DGRAM && n > 0);
	_exit(strcmp(text, message) == 0 ? 0 : 1);
}

static void test_last_word(void **state)
{
	static const int types[] = {SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM};
	static const char word[] = "EXIT_STATUS=0\nX_SYSTEMD_SHUTDOWN=poweroff";
	int status;
	pid_t pid;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		listen_monitor(types[i]);
		pid = take_one(types[i], word);
		assert_int_equal(vmm_socket_say(&address, word, LOOP_TEST_DEADLINE_S * 1000), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		close_p(&monitor);
		(void)unlink(address.path);
	}
}

static void test_last_word_that_nobody_takes(void **state)
{
	uint64_t begun_us = clock_now_us();
	unsigned int rung = 0;
	int fd;

	(void)state;
	assert_int_equal(vmm_socket_say(&address, "x", 100), -ENOENT);
	listen_monitor(SOCK_STREAM);
	assert_int_equal(vmm_socket_say(&address, "x", 100), -ETIMEDOUT); /* accepted by nobody */
	close_p(&monitor);
	assert_int_equal(vmm_socket_say(&address, "x", 100), -ECONNREFUSED);
	(void)unlink(address.path);
	listen_monitor(SOCK_DGRAM);
	assert_int_equal(vmm_socket_open(&address, &rung, &fd), 0);
	while (send(fd, "x", 1, MSG_DONTWAIT) == 1)
		;
	close_p(&fd);
	assert_int_equal(vmm_socket_say(&address, "x", 100), -ETIMEDOUT);
	assert_true(clock_now_us() - begun_us >= 190 * USEC_PER_MSEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_type, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_comes_late, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_comes_back_as_another_type, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_never_comes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_never_reads, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_finish_says_the_rest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_address, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_order_of_types, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_last_word, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_last_word_that_nobody_takes, set_up,
			tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
