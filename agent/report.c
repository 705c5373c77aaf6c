/* SPDX-License-Identifier: MIT
 *
 * report.c - see report.h. Caller: agent.c.
 *
 * The host sends nothing, so nothing is read: the connection is watched for its end only (see
 * relay.c for why an empty send(2) is the way to tell a half-closed peer from one that is gone).
 */
#include "agent/report.h"

#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "agent/common/document.h"
#include "lib/clock.h"
#include "lib/log.h"

#define CONNECT_MS 5000

static struct system_facts system_facts; /* too large for a small stack */

unsigned int report_backoff_ms(unsigned int failures, uint32_t random)
{
	unsigned int ms = REPORT_BACKOFF_MAX_MS;

	if (failures < 6 && REPORT_BACKOFF_MIN_MS << failures < REPORT_BACKOFF_MAX_MS)
		ms = REPORT_BACKOFF_MIN_MS << failures;
	ms -= random % (ms / 2 + 1);
	return ms < REPORT_BACKOFF_MIN_MS ? REPORT_BACKOFF_MIN_MS : ms;
}

static void report_connect(struct report *report);

static void on_report_retry(struct loop_timer *timer)
{
	report_connect(timer->ctx);
}

static void report_lost(struct report *report, int error)
{
	char text[ADDRESS_TEXT_MAX];
	uint32_t random = 0;

	loop_remove(report->loop, &report->source);
	loop_timer_cancel(report->loop, &report->gap);
	report->flapping = report->fd >= 0 &&
			   clock_now_us() < report->connected_us + REPORT_STABLE_MS * USEC_PER_MSEC;
	if (report->fd >= 0 && !report->flapping) {
		report->failures = 0;
		report->complained = false;
	}
	close_p(&report->fd);
	report->len = 0;
	(void)address_format(&report->address, text, sizeof(text));
	if (!report->complained)
		log_info("report to %s: %s; trying again", text, strerror(-error));
	report->complained = true;
	(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
	loop_timer_set(report->loop, &report->timer,
		clock_now_us() + report_backoff_ms(report->failures, random) * USEC_PER_MSEC,
		on_report_retry, report);
	report->failures++;
}

static void on_report_gap(struct loop_timer *timer);

static void pace(struct report *report)
{
	uint64_t now_us = clock_now_us();

	if (report->paced_us < now_us)
		report->paced_us = now_us;
	report->paced_us += REPORT_GAP_MS * USEC_PER_MSEC;
}

/* True if a change has to wait a moment for those that may follow it. */
static bool wait_for_more(struct report *report)
{
	const uint64_t ahead_us = (REPORT_BURST - 1) * REPORT_GAP_MS * USEC_PER_MSEC;

	if (report->paced_us <= clock_now_us() + ahead_us)
		return false;
	loop_timer_set(report->loop, &report->gap, report->paced_us - ahead_us, on_report_gap,
		report);
	return true;
}

/* Puts the next line into the empty message. Returns false if there is nothing to say now. */
static bool compose(struct report *report, bool heartbeat)
{
	struct health health;
	const char *text;
	size_t len;

	health_judge(report->facts, &health);
	if (!report->said_hello) {
		system_read_facts(&system_facts, report->facts);
		text = document_write_report_hello(report->facts, &system_facts, &len);
		report->said_hello = true;
	} else if (report->dirty) {
		if (wait_for_more(report))
			return false;
		system_read_facts(&system_facts, report->facts);
		text = document_write_report_health(report->facts, &health, &system_facts, &len);
		report->dirty = false;
		pace(report);
	} else if (heartbeat) {
		text = document_write_report_heartbeat(&health, clock_now_us(), &len);
	} else {
		return false;
	}
	if (!text || len + 1 > sizeof(report->message)) {
		log_warning("report: a message does not fit and is left out");
		return false;
	}
	memcpy(report->message, text, len);
	report->message[len] = '\n';
	report->start = 0;
	report->len = len + 1;
	return true;
}

/* Writes what waits. 0, -EAGAIN or -errno. */
static int write_message(struct report *report)
{
	while (report->len > 0) {
		ssize_t n = send(report->fd, report->message + report->start, report->len,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		report->start += (size_t)n;
		report->len -= (size_t)n;
	}
	return 0;
}

static void on_report_heartbeat(struct loop_timer *timer);

/* Says everything there is to say, as far as the host takes it. */
static void pump(struct report *report, bool heartbeat)
{
	uint32_t events = EPOLLRDHUP | EPOLLET;
	int rc = 0;

	while (rc == 0 && (report->len > 0 || compose(report, heartbeat))) {
		heartbeat = false;
		rc = write_message(report);
	}
	if (rc == -EAGAIN) {
		events |= EPOLLOUT;
		rc = 0;
	}
	if (rc == 0)
		rc = loop_modify(report->loop, &report->source, events);
	if (rc < 0) {
		report_lost(report, rc);
		return;
	}
	loop_timer_set(report->loop, &report->timer,
		clock_now_us() + report->heartbeat_s * USEC_PER_SEC, on_report_heartbeat, report);
}

static void on_report_heartbeat(struct loop_timer *timer)
{
	pump(timer->ctx, true);
}

static void on_report_event(struct loop_source *source, uint32_t events)
{
	struct report *report = source->ctx;

	if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0 &&
		send(report->fd, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN &&
		errno != EINTR) {
		report_lost(report, -errno);
		return;
	}
	if (report->len > 0)
		pump(report, false);
}

static void on_report_connected(void *ctx, int fd, int error)
{
	struct report *report = ctx;
	char text[ADDRESS_TEXT_MAX];

	report->fd = fd;
	report->connected_us = clock_now_us();
	if (error == 0)
		error = loop_add(report->loop, &report->source, fd, EPOLLRDHUP | EPOLLET,
			on_report_event, report);
	if (error < 0) {
		report_lost(report, error);
		return;
	}
	if (!report->flapping)
		log_info("report to %s: connected",
			address_format(&report->address, text, sizeof(text)));
	report->said_hello = false;
	report->connects++;
	report->dirty = true;
	report->paced_us = 0;
	pump(report, false);
}

static void report_connect(struct report *report)
{
	loop_timer_cancel(report->loop, &report->timer);
	transport_start(&report->transport, report->loop, &report->address, CONNECT_MS,
		on_report_connected, report);
}

void report_init(struct report *report, struct loop *loop, const struct address *address,
	const struct facts *facts, unsigned int heartbeat_s)
{
	report->loop = loop;
	report->address = *address;
	report->facts = facts;
	report->heartbeat_s = heartbeat_s ? heartbeat_s : 1;
	report->source.fd = -1;
	report->fd = -1;
}

void report_start(struct report *report)
{
	if (report->started || report->address.kind == ADDRESS_NONE)
		return;
	report->started = true;
	report_connect(report);
}

static void on_report_gap(struct loop_timer *timer)
{
	struct report *report = timer->ctx;

	if (report->len == 0)
		pump(report, false);
}

void report_send_change(struct report *report)
{
	report->dirty = true;
	if (report->fd >= 0 && report->len == 0 && report->gap.at_us == 0)
		pump(report, false);
}

void report_retry_now(struct report *report)
{
	if (!report->started || report->fd >= 0)
		return;
	transport_cancel(&report->transport);
	report->failures = 0;
	report_connect(report);
}

void report_finish(struct report *report, unsigned int timeout_ms)
{
	uint64_t end_us = clock_now_us() + timeout_ms * USEC_PER_MSEC;

	report->dirty = true;
	report->paced_us = 0; /* the last word waits for nothing */
	while (report->fd >= 0) {
		struct pollfd wait = {.fd = report->fd, .events = POLLOUT};
		uint64_t now_us = clock_now_us();
		int rc;

		if (report->len == 0 && !compose(report, false))
			break;
		rc = write_message(report);
		if (rc == 0)
			continue;
		if (rc != -EAGAIN || now_us >= end_us)
			break;
		(void)poll(&wait, 1, (int)((end_us - now_us) / USEC_PER_MSEC) + 1);
	}
	loop_remove(report->loop, &report->source);
	loop_timer_cancel(report->loop, &report->timer);
	loop_timer_cancel(report->loop, &report->gap);
	transport_cancel(&report->transport);
	close_p(&report->fd);
	report->started = false;
}
