/* SPDX-License-Identifier: MIT
 *
 * transport.c - see transport.h. Callers: proxy.c, report.c, engine.c in the agent; keelctl.
 */
#include "agent/common/transport.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/clock.h"

/* How long to wait when a unix listener's queue is full: there is no event for that. */
#define RETRY_US (20 * USEC_PER_MSEC)

static void begin(struct transport *transport);

static void answer(struct transport *transport, int error)
{
	int fd = -1;

	loop_remove(transport->loop, &transport->source);
	loop_timer_cancel(transport->loop, &transport->deadline);
	loop_timer_cancel(transport->loop, &transport->retry);
	if (error == 0)
		fd = TAKE_FD(transport->fd);
	close_p(&transport->fd);
	transport->busy = false;
	transport->fn(transport->ctx, fd, error);
}

/* "OK" and, of all hypervisors, the port on the host's side. */
static bool is_ok(const char *line, size_t len)
{
	return len >= 2 && memcmp(line, "OK", 2) == 0 &&
	       (len == 2 || line[2] == ' ' || line[2] == '\r');
}

/* Reads byte by byte: what follows the line belongs to the stream. */
static void read_handshake(struct transport *transport)
{
	char byte;
	ssize_t n;

	for (;;) {
		n = recv(transport->fd, &byte, 1, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			answer(transport, -ECONNREFUSED);
			return;
		}
		if (byte == '\n')
			break;
		if (transport->line_len == sizeof(transport->line)) {
			answer(transport, -EPROTO);
			return;
		}
		transport->line[transport->line_len++] = byte;
	}
	answer(transport, is_ok(transport->line, transport->line_len) ? 0 : -ECONNREFUSED);
}

static void say_hello(struct transport *transport)
{
	char hello[32];
	int len = snprintf(hello, sizeof(hello), "CONNECT %u\n", transport->address.port);

	if (transport->address.kind != ADDRESS_HVSOCK) {
		answer(transport, 0);
		return;
	}
	/* The first bytes of a fresh socket always fit. */
	if (send(transport->fd, hello, (size_t)len, MSG_NOSIGNAL) != len) {
		answer(transport, -ECONNREFUSED);
		return;
	}
	transport->said_hello = true;
	if (loop_modify(transport->loop, &transport->source, EPOLLIN) < 0)
		answer(transport, -ENOMEM);
}

static void on_transport_event(struct loop_source *source, uint32_t events)
{
	struct transport *transport = source->ctx;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)events;
	if (transport->said_hello) {
		read_handshake(transport);
		return;
	}
	if (getsockopt(transport->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error != 0)
		answer(transport, -error);
	else
		say_hello(transport);
}

static void on_transport_deadline(struct loop_timer *timer)
{
	answer(timer->ctx, -ETIMEDOUT);
}

static void on_transport_retry(struct loop_timer *timer)
{
	begin(timer->ctx);
}

static void begin(struct transport *transport)
{
	int rc = address_connect(&transport->address, &transport->fd);

	if (rc == -EAGAIN) {
		loop_timer_set(transport->loop, &transport->retry, clock_now_us() + RETRY_US,
			on_transport_retry, transport);
		return;
	}
	if (rc == 0 && transport->address.kind != ADDRESS_HVSOCK) {
		answer(transport, 0);
		return;
	}
	if (rc == 0 || rc == -EINPROGRESS)
		rc = loop_add(transport->loop, &transport->source, transport->fd, EPOLLOUT,
			on_transport_event, transport);
	if (rc < 0)
		answer(transport, rc);
}

void transport_start(struct transport *transport, struct loop *loop, const struct address *address,
	unsigned int timeout_ms, transport_fn *fn, void *ctx)
{
	*transport = (struct transport){.loop = loop,
		.address = *address,
		.source.fd = -1,
		.fd = -1,
		.busy = true,
		.fn = fn,
		.ctx = ctx};
	loop_timer_set(loop, &transport->deadline, clock_now_us() + timeout_ms * USEC_PER_MSEC,
		on_transport_deadline, transport);
	begin(transport);
}

void transport_cancel(struct transport *transport)
{
	if (!transport->busy)
		return;
	loop_remove(transport->loop, &transport->source);
	loop_timer_cancel(transport->loop, &transport->deadline);
	loop_timer_cancel(transport->loop, &transport->retry);
	close_p(&transport->fd);
	transport->busy = false;
}

struct blocking {
	struct loop loop;
	int fd, error;
};

static void on_blocking_answer(void *ctx, int fd, int error)
{
	struct blocking *blocking = ctx;

	blocking->fd = fd;
	blocking->error = error;
	blocking->loop.stop = true;
}

int transport_connect(const struct address *address, unsigned int timeout_ms, int *fd)
{
	struct transport transport;
	struct blocking blocking = {.fd = -1};
	int rc = loop_init(&blocking.loop);

	*fd = -1;
	if (rc < 0)
		return rc;
	transport_start(&transport, &blocking.loop, address, timeout_ms, on_blocking_answer,
		&blocking);
	rc = loop_run(&blocking.loop);
	transport_cancel(&transport);
	loop_fini(&blocking.loop);
	if (rc < 0)
		return rc;
	*fd = blocking.fd;
	return blocking.error;
}
