/* SPDX-License-Identifier: MIT
 *
 * control_server.c - eight places for clients, a bit for each record that a client has not seen.
 *
 * Nothing is queued: what a slow reader has not got yet is sent in its then current form. So memory is
 * fixed and PID 1 never waits.
 */
#include "init/control_server.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "init/service.h"
#include "init/shutdown.h"
#include "init/stage.h"
#include "lib/log.h"

static void set_dirty(struct control_client *client, unsigned int record)
{
	client->dirty[record / 64] |= UINT64_C(1) << (record % 64);
}

void control_mark(struct init *init, unsigned int record)
{
	for (size_t i = 0; i < ARRAY_SIZE(init->clients); i++)
		if (init->clients[i].subscribed)
			set_dirty(&init->clients[i], record);
}

static void set_all_dirty(struct control_client *client)
{
	for (unsigned int i = 0; i < CONTROL_DIRTY_SERVICE(client->init->service_count); i++)
		set_dirty(client, i);
}

/* The lowest record that the client has not seen, or -1. */
static int next_dirty(const struct control_client *client)
{
	for (int word = 0; word < CONTROL_DIRTY_WORDS; word++)
		if (client->dirty[word])
			return word * 64 + __builtin_ctzll(client->dirty[word]);
	return -1;
}

static void drop(struct control_client *client)
{
	int fd = client->source.fd;

	loop_remove(&client->init->loop, &client->source);
	close_p(&fd);
	client->subscribed = false;
	memset(client->dirty, 0, sizeof(client->dirty));
	client->end_due = client->result_due = false;
}

static void fill(struct init *init, unsigned int number, struct control_record *record)
{
	memset(record, 0, sizeof(*record));
	if (number == CONTROL_DIRTY_BOOT) {
		record->type = CONTROL_RECORD_BOOT;
		record->boot = init->boot;
	} else if (number == CONTROL_DIRTY_DISK) {
		record->type = CONTROL_RECORD_DISK;
		record->disk = init->disk;
	} else if (number < CONTROL_DIRTY_SERVICE(0)) {
		record->type = CONTROL_RECORD_STAGE;
		record->index = (uint8_t)(number - CONTROL_DIRTY_STAGE(0));
		record->stage = init->stages[record->index].record;
	} else {
		record->type = CONTROL_RECORD_SERVICE;
		record->index = (uint8_t)(number - CONTROL_DIRTY_SERVICE(0));
		record->service = init->services[record->index].record;
	}
}

/* 0, -EAGAIN or another -errno. */
static int send_record(int fd, struct control_record *record)
{
	record->magic = CONTROL_MAGIC;
	record->version = CONTROL_VERSION;
	return send(fd, record, sizeof(*record), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int send_due(struct control_client *client)
{
	struct control_record record;
	int rc = 0, number;

	if (client->result_due) {
		memset(&record, 0, sizeof(record));
		record.type = CONTROL_RECORD_RESULT;
		record.result = client->result;
		rc = send_record(client->source.fd, &record);
		if (rc < 0)
			return rc;
		client->result_due = false;
	}
	while ((number = next_dirty(client)) >= 0) {
		fill(client->init, (unsigned int)number, &record);
		rc = send_record(client->source.fd, &record);
		if (rc < 0)
			return rc;
		client->dirty[number / 64] &= ~(UINT64_C(1) << (number % 64));
		client->end_due = true;
	}
	if (client->end_due) {
		memset(&record, 0, sizeof(record));
		record.type = CONTROL_RECORD_END;
		rc = send_record(client->source.fd, &record);
		if (rc == 0)
			client->end_due = false;
	}
	return rc;
}

static void flush_client(struct control_client *client)
{
	int rc;

	if (client->source.fd < 0 || !client->source.fn)
		return;
	rc = send_due(client);
	if (rc == 0)
		rc = loop_modify(&client->init->loop, &client->source, EPOLLIN);
	else if (rc == -EAGAIN) /* what it sent meanwhile is read when it has read what it got */
		rc = loop_modify(&client->init->loop, &client->source, EPOLLOUT);
	if (rc < 0)
		drop(client);
}

void control_flush(struct init *init)
{
	for (size_t i = 0; i < ARRAY_SIZE(init->clients); i++)
		flush_client(&init->clients[i]);
}

static int request_service(struct init *init, const struct control_request *request)
{
	struct service *service = service_find(init, request->unit);

	if (!service)
		return -ENOENT;
	if (!service->usable)
		return -ENOEXEC;
	if (init->shutdown != SHUTDOWN_NONE)
		return -ESHUTDOWN;
	switch ((enum control_verb)request->verb) {
	case CONTROL_VERB_START:
		service_start(service);
		return 0;
	case CONTROL_VERB_STOP:
		service_stop(service);
		return 0;
	case CONTROL_VERB_RESTART:
		service_restart(service);
		return 0;
	case CONTROL_VERB_TRY_RESTART:
		if (service_is_up(service))
			service_restart(service);
		return 0;
	case CONTROL_VERB_RELOAD:
		return service_reload(service);
	case CONTROL_VERB_RESET_FAILED:
		service_reset_failed(service);
		return 0;
	case CONTROL_VERB_SNAPSHOT:
	case CONTROL_VERB_SUBSCRIBE:
	case CONTROL_VERB_POWEROFF:
	case CONTROL_VERB_REBOOT:
	case CONTROL_VERB_DAEMON_RELOAD:
	case CONTROL_VERB_RESTART_STAGE:
		break;
	}
	return -EINVAL;
}

static void handle(struct control_client *client, const struct control_request *request)
{
	struct init *init = client->init;

	switch ((enum control_verb)request->verb) {
	case CONTROL_VERB_SUBSCRIBE:
		client->subscribed = true;
		set_all_dirty(client);
		return;
	case CONTROL_VERB_SNAPSHOT:
		set_all_dirty(client);
		return;
	case CONTROL_VERB_POWEROFF:
		shutdown_start(init, RB_POWER_OFF, "requested", false);
		client->result = 0;
		break;
	case CONTROL_VERB_REBOOT:
		shutdown_start(init, RB_AUTOBOOT, "requested", false);
		client->result = 0;
		break;
	case CONTROL_VERB_DAEMON_RELOAD:
		client->result =
			init->shutdown == SHUTDOWN_NONE ? service_load_again(init) : -ESHUTDOWN;
		break;
	case CONTROL_VERB_RESTART_STAGE:
		client->result = init->shutdown == SHUTDOWN_NONE
					 ? stage_restart(init, request->unit)
					 : -ESHUTDOWN;
		break;
	case CONTROL_VERB_START:
	case CONTROL_VERB_STOP:
	case CONTROL_VERB_RESTART:
	case CONTROL_VERB_RELOAD:
	case CONTROL_VERB_RESET_FAILED:
	case CONTROL_VERB_TRY_RESTART:
		client->result = request_service(init, request);
		break;
	default: /* a number from a client, not our own enum */
		client->result = -EINVAL;
		break;
	}
	client->result_due = true;
}

static void on_client(struct loop_source *source, uint32_t events)
{
	struct control_client *client = source->ctx;
	struct control_request request;
	ssize_t len = 0;

	if (events & EPOLLIN) {
		/* One request a round: its answer must have room, and others want their turn. */
		if (client->result_due)
			return;
		len = recv(source->fd, &request, sizeof(request), MSG_DONTWAIT | MSG_TRUNC);
		if (len == 0 || (len < 0 && errno != EAGAIN && errno != EINTR)) {
			drop(client);
			return;
		}
		if (len > 0 && control_request_valid(&request, (size_t)len)) {
			handle(client, &request);
		} else if (len > 0) {
			client->result = -EPROTO;
			client->result_due = true;
		}
	} else if (events & (EPOLLHUP | EPOLLERR)) {
		drop(client);
	}
	/* control_flush() at the end of the batch sends what is due. */
}

static struct control_client *free_place(struct init *init)
{
	for (size_t i = 0; i < ARRAY_SIZE(init->clients); i++)
		if (init->clients[i].source.fd < 0)
			return &init->clients[i];
	return NULL;
}

static void take_spare(struct init *init)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	init->spare_fd = fd < 0 ? -1 : fd;
}

/* Without a descriptor accept(2) fails and the client stays at the head of the queue: the loop would spin.
 * The spare one is used to take it and let it go. */
static void turn_away(struct init *init, int listen_fd)
{
	int fd;

	/* It could not be had again last time: now or at the next knock. */
	if (init->spare_fd < 0) {
		take_spare(init);
		return;
	}
	close_p(&init->spare_fd);
	fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	close_p(&fd);
	take_spare(init);
}

static void on_accept(struct loop_source *source, uint32_t events)
{
	struct init *init = source->ctx;
	struct control_client *client = free_place(init);
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t len = sizeof(peer);
	_cleanup_close_ int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0 && (errno == EMFILE || errno == ENFILE))
		turn_away(init, source->fd);
	if (fd < 0 || !client)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || peer.uid != 0)
		return;
	client->init = init;
	if (loop_add(&init->loop, &client->source, fd, EPOLLIN, on_client, client) == 0)
		(void)TAKE_FD(fd);
}

int control_listen(struct init *init)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = CONTROL_SOCKET};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	int rc;

	for (size_t i = 0; i < ARRAY_SIZE(init->clients); i++)
		init->clients[i].source.fd = -1;
	take_spare(init);
	if (fd < 0)
		return -errno;
	(void)unlink(CONTROL_SOCKET);
	mask = umask(0077);
	rc = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	(void)umask(mask);
	if (rc < 0)
		return rc;
	if (listen(fd, 16) < 0)
		return -errno;
	rc = loop_add(&init->loop, &init->control, fd, EPOLLIN, on_accept, init);
	if (rc == 0)
		(void)TAKE_FD(fd);
	return rc;
}
