/* SPDX-License-Identifier: MIT
 *
 * proxy.c - see proxy.h. A connection is one anonymous mapping; a few are kept for the next ones, the others go away with
 * it.
 */
#include "agent/common/proxy.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "agent/common/farewell.h"
#include "agent/common/relay.h"
#include "agent/common/transport.h"
#include "lib/clock.h"
#include "lib/log.h"

/* How often it is looked who is quiet, while the target stops. */
#define LOOK_US (50 * USEC_PER_MSEC)
#define UPGRADE "HTTP/1.1 101"

/* The relay's sides. */
enum proxy_side { PROXY_SIDE_CLIENT, PROXY_SIDE_TARGET };

struct proxy_connection {
	struct proxy *proxy;
	struct proxy_connection *next, **link; /* of a spare one: only next */
	int client_fd;                         /* until the relay has it */
	bool relaying;
	bool own;      /* proxy_dial */
	bool upgraded; /* no longer HTTP: what is said is not ours to end */
	struct transport transport;
	struct relay relay;
};

static struct proxy_connection *connection_new(struct proxy *proxy)
{
	struct proxy_connection *connection = proxy->spares;

	if (connection) {
		proxy->spares = connection->next;
		proxy->spare_count--;
	} else {
		connection = mmap(NULL, sizeof(*connection), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (connection == MAP_FAILED)
			return NULL;
	}
	*connection = (struct proxy_connection){
		.proxy = proxy, .next = proxy->connections, .link = &proxy->connections};
	if (connection->next)
		connection->next->link = &connection->next;
	proxy->connections = connection;
	proxy->count++;
	return connection;
}

static void connection_free(struct proxy_connection *connection)
{
	struct proxy *proxy = connection->proxy;

	proxy->counts.bytes[0] += connection->relay.bytes[0];
	proxy->counts.bytes[1] += connection->relay.bytes[1];
	*connection->link = connection->next;
	if (connection->next)
		connection->next->link = connection->link;
	proxy->count--;
	if (proxy->spare_count == PROXY_SPARES_MAX) {
		(void)munmap(connection, sizeof(*connection));
		return;
	}
	connection->next = proxy->spares;
	proxy->spares = connection;
	proxy->spare_count++;
}

static void on_relay_done(void *ctx)
{
	connection_free(ctx);
}

static void on_turn(void *ctx, int side, const char *data, size_t len)
{
	struct proxy_connection *connection = ctx;

	if (side == PROXY_SIDE_TARGET && len >= strlen(UPGRADE) &&
		memcmp(data, UPGRADE, strlen(UPGRADE)) == 0)
		connection->upgraded = true;
}

static void on_target(void *ctx, int fd, int error)
{
	struct proxy_connection *connection = ctx;
	struct proxy *proxy = connection->proxy;
	char detail[160];

	if (error == 0) {
		connection->relaying = true;
		error = relay_start(&connection->relay, proxy->loop, TAKE_FD(connection->client_fd),
			fd, on_relay_done, connection);
		connection->relay.turn = on_turn;
		if (error == 0)
			return;
		log_warning("relay: %s", strerror(-error));
	} else {
		proxy->counts.unavailable++;
		(void)snprintf(detail, sizeof(detail), "%s (%s)", proxy->unavailable,
			strerror(-error));
		farewell_problem(proxy->loop, TAKE_FD(connection->client_fd), 503,
			"engine_unavailable", detail);
		if (proxy->on_unavailable && !connection->own)
			proxy->on_unavailable(proxy->ctx);
	}
	proxy->dial_error = error;
	connection_free(connection);
}

static void serve(struct proxy *proxy, int fd, bool own)
{
	struct proxy_connection *connection = NULL;

	if (own || proxy->count < PROXY_CONNECTIONS_MAX)
		connection = connection_new(proxy);
	if (!connection) {
		farewell_problem(proxy->loop, fd, 503, "too_many_connections",
			"too many Docker API connections at once; try again when some are closed");
		return;
	}
	if (!own)
		proxy->counts.accepted++;
	connection->client_fd = fd;
	connection->own = own;
	transport_start(&connection->transport, proxy->loop, &proxy->target, proxy->timeout_ms,
		on_target, connection);
}

static void on_client(void *ctx, int fd)
{
	serve(ctx, fd, false);
}

int proxy_dial(struct proxy *proxy, int *fd)
{
	int pair[2];

	*fd = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	proxy->dial_error = 0;
	serve(proxy, pair[1], true);
	if (proxy->dial_error < 0)
		close_p(&pair[0]);
	*fd = pair[0];
	return proxy->dial_error;
}

/* ---- the target stops ------------------------------------------------------------------------ */

/* The target spoke last and has not said all: an answer without an end, or a connection kept for the next request. */
static bool answer_open(const struct proxy_connection *connection)
{
	const struct relay *relay = &connection->relay;
	const struct relay_side *target = &relay->side[PROXY_SIDE_TARGET];

	return connection->relaying && !connection->upgraded && relay->speaker == target &&
	       !target->write_done;
}

static void on_quiet_timer(struct loop_timer *timer)
{
	struct proxy *proxy = timer->ctx;
	struct proxy_connection *next;
	uint64_t now_us = clock_now_us();
	bool again = false;

	for (struct proxy_connection *connection = proxy->connections; connection;
		connection = next) {
		next = connection->next;
		/* What was not answered yet may be later. */
		again |= connection->relaying && !connection->upgraded;
		if (answer_open(connection) &&
			now_us - connection->relay.moved_us >= PROXY_QUIET_US)
			relay_end_input(&connection->relay, PROXY_SIDE_TARGET);
	}
	if (again)
		loop_timer_set(proxy->loop, timer, now_us + LOOK_US, on_quiet_timer, proxy);
}

void proxy_target_stops(struct proxy *proxy, bool stops)
{
	if (!stops)
		loop_timer_cancel(proxy->loop, &proxy->quiet_timer);
	else if (proxy->quiet_timer.at_us == 0)
		loop_timer_set(proxy->loop, &proxy->quiet_timer, clock_now_us(), on_quiet_timer,
			proxy);
}

void proxy_init(struct proxy *proxy, struct loop *loop, const struct address *listen,
	unsigned int mode, const struct address *target, unsigned int timeout_ms,
	const char *unavailable)
{
	*proxy = (struct proxy){.loop = loop,
		.target = *target,
		.timeout_ms = timeout_ms,
		.unavailable = unavailable};
	listener_init(&proxy->listener, loop, listen, mode, on_client, proxy);
}

int proxy_open(struct proxy *proxy)
{
	return listener_open(&proxy->listener);
}

void proxy_add_bytes(const struct proxy *proxy, uint64_t bytes[2])
{
	const struct proxy_connection *connection;

	bytes[0] += proxy->counts.bytes[0];
	bytes[1] += proxy->counts.bytes[1];
	for (connection = proxy->connections; connection; connection = connection->next) {
		bytes[0] += connection->relay.bytes[0];
		bytes[1] += connection->relay.bytes[1];
	}
}

void proxy_close(struct proxy *proxy)
{
	listener_close(&proxy->listener);
	loop_timer_cancel(proxy->loop, &proxy->quiet_timer);
	while (proxy->connections) {
		struct proxy_connection *connection = proxy->connections;

		if (connection->relaying)
			relay_abort(&connection->relay);
		else
			transport_cancel(&connection->transport);
		close_p(&connection->client_fd);
		connection_free(connection);
	}
	while (proxy->spares) {
		struct proxy_connection *spare = proxy->spares;

		proxy->spares = spare->next;
		(void)munmap(spare, sizeof(*spare));
	}
	proxy->spare_count = 0;
}
