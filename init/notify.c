/* SPDX-License-Identifier: MIT
 *
 * notify.c - see notify.h.
 */
#include "init/notify.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "init/service.h"
#include "init/text.h"
#include "lib/log.h"

/* The longest that a service may ask for: a hundred days. */
#define TIME_MAX_US (UINT64_C(100) * 24 * 3600 * 1000000)

/* Decimal, without sign; 0 if it is none, or above `max`. */
static uint64_t parse_number(const char *text, size_t len, uint64_t max)
{
	uint64_t number = 0;

	if (len == 0 || len > 18)
		return 0;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return 0;
		number = number * 10 + (uint64_t)(text[i] - '0');
	}
	return number <= max ? number : 0;
}

static bool is_text(const char *text, size_t len, const char *expected)
{
	return len == strlen(expected) && memcmp(text, expected, len) == 0;
}

static void take_field(struct notify_message *message, const char *name, size_t name_len,
	const char *value, size_t len)
{
	bool one = is_text(value, len, "1");

	if (is_text(name, name_len, "READY")) {
		message->ready |= one;
	} else if (is_text(name, name_len, "RELOADING")) {
		message->reloading |= one;
	} else if (is_text(name, name_len, "STOPPING")) {
		message->stopping |= one;
	} else if (is_text(name, name_len, "WATCHDOG")) {
		message->watchdog |= one;
		message->watchdog_trigger |= is_text(value, len, "trigger");
	} else if (is_text(name, name_len, "MAINPID")) {
		message->main_pid = (int)parse_number(value, len, INT32_MAX);
	} else if (is_text(name, name_len, "EXTEND_TIMEOUT_USEC")) {
		message->extend_us = parse_number(value, len, TIME_MAX_US);
	} else if (is_text(name, name_len, "WATCHDOG_USEC")) {
		message->watchdog_us = parse_number(value, len, TIME_MAX_US);
	} else if (is_text(name, name_len, "STATUS")) {
		if (len >= sizeof(message->status))
			len = sizeof(message->status) - 1;
		memset(message->status, 0, sizeof(message->status));
		memcpy(message->status, value, len);
		message->has_status = true;
	}
}

void notify_parse(const char *text, size_t len, struct notify_message *message)
{
	memset(message, 0, sizeof(*message));
	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t line = end ? (size_t)(end - text) : len;
		const char *equals = memchr(text, '=', line);

		if (equals)
			take_field(message, text, (size_t)(equals - text), equals + 1,
				line - (size_t)(equals - text) - 1);
		if (!end)
			break;
		len -= line + 1;
		text = end + 1;
	}
}

/* systemd.service(5), NotifyAccess=. */
static bool may_notify(const struct service *service, pid_t pid)
{
	switch (service->unit.notify_access) {
	case UNIT_NOTIFY_NONE:
		return false;
	case UNIT_NOTIFY_MAIN:
		return pid == service->main.pid;
	case UNIT_NOTIFY_EXEC:
		return pid == service->main.pid || pid == service->command.pid;
	case UNIT_NOTIFY_ALL:
		return true; /* it was found by its control group */
	}
	return false;
}

static void apply(struct service *service, const struct notify_message *message)
{
	const struct sm_facts none = {0};

	if (message->main_pid > 0 && service_set_main(service, message->main_pid) < 0)
		log_warning("%s: MAINPID=%d is not a process of this service; ignored",
			service->unit.name, message->main_pid);
	if (message->has_status)
		service_set_status(service, message->status);
	if (message->extend_us > 0)
		service_extend_timeout(service, message->extend_us);
	if (message->watchdog_us > 0)
		service_set_watchdog(service, message->watchdog_us);
	if (message->watchdog)
		service_feed_watchdog(service);
	/* A reload that is over in one message begins all the same. */
	if (message->reloading)
		service_event(service, SM_EVENT_RELOADING, none);
	if (message->ready)
		service_event(service, SM_EVENT_READY, none);
	if (message->stopping)
		service_event(service, SM_EVENT_STOPPING, none);
	if (message->watchdog_trigger)
		service_event(service, SM_EVENT_WATCHDOG, none);
}

/* One datagram. Returns false when there is none. */
static bool receive(struct init *init, int fd)
{
	char text[4096];
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int) * 4)];
	} control;
	struct iovec iov = {.iov_base = text, .iov_len = sizeof(text)};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	struct ucred credentials = {.pid = 0};
	struct notify_message message;
	struct service *service;
	ssize_t len = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (len < 0)
		return errno == EINTR;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS)
			memcpy(&credentials, CMSG_DATA(c), sizeof(credentials));
		if (c->cmsg_type ==
			SCM_RIGHTS) { /* FDSTORE is not ours: do not collect descriptors */
			int count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int)), sent;

			for (int i = 0; i < count; i++) {
				memcpy(&sent, CMSG_DATA(c) + (size_t)i * sizeof(int), sizeof(int));
				close_p(&sent);
			}
		}
	}
	service = credentials.pid > 0 ? service_find_process(init, credentials.pid) : NULL;
	if (!service || !may_notify(service, credentials.pid)) {
		log_debug("notify: message from %d, who has no say; ignored", (int)credentials.pid);
		return true;
	}
	notify_parse(text, (size_t)len, &message);
	apply(service, &message);
	return true;
}

void notify_drain(struct init *init)
{
	/* A flood must not keep the loop from everything else: the rest is for the next round. */
	for (int i = 0; i < 16 && receive(init, init->notify.fd); i++)
		;
}

static void on_message(struct loop_source *source, uint32_t events)
{
	(void)events;
	notify_drain(source->ctx);
}

int notify_listen(struct init *init)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = NOTIFY_SOCKET_PATH};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1, rc;

	if (fd < 0)
		return -errno;
	(void)unlink(NOTIFY_SOCKET_PATH);
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) < 0 ||
		bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	/* A service may run as another user; who sent what is decided by its credentials. */
	(void)chmod(NOTIFY_SOCKET_PATH, 0666);
	rc = loop_add(&init->loop, &init->notify, fd, EPOLLIN, on_message, init);
	if (rc == 0)
		(void)TAKE_FD(fd);
	return rc;
}
