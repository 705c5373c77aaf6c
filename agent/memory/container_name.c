/* SPDX-License-Identifier: MIT
 *
 * container_name.c - see container_name.h. HTTP/1.0, so that the answer ends with the connection and is in one piece.
 */
#include "agent/memory/container_name.h"

#include <picohttpparser.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <yyjson.h>

#include "agent/common/facts.h"
#include "agent/common/http_line.h"
#include "lib/clock.h"

#define DEADLINE_MS 10000 /* dockerd is busy, and the memory was short */

static int parse_body(const char *text, size_t len, char *name, size_t size)
{
	/* yyjson takes sixteen bytes a value and grows by halves. Untouched pages cost nothing. */
	static _Alignas(16) char pool[CONTAINER_ANSWER_MAX * 40];
	const char *found;
	yyjson_alc alc;
	yyjson_doc *doc;

	if (len > CONTAINER_ANSWER_MAX || !yyjson_alc_pool_init(&alc, pool, sizeof(pool)))
		return -EPROTO;
	/* The reader takes a non-const text only for its in-situ mode, which is not asked for. */
	doc = yyjson_read_opts((char *)(uintptr_t)text, len, YYJSON_READ_NOFLAG, &alc, NULL);
	found = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "Name"));
	if (!found)
		return -EPROTO;
	(void)snprintf(name, size, "%s", found[0] == '/' ? found + 1 : found);
	text_sanitize(name);
	return 0;
}

int container_name_parse(const char *answer, size_t len, char *name, size_t size)
{
	struct phr_header headers[32];
	size_t count = ARRAY_SIZE(headers), message_len;
	const char *message;
	int minor, status, head;

	name[0] = '\0';
	if (!http_line_status_sane(answer, len))
		return -EPROTO;
	head = phr_parse_response(answer, len, &minor, &status, &message, &message_len, headers,
		&count, 0);
	if (head < 0 || status != 200)
		return -EPROTO;
	return parse_body(answer + head, len - (size_t)head, name, size);
}

static void finish(struct container_name *question)
{
	char name[CONTAINER_NAME_MAX];

	if (container_name_parse(question->answer, question->answer_len, name, sizeof(name)) < 0)
		name[0] = '\0';
	container_name_cancel(question);
	question->fn(question->ctx, question->id, name);
}

static void give_up(struct container_name *question)
{
	question->answer_len = 0;
	finish(question);
}

static void on_deadline(struct loop_timer *timer)
{
	give_up(timer->ctx);
}

static void on_answer(struct loop_source *source, uint32_t events)
{
	struct container_name *question = source->ctx;
	size_t room = sizeof(question->answer) - question->answer_len;
	ssize_t n = recv(question->fd, question->answer + question->answer_len, room, MSG_DONTWAIT);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		question->answer_len += (size_t)n;
	if (n == 0)
		finish(question);
	else if (n < 0 || (size_t)n == room)
		give_up(question);
}

static void on_connected(void *ctx, int fd, int error)
{
	struct container_name *question = ctx;
	char request[128 + CONTAINER_ID_MAX];
	int len = snprintf(request, sizeof(request),
		"GET /containers/%s/json HTTP/1.0\r\nUser-Agent: keel-agent\r\n\r\n", question->id);

	question->fd = fd;
	/* A few hundred bytes always fit a fresh socket. */
	if (error < 0 || send(fd, request, (size_t)len, MSG_NOSIGNAL) < 0 ||
		loop_add(question->loop, &question->source, fd, EPOLLIN, on_answer, question) < 0)
		give_up(question);
}

void container_name_init(struct container_name *question, struct loop *loop,
	const struct address *address, container_name_fn *fn, void *ctx)
{
	*question = (struct container_name){.loop = loop,
		.address = *address,
		.source.fd = -1,
		.transport.fd = -1,
		.fd = -1,
		.fn = fn,
		.ctx = ctx};
}

void container_name_ask(struct container_name *question, const char *id)
{
	(void)snprintf(question->id, sizeof(question->id), "%s", id);
	question->busy = true;
	question->answer_len = 0;
	/* The deadline is armed first: it covers connecting as well, and an answer may come at once. */
	loop_timer_set(question->loop, &question->deadline,
		clock_now_us() + DEADLINE_MS * USEC_PER_MSEC, on_deadline, question);
	transport_start(&question->transport, question->loop, &question->address, 2 * DEADLINE_MS,
		on_connected, question);
}

void container_name_cancel(struct container_name *question)
{
	if (!question->busy)
		return;
	question->busy = false;
	transport_cancel(&question->transport);
	loop_timer_cancel(question->loop, &question->deadline);
	loop_remove(question->loop, &question->source);
	close_p(&question->fd);
}
