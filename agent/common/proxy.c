/* SPDX-License-Identifier: MIT
 *
 * proxy.c - see proxy.h. A connection is one anonymous mapping that goes away with it.
 */
#include "agent/common/proxy.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "agent/common/farewell.h"
#include "agent/common/relay.h"
#include "agent/common/transport.h"
#include "lib/log.h"

struct proxy_connection {
	struct proxy *proxy;
	struct proxy_connection *next, **link;
	int client_fd; /* until the relay has it */
	bool relaying;
	struct transport transport;
	struct relay relay;
};

static void connection_free(struct proxy_connection *connection)
{
	struct proxy *proxy = connection->proxy;

	proxy->counts.bytes[0] += connection->relay.bytes[0];
	proxy->counts.bytes[1] += connection->relay.bytes[1];
	*connection->link = connection->next;
	if (connection->next)
		connection->next->link = connection->link;
	proxy->count--;
	(void)munmap(connection, sizeof(*connection));
}

static void on_relay_done(void *ctx)
{
	connection_free(ctx);
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
		if (error == 0)
			return;
		log_warning("relay: %s", strerror(-error));
	} else {
		proxy->counts.unavailable++;
		(void)snprintf(detail, sizeof(detail), "%s (%s)", proxy->unavailable,
			strerror(-error));
		farewell_problem(proxy->loop, TAKE_FD(connection->client_fd), 503,
			"engine_unavailable", detail);
		if (proxy->on_unavailable)
			proxy->on_unavailable(proxy->ctx);
	}
	connection_free(connection);
}

static void on_client(void *ctx, int fd)
{
	struct proxy *proxy = ctx;
	struct proxy_connection *connection = MAP_FAILED;

	if (proxy->count < PROXY_CONNECTIONS_MAX)
		connection = mmap(NULL, sizeof(*connection), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (connection == MAP_FAILED) {
		farewell_problem(proxy->loop, fd, 503, "too_many_connections",
			"too many Docker API connections at once; try again when some are closed");
		return;
	}
	proxy->counts.accepted++;
	connection->proxy = proxy;
	connection->client_fd = fd;
	connection->next = proxy->connections;
	connection->link = &proxy->connections;
	if (connection->next)
		connection->next->link = &connection->next;
	proxy->connections = connection;
	proxy->count++;
	transport_start(&connection->transport, proxy->loop, &proxy->target, proxy->timeout_ms,
		on_target, connection);
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
	while (proxy->connections) {
		struct proxy_connection *connection = proxy->connections;

		if (connection->relaying)
			relay_abort(&connection->relay);
		else
			transport_cancel(&connection->transport);
		close_p(&connection->client_fd);
		connection_free(connection);
	}
}
