/* SPDX-License-Identifier: MIT
 *
 * pid1.c - see pid1.h. Called by engine_hold.c.
 */
#include "init/disk/pid1.h"

#include <poll.h>
#include <sys/socket.h>

#include "lib/clock.h"

#define REQUEST_SECONDS 10

/* The next record, or -errno; -ETIMEDOUT at the deadline. */
static int receive(int fd, uint64_t deadline_us, struct control_record *record)
{
	for (;;) {
		struct pollfd pollfd = {.fd = fd, .events = POLLIN};
		const uint64_t now = clock_now_us();
		ssize_t len;

		if (now >= deadline_us)
			return -ETIMEDOUT;
		if (poll(&pollfd, 1, (int)((deadline_us - now) / USEC_PER_MSEC) + 1) <= 0)
			continue;
		len = recv(fd, record, sizeof(*record), MSG_DONTWAIT | MSG_TRUNC);
		if (len < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (len <= 0)
			return len < 0 ? -errno : -ECONNRESET;
		return control_record_valid(record, (size_t)len) ? 0 : -EPROTO;
	}
}

static int connect_and_send(enum control_verb verb, const char *unit)
{
	_cleanup_close_ int fd = control_connect();
	int rc;

	if (fd < 0)
		return fd;
	rc = control_send(fd, verb, unit);
	return rc < 0 ? rc : TAKE_FD(fd);
}

bool pid1_is_ours(void)
{
	_cleanup_close_ int fd = control_connect();
	struct ucred peer; /* of who listens, its number as we see it (unix(7)) */
	socklen_t size = sizeof(peer);

	return fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.pid == 1;
}

static bool take_result(void *ctx, const struct control_record *record)
{
	int *result = ctx;

	if (record->type != CONTROL_RECORD_RESULT)
		return false;
	*result = record->result;
	return true;
}

/* Sends the request and reads records until `done`. */
static int exchange(enum control_verb verb, const char *unit,
	bool (*done)(void *ctx, const struct control_record *record), void *ctx,
	unsigned int seconds)
{
	const uint64_t deadline_us = clock_now_us() + seconds * USEC_PER_SEC;
	_cleanup_close_ int fd = connect_and_send(verb, unit);
	struct control_record record;
	int rc;

	if (fd < 0)
		return fd;
	do {
		rc = receive(fd, deadline_us, &record);
		if (rc < 0)
			return rc;
	} while (!done(ctx, &record));
	return 0;
}

int pid1_request(enum control_verb verb, const char *unit)
{
	int result = 0;
	int rc = exchange(verb, unit, take_result, &result, REQUEST_SECONDS);

	return rc < 0 ? rc : result;
}

int pid1_watch(bool (*done)(void *ctx, const struct control_record *record), void *ctx,
	unsigned int seconds)
{
	return exchange(CONTROL_VERB_SUBSCRIBE, NULL, done, ctx, seconds);
}
