/* SPDX-License-Identifier: MIT
 *
 * control_link.c - see control_link.h. Callers: unit_order.c, systemctl.c, verbs.c.
 */
#include "agent/ctl/control_link.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

/* More records than a snapshot can have: a broken peer must not hold us for ever. */
#define RECORDS_MAX 1024

static void set_timeout(int fd, int option, unsigned int timeout_ms)
{
	struct timeval time = {.tv_sec = timeout_ms / 1000, .tv_usec = (timeout_ms % 1000) * 1000};

	(void)setsockopt(fd, SOL_SOCKET, option, &time, sizeof(time));
}

void control_link_set_timeout(int fd, unsigned int timeout_ms)
{
	set_timeout(fd, SO_RCVTIMEO, timeout_ms);
}

int control_link_open(unsigned int timeout_ms)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = CONTROL_SOCKET};
	const char *path = getenv("KEEL_CONTROL");
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (path && strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	if (path)
		memcpy(address.sun_path, path, strlen(path) + 1);
	/* The send timeout also bounds connect (unix(7), socket(7)). */
	set_timeout(fd, SO_SNDTIMEO, timeout_ms);
	set_timeout(fd, SO_RCVTIMEO, timeout_ms);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

bool control_link_is_mute(int error)
{
	return error == -ENOENT || error == -ECONNREFUSED || error == -ECONNRESET ||
	       error == -EACCES || error == -EAGAIN || error == -ETIMEDOUT;
}

int control_link_next(int fd, struct control_record *record)
{
	ssize_t n;

	do
		n = recv(fd, record, sizeof(*record), MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -ECONNRESET;
	return control_record_valid(record, (size_t)n) ? 0 : -EPROTO;
}

int control_link_read(int fd, enum control_verb verb, struct facts *facts)
{
	int rc = control_send(fd, verb, NULL);

	for (int i = 0; rc == 0 && i < RECORDS_MAX; i++) {
		struct control_record record;

		rc = control_link_next(fd, &record);
		if (rc < 0)
			return rc;
		if (record.type == CONTROL_RECORD_RESULT && record.result < 0)
			return record.result;
		if (record.type == CONTROL_RECORD_END) {
			facts->link = FACTS_LINK_UP;
			return 0;
		}
		facts_apply_record(facts, &record);
	}
	return rc < 0 ? rc : -EPROTO;
}

int control_link_snapshot(unsigned int timeout_ms, struct facts *facts)
{
	_cleanup_close_ int fd = control_link_open(timeout_ms);

	return fd < 0 ? fd : control_link_read(fd, CONTROL_VERB_SNAPSHOT, facts);
}

int control_link_order(unsigned int timeout_ms, enum control_verb verb, const char *unit)
{
	_cleanup_close_ int fd = control_link_open(timeout_ms);
	int rc = fd < 0 ? fd : control_send(fd, verb, unit);

	for (int i = 0; rc == 0 && i < RECORDS_MAX; i++) {
		struct control_record record;

		rc = control_link_next(fd, &record);
		if (rc == 0 && record.type == CONTROL_RECORD_RESULT)
			return record.result;
	}
	return rc < 0 ? rc : -EPROTO;
}
