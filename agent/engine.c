/* SPDX-License-Identifier: MIT
 *
 * engine.c - see engine.h. Caller: agent.c. Docker's API: "Ping", GET /_ping, header Api-Version.
 */
#include "agent/engine.h"

#include <picohttpparser.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "agent/common/http_line.h"
#include "lib/clock.h"

#define RETRY_MIN_US (250 * USEC_PER_MSEC)

static void engine_probe(struct engine *engine);

static void on_engine_timer(struct loop_timer *timer)
{
	engine_probe(timer->ctx);
}

static void end_probe(struct engine *engine)
{
	transport_cancel(&engine->transport);
	loop_remove(engine->loop, &engine->source);
	close_p(&engine->fd);
}

static void schedule(struct engine *engine)
{
	uint64_t delay = engine->calm_s * USEC_PER_SEC;
	uint64_t retry = RETRY_MIN_US << (engine->failures < 20 ? engine->failures : 20);

	if (engine->failures > 0 && retry / 2 < delay)
		delay = retry / 2;
	loop_timer_set(engine->loop, &engine->timer, clock_now_us() + delay, on_engine_timer,
		engine);
}

static void set_state(struct engine *engine, enum engine_state state, const char *version,
	const char *reason)
{
	struct facts_engine next = *engine->facts;

	next.state = state;
	next.was_ready |= state == ENGINE_STATE_READY;
	if (version)
		(void)snprintf(next.api_version, sizeof(next.api_version), "%s", version);
	(void)snprintf(next.reason, sizeof(next.reason), "%s", reason);
	text_sanitize(next.reason);
	text_sanitize(next.api_version);
	if (next.state == engine->facts->state && strcmp(next.reason, engine->facts->reason) == 0 &&
		strcmp(next.api_version, engine->facts->api_version) == 0)
		return;
	*engine->facts = next;
	engine->fn(engine->ctx);
}

static void probe_failed(struct engine *engine, const char *reason)
{
	end_probe(engine);
	engine->failures++;
	schedule(engine);
	set_state(engine, ENGINE_STATE_UNREACHABLE, NULL, reason);
}

static void on_engine_deadline(struct loop_timer *timer)
{
	char reason[64];

	(void)snprintf(reason, sizeof(reason), "no answer to a ping within %d s",
		ENGINE_DEADLINE_MS / 1000);
	probe_failed(timer->ctx, reason);
}

int engine_parse_answer(const char *text, size_t len, int *status, char *version,
	size_t version_size)
{
	struct phr_header headers[32];
	size_t count = ARRAY_SIZE(headers), message_len;
	const char *message;
	int minor, rc;

	version[0] = '\0';
	if (!http_line_status_sane(text, len))
		return -EPROTO;
	rc = phr_parse_response(text, len, &minor, status, &message, &message_len, headers, &count,
		0);
	if (rc == -2)
		return -EAGAIN;
	if (rc < 0)
		return -EPROTO;
	for (size_t i = 0; i < count; i++)
		if (headers[i].name && headers[i].name_len == strlen("api-version") &&
			strncasecmp(headers[i].name, "api-version", headers[i].name_len) == 0)
			(void)snprintf(version, version_size, "%.*s", (int)headers[i].value_len,
				headers[i].value);
	return *status == 200 ? 0 : -EREMOTEIO;
}

static void on_engine_answer(struct loop_source *source, uint32_t events)
{
	struct engine *engine = source->ctx;
	char version[sizeof(engine->facts->api_version)], reason[96];
	int status = 0, rc;
	ssize_t n = recv(engine->fd, engine->answer + engine->answer_len,
		sizeof(engine->answer) - engine->answer_len, MSG_DONTWAIT);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		probe_failed(engine, strerror(errno));
		return;
	}
	engine->answer_len += (size_t)n;
	rc = engine_parse_answer(engine->answer, engine->answer_len, &status, version,
		sizeof(version));
	if (rc == -EAGAIN && n > 0 && engine->answer_len < sizeof(engine->answer))
		return;
	if (rc == -EREMOTEIO)
		(void)snprintf(reason, sizeof(reason), "a ping was answered with HTTP status %d",
			status);
	else
		(void)snprintf(reason, sizeof(reason), "a ping was not answered in HTTP");
	if (rc < 0) {
		probe_failed(engine, reason);
		return;
	}
	end_probe(engine);
	engine->failures = 0;
	schedule(engine);
	set_state(engine, ENGINE_STATE_READY, version, "");
}

static void on_engine_connected(void *ctx, int fd, int error)
{
	static const char ping[] = "GET /_ping HTTP/1.1\r\nHost: docker\r\n"
				   "User-Agent: keel-agent\r\nConnection: close\r\n\r\n";
	struct engine *engine = ctx;

	if (error < 0) {
		probe_failed(engine, strerror(-error));
		return;
	}
	engine->fd = fd;
	engine->answer_len = 0;
	if (send(fd, ping, sizeof(ping) - 1, MSG_NOSIGNAL) < 0)
		error = -errno;
	if (error == 0)
		error = loop_add(engine->loop, &engine->source, fd, EPOLLIN, on_engine_answer,
			engine);
	if (error < 0)
		probe_failed(engine, strerror(-error));
}

static void engine_probe(struct engine *engine)
{
	/* The deadline is armed first: it covers connecting as well, and an answer may come at once. */
	loop_timer_set(engine->loop, &engine->timer,
		clock_now_us() + ENGINE_DEADLINE_MS * USEC_PER_MSEC, on_engine_deadline, engine);
	transport_start(&engine->transport, engine->loop, &engine->address, 2 * ENGINE_DEADLINE_MS,
		on_engine_connected, engine);
}

void engine_init(struct engine *engine, struct loop *loop, const struct address *address,
	struct facts_engine *facts, unsigned int calm_s, engine_fn *fn, void *ctx)
{
	*engine = (struct engine){.loop = loop,
		.address = *address,
		.facts = facts,
		.calm_s = calm_s ? calm_s : 1,
		.source.fd = -1,
		.fd = -1,
		.fn = fn,
		.ctx = ctx};
}

void engine_set_active(struct engine *engine, uint64_t since_us)
{
	if (engine->since_us == since_us)
		return;
	engine->since_us = since_us;
	engine_stop(engine);
	engine->facts->state = ENGINE_STATE_UNKNOWN;
	engine->facts->reason[0] = '\0';
	engine->failures = 0;
	if (since_us != 0)
		loop_timer_set(engine->loop, &engine->timer, clock_now_us(), on_engine_timer,
			engine);
}

void engine_stop(struct engine *engine)
{
	end_probe(engine);
	loop_timer_cancel(engine->loop, &engine->timer);
}
