/* SPDX-License-Identifier: MIT
 *
 * control_client.c - see control_client.h. PID 1 is the one peer that is trusted, but a record
 * is checked all the same: a version mix after an update must not become a crash.
 */
#include "agent/control_client.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/clock.h"
#include "lib/log.h"

#define RETRY_MIN_US (200 * USEC_PER_MSEC)
#define RETRY_MAX_US (5 * USEC_PER_SEC)
/* Records taken in one wake-up: more than a whole snapshot. */
#define RECORD_BURST 64

static void client_connect(struct control_client *client);

static void on_client_retry(struct loop_timer *timer)
{
	client_connect(timer->ctx);
}

static void client_lost(struct control_client *client, const char *what, int error)
{
	uint64_t delay = RETRY_MIN_US << (client->failures < 5 ? client->failures : 5);

	loop_remove(client->loop, &client->source);
	close_p(&client->fd);
	if (!client->complained)
		log_warning("%s: %s: %s; trying again", client->path, what, strerror(-error));
	client->complained = true;
	client->failures++;
	if (client->facts->link == FACTS_LINK_UP) {
		client->facts->link = FACTS_LINK_LOST;
		client->fn(client->ctx);
	}
	loop_timer_set(client->loop, &client->retry,
		clock_now_us() + (delay < RETRY_MAX_US ? delay : RETRY_MAX_US), on_client_retry,
		client);
}

/* Takes one message. Returns 0, 1 at the end of a burst, or -errno. */
static int take_record(struct control_client *client)
{
	struct control_record record;
	ssize_t n = recv(client->fd, &record, sizeof(record), MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0)
		return -errno;
	if (n == 0)
		return -ECONNRESET;
	if (!control_record_valid(&record, (size_t)n))
		return -EPROTO;
	if (record.type == CONTROL_RECORD_RESULT) {
		if (record.result < 0)
			log_warning("PID 1 refused a request: %s", strerror(-record.result));
		return 0;
	}
	facts_apply_record(client->facts, &record);
	return record.type == CONTROL_RECORD_END ? 1 : 0;
}

static void on_client_record(struct loop_source *source, uint32_t events)
{
	struct control_client *client = source->ctx;
	bool whole = false;

	(void)events;
	for (int i = 0; i < RECORD_BURST; i++) {
		int rc = take_record(client);

		if (rc == -EAGAIN || rc == -EINTR)
			break;
		if (rc == -ECONNRESET && client->failures == 0) {
			/* Renewed at once: only when that fails are the facts old. */
			loop_remove(client->loop, &client->source);
			close_p(&client->fd);
			client->failures = 1;
			client_connect(client);
			return;
		}
		if (rc < 0) {
			client_lost(client, "receive", rc);
			return;
		}
		whole |= rc == 1;
	}
	if (!whole)
		return;
	client->facts->link = FACTS_LINK_UP;
	client->failures = 0;
	client->complained = false;
	client->fn(client->ctx);
}

static int open_subscription(struct control_client *client)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(client->path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, client->path, strlen(client->path));
	client->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (client->fd < 0)
		return -errno;
	if (connect(client->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return control_send(client->fd, CONTROL_VERB_SUBSCRIBE, NULL);
}

static void client_connect(struct control_client *client)
{
	int rc = open_subscription(client);

	if (rc == 0)
		rc = loop_add(client->loop, &client->source, client->fd, EPOLLIN, on_client_record,
			client);
	if (rc < 0)
		client_lost(client, "connect", rc);
}

void control_client_start(struct control_client *client, struct loop *loop, const char *path,
	struct facts *facts, control_client_fn *fn, void *ctx)
{
	*client = (struct control_client){.loop = loop,
		.path = path,
		.facts = facts,
		.source.fd = -1,
		.fd = -1,
		.fn = fn,
		.ctx = ctx};
	if (path)
		client_connect(client);
}

int control_client_send(struct control_client *client, enum control_verb verb, const char *unit)
{
	return client->fd < 0 ? -ENOTCONN : control_send(client->fd, verb, unit);
}

void control_client_stop(struct control_client *client)
{
	loop_remove(client->loop, &client->source);
	loop_timer_cancel(client->loop, &client->retry);
	close_p(&client->fd);
}
