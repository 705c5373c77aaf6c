/* SPDX-License-Identifier: MIT
 *
 * engine_probe.c - see engine_probe.h. Docker's API: "Ping", GET /_ping, headers Api-Version and Server; containerd's:
 * agent/common/grpc_health.h.
 */
#include "agent/engine_probe.h"

#include <picohttpparser.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "agent/common/grpc_health.h"
#include "agent/common/http_line.h"
#include "lib/clock.h"

static const char *ping_request(size_t *len)
{
	static const char ping[] = "GET /_ping HTTP/1.1\r\nHost: docker\r\n"
				   "User-Agent: keel-agent\r\nConnection: close\r\n\r\n";

	*len = sizeof(ping) - 1;
	return ping;
}

static bool is_header(const struct phr_header *header, const char *name)
{
	return header->name && header->name_len == strlen(name) &&
	       strncasecmp(header->name, name, header->name_len) == 0;
}

static void take_header(const struct phr_header *header, struct engine_detail *detail)
{
	static const char docker[] = "Docker/";
	const char *value = header->value;
	size_t len = header->value_len, product = sizeof(docker) - 1;

	if (is_header(header, "api-version")) {
		(void)snprintf(detail->api_version, sizeof(detail->api_version), "%.*s", (int)len,
			value);
	} else if (is_header(header, "server") && len > product &&
		   memcmp(value, docker, product) == 0) {
		const char *space = memchr(value, ' ', len);

		(void)snprintf(detail->version, sizeof(detail->version), "%.*s",
			(int)((space ? (size_t)(space - value) : len) - product), value + product);
	}
}

int engine_parse_answer(const char *text, size_t len, int *status, struct engine_detail *detail)
{
	struct phr_header headers[32];
	size_t count = ARRAY_SIZE(headers), message_len;
	const char *message;
	int minor, rc;

	*detail = (struct engine_detail){0};
	if (!http_line_status_sane(text, len))
		return -EPROTO;
	rc = phr_parse_response(text, len, &minor, status, &message, &message_len, headers, &count,
		0);
	if (rc == -2)
		return -EAGAIN;
	if (rc < 0)
		return -EPROTO;
	for (size_t i = 0; i < count; i++)
		take_header(&headers[i], detail);
	return *status == 200 ? 0 : -EREMOTEIO;
}

static int read_ping(const char *answer, size_t len, struct engine_detail *detail, char *reason,
	size_t reason_size)
{
	int status = 0;
	int rc = engine_parse_answer(answer, len, &status, detail);

	if (rc == -EREMOTEIO)
		(void)snprintf(reason, reason_size, "a ping was answered with HTTP status %d",
			status);
	else
		(void)snprintf(reason, reason_size, "a ping was not answered in HTTP");
	return rc;
}

static int read_health(const char *answer, size_t len, struct engine_detail *detail, char *reason,
	size_t reason_size)
{
	unsigned int status;
	int rc = grpc_health_parse((const uint8_t *)answer, len, &status);

	(void)detail;
	if (rc == -EREMOTEIO)
		(void)snprintf(reason, reason_size,
			"a health check was answered with gRPC serving status %u", status);
	else
		(void)snprintf(reason, reason_size, "a health check was not answered in gRPC");
	/* A server without the health service answers: that is all that is asked of it. */
	return rc == -EOPNOTSUPP ? 0 : rc;
}

const struct engine_question engine_question_dockerd = {
	ping_request, "no answer to a ping", read_ping};
const struct engine_question engine_question_containerd = {
	grpc_health_request, "no answer to a health check", read_health};

static void finish(struct engine_probe *probe, int error, const struct engine_detail *detail,
	const char *reason)
{
	engine_probe_cancel(probe);
	probe->fn(probe->ctx, error, detail, reason);
}

static void on_probe_deadline(struct loop_timer *timer)
{
	struct engine_probe *probe = timer->ctx;
	char reason[64];

	(void)snprintf(reason, sizeof(reason), "%s within %u s", probe->question->silence,
		probe->deadline_ms / 1000);
	finish(probe, -ETIMEDOUT, NULL, reason);
}

static void on_probe_answer(struct loop_source *source, uint32_t events)
{
	struct engine_probe *probe = source->ctx;
	struct engine_detail detail = {0};
	char reason[96];
	ssize_t n = recv(probe->fd, probe->answer + probe->answer_len,
		sizeof(probe->answer) - probe->answer_len, MSG_DONTWAIT);
	int rc;

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		finish(probe, -errno, NULL, strerror(errno));
		return;
	}
	probe->answer_len += (size_t)n;
	rc = probe->question->read(probe->answer, probe->answer_len, &detail, reason,
		sizeof(reason));
	if (rc == -EAGAIN && n > 0 && probe->answer_len < sizeof(probe->answer))
		return;
	finish(probe, rc == -EAGAIN ? -EPROTO : rc, &detail, reason);
}

static void on_probe_connected(void *ctx, int fd, int error)
{
	struct engine_probe *probe = ctx;
	const char *request;
	size_t len;

	if (error == 0) {
		probe->fd = fd;
		request = probe->question->request(&len);
		/* A few hundred bytes always fit a fresh socket. */
		if (send(fd, request, len, MSG_NOSIGNAL) < 0)
			error = -errno;
	}
	if (error == 0)
		error = loop_add(probe->loop, &probe->source, fd, EPOLLIN, on_probe_answer, probe);
	if (error < 0)
		finish(probe, error, NULL, strerror(-error));
}

void engine_probe_init(struct engine_probe *probe, struct loop *loop, const struct address *address,
	const struct engine_question *question, unsigned int deadline_ms, engine_probe_fn *fn,
	void *ctx)
{
	*probe = (struct engine_probe){.loop = loop,
		.address = *address,
		.question = question,
		.deadline_ms = deadline_ms,
		.source.fd = -1,
		.fd = -1,
		.fn = fn,
		.ctx = ctx};
}

void engine_probe_start(struct engine_probe *probe)
{
	probe->busy = true;
	probe->answer_len = 0;
	/* The deadline is armed first: it covers connecting as well, and an answer may come at once. */
	loop_timer_set(probe->loop, &probe->deadline,
		clock_now_us() + probe->deadline_ms * USEC_PER_MSEC, on_probe_deadline, probe);
	if (probe->dial) {
		int fd, rc = probe->dial(probe->dial_ctx, &fd);

		on_probe_connected(probe, fd, rc);
		return;
	}
	transport_start(&probe->transport, probe->loop, &probe->address, 2 * probe->deadline_ms,
		on_probe_connected, probe);
}

void engine_probe_cancel(struct engine_probe *probe)
{
	probe->busy = false;
	transport_cancel(&probe->transport);
	loop_timer_cancel(probe->loop, &probe->deadline);
	loop_remove(probe->loop, &probe->source);
	close_p(&probe->fd);
}
