/* SPDX-License-Identifier: MIT
 *
 * test_proxy.c - listener, transport and proxy together on real unix sockets: the way through with
 * half-close, no target, the hybrid-vsock handshake, out of descriptors.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "tests/unit/loop_test.h"

#include "agent/common/proxy.h"
#include "agent/common/transport.h"

static struct loop loop;
static struct proxy proxy;
static char directory[64];
static struct address front, back;

static struct address at(const char *name)
{
	struct address address = {.kind = ADDRESS_UNIX};

	(void)snprintf(address.path, sizeof(address.path), "%s/%s", directory, name);
	return address;
}

static int set_up(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/test_proxy.XXXXXX");
	assert_non_null(mkdtemp(directory));
	assert_int_equal(loop_init(&loop), 0);
	front = at("front");
	back = at("back");
	proxy_init(&proxy, &loop, &front, 0660, &back, 5000, "nobody is there");
	assert_int_equal(proxy_open(&proxy), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	proxy_close(&proxy);
	assert_int_equal(proxy.count, 0);
	assert_int_equal(access(front.path, F_OK), -1); /* it cleans up */
	(void)unlink(back.path);
	assert_int_equal(rmdir(directory), 0);
	loop_fini(&loop);
	return 0;
}

static int dial(const struct address *address)
{
	int fd;

	assert_int_equal(address_connect(address, &fd), 0);
	return fd;
}

static int listen_back(void)
{
	int fd;

	assert_int_equal(address_listen(&back, 0600, &fd), 0);
	return fd;
}

static bool read_text(int fd, char *text, size_t size, size_t *len, bool *end)
{
	ssize_t n = recv(fd, text + *len, size - 1 - *len, MSG_DONTWAIT);

	if (n > 0)
		*len += (size_t)n;
	text[*len] = '\0';
	*end |= n == 0;
	return *end;
}

static void test_through_with_half_close(void **state)
{
	char text[64];
	size_t len = 0;
	bool end = false;
	uint64_t bytes[2] = {0, 0};
	int target = listen_back(), client = dial(&front), engine = -1;

	(void)state;
	LOOP_UNTIL(&loop, (engine = accept4(target, NULL, NULL, SOCK_NONBLOCK)) >= 0);
	assert_int_equal(send(client, "request", 7, 0), 7);
	(void)shutdown(client, SHUT_WR);
	LOOP_UNTIL(&loop, read_text(engine, text, sizeof(text), &len, &end));
	assert_string_equal(text, "request");
	assert_int_equal(send(engine, "answer", 6, 0), 6);
	close_p(&engine);
	len = 0;
	end = false;
	LOOP_UNTIL(&loop, read_text(client, text, sizeof(text), &len, &end));
	assert_string_equal(text, "answer");
	/* Counted while it lives, and the same once it is over. */
	proxy_add_bytes(&proxy, bytes);
	assert_true(bytes[0] == 6 && bytes[1] == 7);
	LOOP_UNTIL(&loop, proxy.count == 0);
	proxy_add_bytes(&proxy, bytes);
	assert_true(bytes[0] == 12 && bytes[1] == 14);
	assert_true(proxy.counts.accepted == 1 && proxy.counts.unavailable == 0);
	close_p(&client);
	close_p(&target);
}

static void test_no_target_is_a_503(void **state)
{
	char text[2048];
	size_t len = 0;
	bool end = false;
	int client = dial(&front);

	(void)state;
	assert_int_equal(send(client, "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
	LOOP_UNTIL(&loop, read_text(client, text, sizeof(text), &len, &end));
	assert_memory_equal(text, "HTTP/1.1 503 Service Unavailable\r\n", 34);
	assert_non_null(strstr(text, "\"code\":\"engine_unavailable\""));
	assert_non_null(strstr(text, "\"message\":\"nobody is there (No such file"));
	assert_int_equal(proxy.count, 0);
	assert_true(proxy.counts.accepted == 1 && proxy.counts.unavailable == 1);
	close_p(&client);
}

/* The target goes away and comes back; the proxy does not mind. */
static void test_target_restarts(void **state)
{
	char text[2048];

	(void)state;
	for (int round = 0; round < 3; round++) {
		size_t len = 0;
		bool end = false;
		int target = listen_back(), client, engine = -1;

		client = dial(&front);
		LOOP_UNTIL(&loop, (engine = accept4(target, NULL, NULL, SOCK_NONBLOCK)) >= 0);
		close_p(&engine);
		close_p(&target);
		LOOP_UNTIL(&loop, read_text(client, text, sizeof(text), &len, &end));
		assert_int_equal(len, 0);
		close_p(&client);
		LOOP_UNTIL(&loop, proxy.count == 0);
		client = dial(&front);
		end = false;
		LOOP_UNTIL(&loop, read_text(client, text, sizeof(text), &len, &end));
		assert_non_null(strstr(text, "503"));
		close_p(&client);
	}
}

static void test_socket_mode_and_stale_file(void **state)
{
	struct listener second;
	struct stat info;

	(void)state;
	assert_int_equal(stat(front.path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0660);
	/* A socket file that a dead process left behind does not get in the way. */
	listener_init(&second, &loop, &front, 0600, NULL, NULL);
	assert_int_equal(listener_open(&second), 0);
	assert_int_equal(listener_open(&second), 0);
	assert_true(listener_is_open(&second));
	listener_close(&second);
	assert_false(listener_is_open(&second));
}

static void test_out_of_descriptors(void **state)
{
	struct rlimit limit, low;
	char byte;
	int client, spare, target;

	(void)state;
	target = listen_back();
	client = dial(&front);
	spare = dup(client);
	close_p(&spare);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = (rlim_t)client + 1; /* every number below is taken */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	/* The connection is accepted with the reserve and closed; the loop has nothing left to do. */
	LOOP_UNTIL(&loop, recv(client, &byte, 1, MSG_DONTWAIT) == 0);
	while (loop_test_step(&loop))
		;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	close_p(&client);
	/* And afterwards it serves again. */
	client = dial(&front);
	spare = -1;
	LOOP_UNTIL(&loop, (spare = accept4(target, NULL, NULL, SOCK_NONBLOCK)) >= 0);
	close_p(&spare);
	close_p(&client);
	close_p(&target);
	LOOP_UNTIL(&loop, proxy.count == 0);
}

/* ---- many, and more ---------------------------------------------------------------------------- */

/* More at once than the target's queue holds: they wait, none is lost, and nothing is kept of them. */
static void test_burst_beyond_the_targets_queue(void **state)
{
	enum { BURST = 50 };
	int clients[BURST], target = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	unsigned int served = 0;

	(void)state;
	memcpy(name.sun_path, back.path, sizeof(back.path));
	assert_int_equal(bind(target, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(target, 1), 0);
	for (int i = 0; i < BURST; i++) {
		clients[i] = dial(&front);
		assert_int_equal(send(clients[i], "x", 1, 0), 1);
	}
	LOOP_UNTIL(&loop, proxy.count == BURST);
	while (served < BURST) {
		int engine = -1;
		char byte = 0;

		LOOP_UNTIL(&loop, (engine = accept4(target, NULL, NULL, SOCK_NONBLOCK)) >= 0);
		LOOP_UNTIL(&loop, recv(engine, &byte, 1, MSG_DONTWAIT) == 1);
		assert_int_equal(send(engine, "y", 1, 0), 1);
		close_p(&engine);
		served++;
	}
	for (int i = 0; i < BURST; i++) {
		char byte = 0;

		LOOP_UNTIL(&loop, recv(clients[i], &byte, 1, MSG_DONTWAIT) == 1);
		assert_int_equal(byte, 'y');
		close_p(&clients[i]);
	}
	LOOP_UNTIL(&loop, proxy.count == 0);
	assert_int_equal(proxy.spare_count, PROXY_SPARES_MAX);
	close_p(&target);
}

/* The limit is told politely, and when one is closed the next is served. Our own connection does not count. */
static void test_limit(void **state)
{
	static int clients[PROXY_CONNECTIONS_MAX];
	int target = listen_back(), late, own, engine = -1;
	struct rlimit limit;
	char text[2048];
	size_t len = 0;
	bool end = false;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_cur < 4 * PROXY_CONNECTIONS_MAX)
		skip();
	for (unsigned int i = 0; i < PROXY_CONNECTIONS_MAX; i++) {
		clients[i] = dial(&front);
		if (i % 32 == 31)
			LOOP_UNTIL(&loop, proxy.count == i + 1);
	}
	late = dial(&front);
	LOOP_UNTIL(&loop, read_text(late, text, sizeof(text), &len, &end));
	assert_memory_equal(text, "HTTP/1.1 503 ", 13);
	assert_non_null(strstr(text, "\"code\":\"too_many_connections\""));
	close_p(&late);
	assert_int_equal(proxy_dial(&proxy, &own), 0);
	assert_int_equal(proxy.count, PROXY_CONNECTIONS_MAX + 1);
	close_p(&own);
	LOOP_UNTIL(&loop, proxy.count == PROXY_CONNECTIONS_MAX);
	close_p(&clients[0]);
	LOOP_UNTIL(&loop, proxy.count == PROXY_CONNECTIONS_MAX - 1);
	clients[0] = dial(&front);
	assert_int_equal(send(clients[0], "again", 5, 0), 5);
	LOOP_UNTIL(&loop, proxy.count == PROXY_CONNECTIONS_MAX);
	len = 0;
	for (unsigned int i = 0; i < PROXY_CONNECTIONS_MAX; i++)
		close_p(&clients[i]);
	while (len != 5) {
		end = false;
		len = 0;
		LOOP_UNTIL(&loop, (engine = accept4(target, NULL, NULL, SOCK_NONBLOCK)) >= 0);
		LOOP_UNTIL(&loop, read_text(engine, text, sizeof(text), &len, &end));
		close_p(&engine);
	}
	assert_string_equal(text, "again");
	close_p(&target);
	LOOP_UNTIL(&loop, proxy.count == 0);
}

/* ---- our own connection ------------------------------------------------------------------------- */

static unsigned int unavailable;

static void on_unavailable(void *ctx)
{
	(void)ctx;
	unavailable++;
}

static void test_dial(void **state)
{
	char text[64];
	size_t len = 0;
	bool end = false;
	int target, client, engine = -1;

	(void)state;
	unavailable = 0;
	proxy.on_unavailable = on_unavailable;
	assert_int_equal(proxy_dial(&proxy, &client), -ENOENT);
	assert_int_equal(client, -1);
	assert_int_equal(unavailable, 0);
	target = listen_back();
	assert_int_equal(proxy_dial(&proxy, &client), 0);
	assert_int_equal(send(client, "ping", 4, 0), 4);
	LOOP_UNTIL(&loop, (engine = accept4(target, NULL, NULL, SOCK_NONBLOCK)) >= 0);
	LOOP_UNTIL(&loop, (read_text(engine, text, sizeof(text), &len, &end), len == 4));
	assert_int_equal(send(engine, "pong", 4, 0), 4);
	close_p(&engine);
	len = 0;
	LOOP_UNTIL(&loop, read_text(client, text, sizeof(text), &len, &end));
	assert_string_equal(text, "pong");
	close_p(&client);
	LOOP_UNTIL(&loop, proxy.count == 0);
	close_p(&target);
	assert_int_equal(proxy_dial(&proxy, &client), -ECONNREFUSED);
	client = dial(&front);
	LOOP_UNTIL(&loop, unavailable == 1);
	close_p(&client);
}

/* ---- the target stops ---------------------------------------------------------------------------- */

struct talk {
	int client, engine;
};

static void begin_talk(struct talk *talk, int target, const char *request, const char *reply)
{
	char text[128];
	size_t len = 0;
	bool end = false;

	talk->client = dial(&front);
	talk->engine = -1;
	LOOP_UNTIL(&loop, (talk->engine = accept4(target, NULL, NULL, SOCK_NONBLOCK)) >= 0);
	assert_int_equal(send(talk->client, request, strlen(request), 0), strlen(request));
	LOOP_UNTIL(&loop,
		(read_text(talk->engine, text, sizeof(text), &len, &end), len == strlen(request)));
	len = 0;
	assert_int_equal(send(talk->engine, reply, strlen(reply), 0), strlen(reply));
	LOOP_UNTIL(&loop,
		(read_text(talk->client, text, sizeof(text), &len, &end), len == strlen(reply)));
}

static void end_talk(struct talk *talk)
{
	close_p(&talk->client);
	close_p(&talk->engine);
}

static bool ended(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

/* Only what is quiet after an answer's beginning is ended: not a request without an answer, nor what was upgraded. */
static void test_target_stops(void **state)
{
	struct talk events, waiting, attached, typed;
	int target = listen_back();
	char text[64];
	size_t len = 0;
	bool end = false;

	(void)state;
	begin_talk(&events, target, "GET /events", "HTTP/1.1 200 OK");
	begin_talk(&waiting, target, "POST /stop", "");
	begin_talk(&attached, target, "POST /attach", "HTTP/1.1 101 UPGRADED");
	begin_talk(&typed, target, "POST /attach", "HTTP/1.1 101 UPGRADED");
	assert_int_equal(send(typed.client, "ls\n", 3, 0), 3);
	LOOP_UNTIL(&loop, (read_text(typed.engine, text, sizeof(text), &len, &end), len == 3));
	assert_int_equal(send(typed.engine, "file\n", 5, 0), 5);
	len = 0;
	LOOP_UNTIL(&loop, (read_text(typed.client, text, sizeof(text), &len, &end), len == 5));
	proxy_target_stops(&proxy, false);
	assert_null(loop.timers);
	proxy_target_stops(&proxy, true);
	proxy_target_stops(&proxy, true);
	LOOP_UNTIL(&loop, ended(events.engine));
	/* The target ends its answer, the client has all of it. */
	assert_false(ended(events.client));
	assert_int_equal(send(events.engine, "0\r\n", 3, 0), 3);
	close_p(&events.engine);
	len = 0;
	end = false;
	LOOP_UNTIL(&loop, read_text(events.client, text, sizeof(text), &len, &end));
	assert_string_equal(text, "0\r\n");
	/* An answer that begins only now is ended as well, once it is quiet. */
	assert_false(ended(waiting.engine));
	assert_int_equal(send(waiting.engine, "HTTP/1.1 204", 12, 0), 12);
	LOOP_UNTIL(&loop, ended(waiting.engine));
	assert_false(ended(attached.engine));
	assert_false(ended(typed.engine));
	end_talk(&events);
	end_talk(&waiting);
	LOOP_UNTIL(&loop, proxy.count == 2);
	LOOP_UNTIL(&loop, proxy.quiet_timer.at_us == 0); /* there is nobody left to look after */
	end_talk(&attached);
	end_talk(&typed);
	LOOP_UNTIL(&loop, proxy.count == 0);
	close_p(&target);
}

static int answer_fd, answer_error, answers;

static void on_answer(void *ctx, int fd, int error)
{
	(void)ctx;
	answer_fd = fd;
	answer_error = error;
	answers++;
}

static void start_handshake(struct transport *transport, int target, int *device)
{
	struct address address = back;
	char hello[64] = "";
	size_t len = 0;
	bool end = false;

	address.kind = ADDRESS_HVSOCK;
	address.port = 701;
	answers = 0;
	transport_start(transport, &loop, &address, 20000, on_answer, NULL);
	LOOP_UNTIL(&loop, (*device = accept4(target, NULL, NULL, SOCK_NONBLOCK)) >= 0);
	LOOP_UNTIL(&loop, (read_text(*device, hello, sizeof(hello), &len, &end), len == 12));
	assert_string_equal(hello, "CONNECT 701\n");
	assert_int_equal(answers, 0);
}

static void test_hybrid_vsock_handshake(void **state)
{
	struct transport transport;
	char text[16] = "";
	size_t len = 0;
	bool end = false;
	int target = listen_back(), device = -1;

	(void)state;
	start_handshake(&transport, target, &device);
	assert_int_equal(send(device, "OK 10", 5, 0), 5);
	while (loop_test_step(&loop))
		;
	assert_int_equal(answers, 0);
	/* The first bytes of the stream may come with the line. */
	assert_int_equal(send(device, "73\nhi", 5, 0), 5);
	LOOP_UNTIL(&loop, answers == 1);
	assert_int_equal(answer_error, 0);
	LOOP_UNTIL(&loop, (read_text(answer_fd, text, sizeof(text), &len, &end), len == 2));
	assert_string_equal(text, "hi");
	close_p(&answer_fd);
	close_p(&device);

	start_handshake(&transport, target, &device);
	close_p(&device); /* nobody listens in the guest */
	LOOP_UNTIL(&loop, answers == 1);
	assert_int_equal(answer_error, -ECONNREFUSED);
	assert_int_equal(answer_fd, -1);

	start_handshake(&transport, target, &device);
	for (int i = 0; i < 70; i++)
		assert_int_equal(send(device, "x", 1, 0), 1);
	LOOP_UNTIL(&loop, answers == 1);
	assert_int_equal(answer_error, -EPROTO);
	close_p(&device);
	close_p(&target);
}

/* What a hypervisor, or something else at that path, may say; `close`: and then goes. */
static void test_handshake_answers(void **state)
{
	static const struct {
		const char *text;
		bool close;
		int error;
	} cases[] = {
		{"OK 1073741824\n", false, 0},
		{"OK\n", false, 0},
		{"OK 5\r\n", false, 0},
		{"OK 1", true, -ECONNREFUSED},
		{"OKAY\n", false, -ECONNREFUSED},
		{"O\n", false, -ECONNREFUSED},
		{"\n", false, -ECONNREFUSED},
		{"ok 1\n", false, -ECONNREFUSED},
		{" OK 1\n", false, -ECONNREFUSED},
		{"KO 1\nOK 1\n", false, -ECONNREFUSED},
		{"HTTP/1.1 400 Bad Request\r\n\r\n", true, -ECONNREFUSED},
		{"OK 00000000000000000000000000000000000000000000000000000000000000000", false,
			-EPROTO},
	};
	int target = listen_back();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t len = strlen(cases[i].text);
		struct transport transport;
		int device = -1;

		start_handshake(&transport, target, &device);
		/* Byte by byte: a line is one, however it comes. */
		for (size_t k = 0; k < len && answers == 0; k++) {
			assert_int_equal(send(device, cases[i].text + k, 1, MSG_NOSIGNAL), 1);
			while (loop_test_step(&loop))
				;
			if (answers > 0 && k + 1 < len && cases[i].error == 0)
				fail_msg("%s: taken before its end", cases[i].text);
		}
		if (cases[i].close)
			close_p(&device);
		LOOP_UNTIL(&loop, answers == 1);
		assert_int_equal(answer_error, cases[i].error);
		assert_int_equal(answer_fd >= 0, cases[i].error == 0);
		close_p(&answer_fd);
		close_p(&device);
	}
	close_p(&target);
}

static void test_transport_deadline_and_cancel(void **state)
{
	struct address address = back;
	struct transport transport;
	int target = listen_back();

	(void)state;
	address.kind = ADDRESS_HVSOCK; /* the listener never answers the handshake */
	answers = 0;
	transport_start(&transport, &loop, &address, 1, on_answer, NULL);
	LOOP_UNTIL(&loop, answers == 1);
	assert_int_equal(answer_error, -ETIMEDOUT);
	transport_start(&transport, &loop, &address, 1000000, on_answer, NULL);
	transport_cancel(&transport);
	transport_cancel(&transport);
	assert_int_equal(answers, 1);
	assert_null(loop.timers);
	close_p(&target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_through_with_half_close, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_target_is_a_503, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_target_restarts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_socket_mode_and_stale_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_out_of_descriptors, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_burst_beyond_the_targets_queue, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_limit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_dial, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_target_stops, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hybrid_vsock_handshake, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_handshake_answers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_transport_deadline_and_cancel, set_up,
			tear_down),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
