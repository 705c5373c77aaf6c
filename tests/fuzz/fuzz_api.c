/* SPDX-License-Identifier: MIT
 *
 * fuzz_api.c - requests as a client would make them, most of them whole: several on a connection, to every route, with the
 * bodies that it takes and others, cut anywhere, to the real server over a socket pair. The input chooses: see take_request.
 *
 * What comes back must be answers, whole, one for each request up to the first after which the connection ends: a request
 * that hides in another would be one too many. fuzz_http.c has what is no request at all.
 */
#include <poll.h>
#include <picohttpparser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <yyjson.h>

#include "agent/api.h"
#include "agent/disk_request.h"
#include "agent/http.h"
#include "agent/report.h"
#include "lib/log.h"
#include "tests/fuzz/fuzz.h"

#define REQUESTS_MAX 4
#define TEXT_MAX     (128 * 1024)

struct input {
	const uint8_t *data;
	size_t size;
};

static uint8_t take(struct input *input)
{
	if (input->size == 0)
		return 0;
	input->size--;
	return *input->data++;
}

/* What is sent, and what must come of it. */
struct dialogue {
	char text[TEXT_MAX];
	size_t len;
	unsigned int answers; /* at least so many, and no more if `clean` */
	bool clean;           /* nothing was damaged: each request is one */
	bool ends;            /* the last one was the connection's last: no more is answered */
};

static void put(struct dialogue *dialogue, const char *text, size_t len)
{
	FUZZ_CHECK(dialogue->len + len <= TEXT_MAX);
	memcpy(dialogue->text + dialogue->len, text, len);
	dialogue->len += len;
}

static void put_text(struct dialogue *dialogue, const char *text)
{
	put(dialogue, text, strlen(text));
}

static const char *choose(const char *const *words, size_t count, uint8_t byte)
{
	return words[byte % count];
}

#define CHOOSE(words_, byte_) choose((words_), ARRAY_SIZE(words_), (byte_))

static const char *const methods[] = {
	"GET", "POST", "HEAD", "PUT", "OPTIONS", "DELETE", "get", "A-METHOD"};
static const char *const paths[] = {"/v1/services", "/v1/logs/docker", "/v1/logs/a%40b",
	"/v1/shutdown", "/v1/disk", "/v1/disk/list", "/v1/disk/trim", "/v1/disk/grow",
	"/v1/disk/release", "/v1/disk/repair", "/v1/disk/init", "/v1/disk/adopt",
	"/v1/memory/reclaim", "/v1/memory/target", "/v1/memory/mode", "/v1/clock", "/v1/events",
	"/v1/exec", "/livez", "/readyz", "/", "/v1/disk/", "/v1/logs/..%2f..", "/none", "/livez/",
	"/v1/diagnostics"};
/* They read dozens of files of the kernel's: seldom, or there would be time for little else. */
static const char *const slow_paths[] = {"/v1/health", "/v1/memory", "/metrics"};
static const char *const queries[] = {"", "?", "?progress=1", "?progress=2", "?lines=2&follow=1",
	"?since_us=0", "?x=1", "?&&", "?%", "?lines=99999999999999999999", "?last=300&follow=0",
	"?kinds=disk,clock", "?kinds=disk,", "?since=0123456789abcdef-1", "?names=node-exporter"};
static const char *const bodies[] = {"", "{}", "{\"action\":\"poweroff\"}",
	"{\"action\":\"reboot\",\"x\":[1,2]}", "{\"bytes\":\"all\",\"timeout_ms\":1}",
	"{\"bytes\":1}", "{\"bytes\":null}", "{\"mode\":\"off\"}",
	"{\"uuid\":\"a-b\",\"device\":\"/dev/sda\"}", "{\"device\":\"/dev/../etc/passwd\"}",
	"{\"uuid\":\"-x\"}", "{\"realtime_ms\":1e15}", "{\"realtime_us\":1771000000123456}",
	"{\"realtime_us\":-9223372036854775808,\"uncertainty_ms\":0.5}", "{\"argv\":[\"a\"]}",
	"{\"tty\":true,\"rows\":1,\"cols\":65535,\"term\":\"x\"}", "{\"argv\":[\"\"]}", "[",
	"[[[[[[[[[[[[[[[[[[[[", "\"text\"", "GET /livez HTTP/1.1\r\nHost: k\r\n\r\n",
	"0\r\n\r\nPOST /v1/shutdown HTTP/1.1\r\n"};
static const char *const fields[] = {"", "Accept: */*\r\n", "X: a\r\nY:  b \r\n",
	"Connection: keep-alive\r\n", "Content-Type: text/plain\r\n", "Expect: 100-continue\r\n",
	"User-Agent: curl/8.0\r\nAccept-Encoding: gzip, br\r\n", "Upgrade: h2c\r\n",
	"Connection: Upgrade\r\nUpgrade: keel-exec/1\r\n", "Last-Event-ID: 0123456789abcdef-1\r\n"};

enum {
	HEAD_HOST_MISSING = 1,
	HEAD_CLOSE = 2,
	HEAD_HTTP_1_0 = 4,
	HEAD_ABSOLUTE = 8,
	HEAD_EMPTY_LINE = 16,
	HEAD_DAMAGE = 0x60, /* both: what follows breaks it */
};

/* A body from the list, or bytes of the input itself. */
static size_t take_body(struct input *input, char *body, size_t size)
{
	uint8_t byte = take(input);
	size_t len;

	if (byte < 0x80) {
		const char *text = CHOOSE(bodies, byte);

		len = strlen(text);
		memcpy(body, text, len);
		return len;
	}
	for (len = 0; len < (byte & 0x7fU) && len < size && input->size > 0; len++)
		body[len] = (char)take(input);
	return len;
}

/* Lengths that lie, or lines that are none. */
static void damage(struct input *input, struct dialogue *dialogue, size_t body_len)
{
	char line[64];

	dialogue->clean = false;
	switch (take(input) % 5) {
	case 0:
		(void)snprintf(line, sizeof(line), "Content-Length: %zu\r\n", body_len + 1);
		break;
	case 1:
		(void)snprintf(line, sizeof(line), "Transfer-Encoding: chunked\r\n");
		break;
	case 2:
		(void)snprintf(line, sizeof(line), "Content-Length: %zu, %zu\r\n", body_len,
			body_len);
		break;
	case 3:
		(void)snprintf(line, sizeof(line), " folded: %c\r\n", take(input));
		break;
	default:
		line[0] = (char)take(input);
		line[1] = (char)take(input);
		line[2] = '\0';
		break;
	}
	put_text(dialogue, line);
}

/* What the parser of a job's body lets through is safe to give to a program. */
static void check_disk_body(const char *path, const char *body, size_t len)
{
	static const char prefix[] = "/v1/disk/";
	struct disk_request request;
	enum disk_verb verb;
	const char *why = NULL;

	if (strncmp(path, prefix, sizeof(prefix) - 1) != 0 ||
		disk_verb_find(path + sizeof(prefix) - 1, strlen(path) - sizeof(prefix) + 1,
			&verb) < 0 ||
		disk_request_parse(verb, body, len, &request, &why) < 0)
		return;
	FUZZ_CHECK(request.uuid[0] != '-' && memchr(request.uuid, '\0', sizeof(request.uuid)));
	FUZZ_CHECK(!request.device[0] || strncmp(request.device, "/dev/", 5) == 0);
	FUZZ_CHECK(!strstr(request.device, ".."));
}

static const char *take_path(struct input *input)
{
	uint8_t byte = take(input);

	return byte < 0xfa ? CHOOSE(paths, byte) : CHOOSE(slow_paths, byte);
}

/* Bytes: head, method, path, query, field, [body], [damage]. */
static void take_request(struct input *input, struct dialogue *dialogue)
{
	static char body[256];
	char line[64];
	uint8_t head = take(input);
	const char *method = CHOOSE(methods, take(input)), *path = take_path(input);
	size_t body_len;

	/* Of the archive its head will do: it is made of hundreds of files. */
	if (strcmp(path, "/v1/diagnostics") == 0 && strcmp(method, "GET") == 0)
		method = "HEAD";
	if (head & HEAD_EMPTY_LINE)
		put_text(dialogue, "\r\n");
	put_text(dialogue, method);
	put_text(dialogue, (head & HEAD_ABSOLUTE) ? " http://a:1" : " ");
	put_text(dialogue, path);
	put_text(dialogue, CHOOSE(queries, take(input)));
	put_text(dialogue, (head & HEAD_HTTP_1_0) ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
	if (!(head & HEAD_HOST_MISSING))
		put_text(dialogue, "Host: keel\r\n");
	if (head & HEAD_CLOSE)
		put_text(dialogue, "Connection: close\r\n");
	put_text(dialogue, CHOOSE(fields, take(input)));
	body_len = strcmp(method, "POST") == 0 ? take_body(input, body, sizeof(body)) : 0;
	if ((head & HEAD_DAMAGE) == HEAD_DAMAGE)
		damage(input, dialogue, body_len);
	if (body_len > 0) {
		(void)snprintf(line, sizeof(line), "Content-Length: %zu\r\n", body_len);
		put_text(dialogue, line);
	}
	put_text(dialogue, "\r\n");
	put(dialogue, body, body_len);
	check_disk_body(path, body, body_len);
	if (!dialogue->clean || dialogue->ends)
		return;
	dialogue->answers++;
	dialogue->ends = (head & (HEAD_CLOSE | HEAD_HTTP_1_0 | HEAD_HOST_MISSING)) != 0;
}

/* ---- the server ---------------------------------------------------------------------------------- */

static int on_command(void *ctx, enum control_verb verb)
{
	(void)ctx;
	FUZZ_CHECK(verb == CONTROL_VERB_POWEROFF || verb == CONTROL_VERB_REBOOT);
	return 0;
}

/* Nobody's clock is touched: what is asked of it must be a time that it may have. */
static int64_t clock_now(clockid_t clock)
{
	(void)clock;
	return CLOCK_EARLIEST_US;
}

static void clock_read(struct clock_kernel *kernel)
{
	*kernel = (struct clock_kernel){0};
}

static int clock_move(int64_t offset_us)
{
	FUZZ_CHECK(offset_us >= 0 && offset_us < CLOCK_LATEST_US - CLOCK_EARLIEST_US);
	return 0;
}

static bool clock_may(void)
{
	return true;
}

static void clock_find(struct clock_reference *reference, bool rtc)
{
	(void)rtc;
	*reference = (struct clock_reference){.fd = -1};
}

static const struct clock_effects clock_effects = {.now = clock_now,
	.read = clock_read,
	.step = clock_move,
	.slew = clock_move,
	.may_set = clock_may,
	.find = clock_find};

static void on_clock(void *ctx, bool resumed)
{
	(void)ctx;
	(void)resumed;
}

static void settle(struct loop *loop)
{
	struct pollfd wait = {.fd = loop->epoll_fd, .events = POLLIN};

	while (poll(&wait, 1, 0) > 0)
		FUZZ_CHECK(loop_once(loop) >= 0);
}

static char answers[2 * 1024 * 1024];
static size_t answers_len;

/* All that there is for now, however often the socket is full. */
static void drain(struct loop *loop, int fd)
{
	ssize_t n;

	settle(loop);
	while ((n = recv(fd, answers + answers_len, sizeof(answers) - answers_len, MSG_DONTWAIT)) >
		0) {
		answers_len += (size_t)n;
		settle(loop);
	}
	FUZZ_CHECK(answers_len < sizeof(answers));
}

static struct facts facts;
static struct log_streams logs;
static struct events events;
static struct clock_keeper clock_keeper;
static struct exec_sessions sessions; /* runner_use was never called: no command is run */
static struct report report;
static struct http_server server;
static const struct metrics_sources metrics = {
	.facts = &facts, .http = &server, .events = &events, .report = &report};
static struct api api = {.facts = &facts,
	.command = on_command,
	.logs = &logs,
	.clock = &clock_keeper,
	.events = &events,
	.metrics = &metrics,
	.http = &server,
	.sessions = &sessions};

static void begin(struct loop *loop)
{
	static const struct clock_limits limits = {.step_us = 128000, .dead_us = 5000};

	http_server_init(&server, loop, api_handle_request, &api);
	log_streams_init(&logs, loop, &server);
	events_init(&events, loop, &server);
	events_add(&events, EVENT_DISK, "{\"what\":\"job\"}", strlen("{\"what\":\"job\"}"));
	events_add(&events, EVENT_STAGE, "bad", 3);
	exec_sessions_init(&sessions, loop);
	clock_keeper_init(&clock_keeper, loop, &clock_effects, &limits, false, &facts.clock,
		&events, on_clock, NULL);
	clock_keeper_start(&clock_keeper);
}

static void serve(const struct dialogue *dialogue, size_t piece)
{
	static struct loop loop;
	size_t sent = 0;
	int pair[2];

	FUZZ_CHECK(loop_init(&loop) == 0);
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	begin(&loop);
	http_server_accept(&server, pair[1]);
	answers_len = 0;
	while (sent < dialogue->len) {
		size_t part = dialogue->len - sent < piece ? dialogue->len - sent : piece;
		ssize_t n = send(pair[0], dialogue->text + sent, part, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		sent += (size_t)n;
		drain(&loop, pair[0]);
	}
	(void)shutdown(pair[0], SHUT_WR);
	drain(&loop, pair[0]);
	FUZZ_CHECK(server.count == 0 && server.streams == 0 && events.followers == 0);
	http_server_close(&server);
	clock_keeper_stop(&clock_keeper);
	close_p(&pair[0]);
	settle(&loop);
	FUZZ_CHECK(!loop.timers);
	loop_fini(&loop);
}

/* ---- what came back ------------------------------------------------------------------------------ */

static void check_body(const char *head, const char *body, size_t len)
{
	yyjson_doc *doc;
	yyjson_val *root;

	if (!strstr(head, "json\r\n"))
		return;
	doc = yyjson_read(body, len, YYJSON_READ_NOFLAG);
	FUZZ_CHECK(doc);
	root = yyjson_doc_get_root(doc);
	if (strstr(head, "problem+json\r\n"))
		FUZZ_CHECK(yyjson_get_int(yyjson_obj_get(root, "status")) == atoi(head + 9) &&
			   yyjson_is_str(yyjson_obj_get(root, "code")));
	yyjson_doc_free(doc);
}

/* A body without a length: the connection's last. Chunks and events are whole; a HEAD has none. */
static void check_stream(const char *head, char *body, size_t len)
{
	struct phr_chunked_decoder decoder = {.consume_trailer = 1};
	ssize_t behind = 0;

	FUZZ_CHECK(strstr(head, "Connection: close\r\n"));
	if (len > 0 && strstr(head, "Transfer-Encoding: chunked\r\n"))
		behind = phr_decode_chunked(&decoder, body, &len);
	/* Without the last chunk: it would go on. */
	FUZZ_CHECK(behind == 0 || (behind == -2 && decoder.bytes_left_in_chunk == 0));
	if (len > 0)
		FUZZ_CHECK(strstr(head, "text/event-stream\r\n") &&
			   memcmp(body, "retry: ", 7) == 0 &&
			   memcmp(body + len - 2, "\n\n", 2) == 0);
}

/* The answer that begins at `at`: its length. A HEAD's has no body, which the next one's first line tells. */
static size_t check_answer(size_t at, bool *interim, bool *streamed)
{
	static char head[1024];
	const char *end = memmem(answers + at, answers_len - at, "\r\n\r\n", 4), *length;
	size_t head_len, body_len = 0, left;

	FUZZ_CHECK(end);
	head_len = (size_t)(end - (answers + at)) + 4;
	FUZZ_CHECK(head_len < sizeof(head) && memcmp(answers + at, "HTTP/1.1 ", 9) == 0);
	memcpy(head, answers + at, head_len);
	head[head_len] = '\0';
	*interim = atoi(head + 9) == 100;
	if (*interim)
		return head_len;
	FUZZ_CHECK(atoi(head + 9) >= 200 && atoi(head + 9) <= 503);
	length = strstr(head, "Content-Length: ");
	left = answers_len - at - head_len;
	if (!length) {
		*streamed = true;
		check_stream(head, answers + at + head_len, left);
		return head_len + left;
	}
	body_len = strtoul(length + 16, NULL, 10);
	if (left == 0 || memcmp(answers + at + head_len, "HTTP/1.1 ", left < 9 ? left : 9) == 0)
		return head_len;
	FUZZ_CHECK(body_len <= left);
	check_body(head, answers + at + head_len, body_len);
	return head_len + body_len;
}

static unsigned int count_answers(bool *streamed)
{
	unsigned int count = 0;
	bool interim;

	*streamed = false;
	for (size_t at = 0; at < answers_len;) {
		at += check_answer(at, &interim, streamed);
		count += !interim;
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dialogue dialogue;
	struct input input = {data, size};
	unsigned int count;
	size_t piece;
	bool streamed;

	log_set_level(-1);
	(void)setenv("KEEL_LOG_DIR", "/nonexistent", 1);
	dialogue.len = dialogue.answers = 0;
	dialogue.clean = true;
	dialogue.ends = false;
	piece = take(&input);
	piece = piece * piece / 4 + 1; /* a byte at a time, seldom */
	for (int i = 0; i < REQUESTS_MAX && input.size > 0; i++)
		take_request(&input, &dialogue);
	serve(&dialogue, piece);
	/* What was sent behind the request for a stream is not read. */
	count = count_answers(&streamed);
	FUZZ_CHECK(count >= dialogue.answers || streamed);
	FUZZ_CHECK(!dialogue.clean ||
		   (streamed ? count <= dialogue.answers : count == dialogue.answers));
	return 0;
}
