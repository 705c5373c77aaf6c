/* SPDX-License-Identifier: MIT
 *
 * fuzz_http.c - what a peer can send to the HTTP server: the parser on an exact copy, then the whole
 * server over a socket pair, the bytes cut into pieces whose size is the first byte.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/api.h"
#include "agent/http.h"
#include "lib/log.h"
#include "tests/fuzz/fuzz.h"

static int on_command(void *ctx, enum control_verb verb)
{
	(void)ctx;
	FUZZ_CHECK(verb == CONTROL_VERB_POWEROFF || verb == CONTROL_VERB_REBOOT);
	return 0;
}

static void check_parser(const char *text, size_t len)
{
	struct http_request request;
	size_t used = 0;
	int rc = http_request_parse(text, len, &request, &used);

	if (rc == -EAGAIN) {
		FUZZ_CHECK(len < HTTP_HEADER_MAX + HTTP_BODY_MAX);
		return;
	}
	if (rc != 0) {
		FUZZ_CHECK(rc >= 400 && rc <= 501);
		return;
	}
	FUZZ_CHECK(used > 0 && used <= len);
	FUZZ_CHECK(request.path_len > 0 && (request.path[0] == '/' || request.path[0] == '*'));
	FUZZ_CHECK(request.path_len == 1 ||
		   (request.path >= text && request.path + request.path_len <= text + used));
	FUZZ_CHECK(request.body + request.body_len == text + used);
}

/* Everything that comes back must start like an answer of ours. */
static void check_answer(int fd)
{
	static char answer[64 * 1024];
	static bool fresh;
	ssize_t n;

	fresh = true;
	while ((n = recv(fd, answer, sizeof(answer), MSG_DONTWAIT)) > 0) {
		FUZZ_CHECK(!fresh || memcmp(answer, "HTTP/1.1 ", (size_t)(n < 9 ? n : 9)) == 0);
		fresh = false;
	}
}

static void serve(const char *text, size_t len, size_t piece)
{
	static struct facts facts;
	static struct log_streams logs;
	static struct api api = {.facts = &facts, .command = on_command, .logs = &logs};
	struct http_server server;
	struct loop loop;
	int pair[2];

	FUZZ_CHECK(loop_init(&loop) == 0);
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	http_server_init(&server, &loop, api_handle_request, &api);
	log_streams_init(&logs, &loop, &server);
	http_server_accept(&server, pair[1]);
	while (len > 0 && server.count > 0) {
		size_t part = len < piece ? len : piece;
		ssize_t n = send(pair[0], text, part, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		text += n;
		len -= (size_t)n;
		/* The connection is readable, so this never waits. */
		FUZZ_CHECK(loop_once(&loop) >= 0);
	}
	check_answer(pair[0]);
	http_server_close(&server);
	close_p(&pair[0]);
	/* Last words that wait for the peer's end: it has come. */
	while (loop.timers)
		FUZZ_CHECK(loop_once(&loop) >= 0);
	loop_fini(&loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy;

	log_set_level(-1);
	if (size < 2 || size > 100000)
		return 0;
	copy = malloc(size - 1);
	if (!copy)
		return 0;
	memcpy(copy, data + 1, size - 1);
	check_parser(copy, size - 1);
	serve(copy, size - 1, (size_t)data[0] * 16 + 1);
	free(copy);
	return 0;
}
