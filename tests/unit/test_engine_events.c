/* SPDX-License-Identifier: MIT
 *
 * test_engine_events.c - the stream of dockerd's events is there while dockerd is, and let go of when it is to end.
 */
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/engine_events.h"
#include "tests/unit/loop_test.h"

static struct loop loop;
static struct facts facts;
static unsigned int told;

static void on_news(void *ctx)
{
	(void)ctx;
	told++;
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

/* dockerd's end of the stream, with the request taken. */
static int accept_stream(int server)
{
	char text[512];
	int fd = -1;

	LOOP_UNTIL(&loop, (fd = accept4(server, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0);
	LOOP_UNTIL(&loop, recv(fd, text, sizeof(text), 0) > 0);
	assert_int_equal(strncmp(text, "GET /events?", 12), 0);
	return fd;
}

static void dockerd_is(enum service_state state)
{
	(void)snprintf(facts.services[0].name, sizeof(facts.services[0].name), "docker.service");
	facts.services[0].state = (uint8_t)state;
}

static void test_lets_go_of_a_dockerd_that_ends(void **state)
{
	struct engine_events events;
	struct address address;
	char path[64], url[80], byte;
	int server, stream;

	(void)state;
	(void)snprintf(path, sizeof(path), "/tmp/test-engine-events-%d", (int)getpid());
	(void)snprintf(url, sizeof(url), "unix:%s", path);
	assert_int_equal(address_parse(url, &address), 0);
	server = listen_at(path);
	assert_int_equal(loop_init(&loop), 0);
	facts.engine.daemons[ENGINE_DOCKERD].known = true;
	facts.engine.daemons[ENGINE_DOCKERD].state = DAEMON_STATE_READY;
	facts.disk.state = DISK_STATE_MOUNTED;
	dockerd_is(SERVICE_STATE_ACTIVE);
	engine_events_init(&events, &loop, &address, ENGINE_EVENTS_REQUEST(ENGINE_EVENT("die")),
		&facts, on_news, NULL);
	engine_events_update(&events);
	stream = accept_stream(server);
	assert_int_equal(send(stream, "x", 1, 0), 1);
	LOOP_UNTIL(&loop, told == 1);

	engine_events_update(&events); /* one stream is enough */
	assert_int_equal(recv(stream, &byte, 1, 0), -1);
	dockerd_is(SERVICE_STATE_STOPPING);
	engine_events_update(&events);
	assert_int_equal(recv(stream, &byte, 1, 0), 0);
	engine_events_update(&events);
	assert_int_equal(accept(server, NULL, NULL), -1);

	/* While it connects. */
	(void)close(stream);
	dockerd_is(SERVICE_STATE_ACTIVE);
	engine_events_update(&events);
	dockerd_is(SERVICE_STATE_STOPPING);
	engine_events_update(&events);
	assert_false(events.connecting);
	dockerd_is(SERVICE_STATE_ACTIVE);
	engine_events_update(&events);
	(void)close(accept4(server, NULL, NULL, SOCK_CLOEXEC)); /* the one that was given up */
	(void)close(accept_stream(server));
	engine_events_stop(&events);
	(void)close(server);
	(void)unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_lets_go_of_a_dockerd_that_ends)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
