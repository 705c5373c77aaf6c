/* SPDX-License-Identifier: MIT
 *
 * engine_events.c - see engine_events.h. Callers: image_sync.c, agent.c. A stream that breaks is made anew with the next update.
 */
#include "agent/engine_events.h"

#include <string.h>
#include <sys/socket.h>

#define CONNECT_MS 5000

static void disconnect(struct engine_events *events)
{
	loop_remove(events->loop, &events->source);
	close_p(&events->fd);
}

static void on_events(struct loop_source *source, uint32_t epoll_events)
{
	struct engine_events *events = source->ctx;
	char text[4096];
	ssize_t n = recv(events->fd, text, sizeof(text), MSG_DONTWAIT);

	(void)epoll_events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		disconnect(events);
	else
		events->fn(events->ctx);
}

static void on_connected(void *ctx, int fd, int error)
{
	struct engine_events *events = ctx;

	events->connecting = false;
	if (error < 0)
		return;
	events->fd = fd;
	/* A few hundred bytes always fit a fresh socket. */
	if (send(fd, events->request, strlen(events->request), MSG_NOSIGNAL) < 0 ||
		loop_add(events->loop, &events->source, fd, EPOLLIN, on_events, events) < 0)
		disconnect(events);
}

void engine_events_init(struct engine_events *events, struct loop *loop,
	const struct address *address, const char *request, const struct facts *facts,
	engine_events_fn *fn, void *ctx)
{
	*events = (struct engine_events){.loop = loop,
		.address = *address,
		.request = request,
		.facts = facts,
		.source.fd = -1,
		.fd = -1,
		.fn = fn,
		.ctx = ctx};
}

static bool is_stopping(const struct facts *facts)
{
	const struct control_service *service =
		facts_find_service(facts, engine_daemon_unit(ENGINE_DOCKERD));

	return service && service->state == SERVICE_STATE_STOPPING;
}

void engine_events_update(struct engine_events *events)
{
	const struct facts_daemon *dockerd = &events->facts->engine.daemons[ENGINE_DOCKERD];

	/* dockerd waits 5 s at its end for connections that are in use. */
	if (is_stopping(events->facts)) {
		engine_events_stop(events);
		return;
	}
	if (!dockerd->known || dockerd->state != DAEMON_STATE_READY ||
		events->facts->disk.state != DISK_STATE_MOUNTED || events->fd >= 0 ||
		events->connecting)
		return;
	events->connecting = true;
	transport_start(&events->transport, events->loop, &events->address, CONNECT_MS,
		on_connected, events);
}

void engine_events_stop(struct engine_events *events)
{
	if (events->connecting)
		transport_cancel(&events->transport);
	events->connecting = false;
	disconnect(events);
}
