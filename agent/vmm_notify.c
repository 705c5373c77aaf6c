/* SPDX-License-Identifier: MIT
 *
 * vmm_notify.c - see vmm_notify.h. Caller: agent.c.
 */
#include "agent/vmm_notify.h"

#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#include "agent/report.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/vmm_find.h"
#include "lib/vmm_socket.h"

#define MESSAGE_US (5 * USEC_PER_SEC)

static void say_next(struct vmm_notify *notify);

static void hang_up(struct vmm_notify *notify)
{
	loop_remove(notify->loop, &notify->source);
	loop_timer_cancel(notify->loop, &notify->timer);
	close_p(&notify->fd);
	notify->len = 0;
}

static void on_notify_retry(struct loop_timer *timer)
{
	say_next(timer->ctx);
}

static void failed(struct vmm_notify *notify, int error)
{
	uint32_t random = 0;

	hang_up(notify);
	/* What listens next may be of another type, and a transport may be there by then that has datagrams. */
	notify->rung = 0;
	if (notify->failures == 0)
		log_info("vmm.notify_socket: %s; trying again", strerror(-error));
	if (++notify->failures >= VMM_NOTIFY_TRIES)
		return;
	(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
	loop_timer_set(notify->loop, &notify->timer,
		clock_now_us() + report_backoff_ms(notify->failures - 1, random) * USEC_PER_MSEC,
		on_notify_retry, notify);
}

static void on_notify_deadline(struct loop_timer *timer)
{
	failed(timer->ctx, -ETIMEDOUT);
}

/* 0: all of it is out, -EAGAIN, or -errno. */
static int send_text(struct vmm_notify *notify)
{
	while (notify->len > 0) {
		ssize_t n = send(notify->fd, notify->text + notify->start, notify->len,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		notify->start += (size_t)n;
		notify->len -= (size_t)n;
	}
	return 0;
}

static void on_notify_event(struct loop_source *source, uint32_t events);

static void begin(struct vmm_notify *notify)
{
	int rc = vmm_socket_open(&notify->address, &notify->rung, &notify->fd);

	if (rc == 0 || rc == -EINPROGRESS)
		rc = loop_add(notify->loop, &notify->source, notify->fd, EPOLLOUT, on_notify_event,
			notify);
	if (rc < 0)
		failed(notify, rc);
}

static void on_notify_event(struct loop_source *source, uint32_t events)
{
	struct vmm_notify *notify = source->ctx;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)events;
	if (getsockopt(notify->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	error = error ? -error : send_text(notify);
	if (error == -EAGAIN)
		return;
	if (error < 0 && vmm_socket_try_other(&notify->address, &notify->rung, error)) {
		loop_remove(notify->loop, &notify->source);
		close_p(&notify->fd);
		begin(notify);
		return;
	}
	if (error < 0) {
		failed(notify, error);
		return;
	}
	/* The end of the connection is that of the message; the kernel delivers what was sent before. */
	hang_up(notify);
	if (notify->failures > 0)
		log_info("vmm.notify_socket: it listens");
	notify->failures = 0;
	notify->said = notify->saying;
	say_next(notify);
}

static void say_next(struct vmm_notify *notify)
{
	struct health health;

	health_judge(notify->facts, &health);
	notify->saying = notify->said;
	if (!vmm_words_next(notify->facts, &health, &notify->identity, &notify->saying,
		    notify->text))
		return;
	notify->start = 0;
	notify->len = strlen(notify->text);
	loop_timer_set(notify->loop, &notify->timer, clock_now_us() + MESSAGE_US,
		on_notify_deadline, notify);
	begin(notify);
}

static void read_identity(struct vmm_identity *identity)
{
	struct utsname name;
	char *id = identity->machine_id;
	ssize_t len = file_read("/etc/machine-id", id, sizeof(identity->machine_id));

	/* machine-id(5): the digits and a newline, which is left out here; an image that has none has no file, or
	 * "uninitialized". */
	if ((len < 0 && len != -EFBIG) ||
		strspn(id, "0123456789abcdef") != sizeof(identity->machine_id) - 1)
		id[0] = '\0';
	if (uname(&name) == 0)
		memcpy(identity->hostname, name.nodename,
			strnlen(name.nodename, sizeof(identity->hostname) - 1));
	text_sanitize(identity->hostname);
}

void vmm_notify_find(struct vmm_address *address)
{
	char value[VMM_VALUE_MAX];
	int rc = vmm_find(address, value);

	text_sanitize(value);
	if (rc == 0)
		log_info("vmm.notify_socket: %s", value);
	else if (rc != -ENOENT)
		log_warning("vmm.notify_socket: \"%s\" is no address that can be told anything",
			value);
}

void vmm_notify_init(struct vmm_notify *notify, struct loop *loop,
	const struct vmm_address *address, const struct facts *facts)
{
	*notify = (struct vmm_notify){
		.loop = loop, .facts = facts, .address = *address, .source.fd = -1, .fd = -1};
	if (address->family != 0)
		read_identity(&notify->identity);
}

void vmm_notify_update(struct vmm_notify *notify)
{
	/* The message that is under way is followed by what is to be said then. */
	if (notify->address.family == 0 || notify->len > 0)
		return;
	/* Given up: one attempt for what is new. */
	if (notify->failures >= VMM_NOTIFY_TRIES)
		notify->failures = VMM_NOTIFY_TRIES - 1;
	/* An attempt that is due anyway will say the newest. */
	if (notify->timer.at_us == 0)
		say_next(notify);
}

void vmm_notify_retry_now(struct vmm_notify *notify)
{
	if (notify->address.family == 0 || notify->len > 0)
		return;
	loop_timer_cancel(notify->loop, &notify->timer);
	notify->failures = 0;
	say_next(notify);
}

void vmm_notify_finish(struct vmm_notify *notify, unsigned int timeout_ms)
{
	uint64_t now_us = clock_now_us(), end_us = now_us + timeout_ms * USEC_PER_MSEC;
	struct health health;

	/* What was under way is said again. */
	hang_up(notify);
	if (notify->address.family == 0 || notify->failures > 0)
		return;
	health_judge(notify->facts, &health);
	notify->saying = notify->said;
	for (; now_us < end_us && vmm_words_next(notify->facts, &health, &notify->identity,
					  &notify->saying, notify->text);
		now_us = clock_now_us())
		if (vmm_socket_say(&notify->address, notify->text,
			    (unsigned int)((end_us - now_us) / USEC_PER_MSEC) + 1) < 0)
			return;
}
