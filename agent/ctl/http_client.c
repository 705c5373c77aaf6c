/* SPDX-License-Identifier: MIT
 *
 * http_client.c - see http_client.h. Callers: most verbs.
 */
#include "agent/ctl/http_client.h"

#include <picohttpparser.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "agent/common/http_line.h"
#include "agent/common/transport.h"
#include "lib/clock.h"

/* Waits for the descriptor. 0 or -ETIMEDOUT. */
static int await(int fd, short events, uint64_t end_us)
{
	for (;;) {
		struct pollfd wait = {.fd = fd, .events = events};
		uint64_t now_us = clock_now_us();
		int n;

		if (now_us >= end_us)
			return -ETIMEDOUT;
		n = poll(&wait, 1, (int)((end_us - now_us) / USEC_PER_MSEC) + 1);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

static int send_all(int fd, const char *text, size_t len, uint64_t end_us)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
		int rc;

		if (n >= 0) {
			text += n;
			len -= (size_t)n;
			continue;
		}
		/* -EPIPE would mean our output's reader. */
		if (errno != EAGAIN && errno != EINTR)
			return errno == EPIPE ? -ECONNRESET : -errno;
		rc = await(fd, POLLOUT, end_us);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* 0 and the value, or -ENOENT. */
static int content_length(const struct phr_header *headers, size_t count, size_t *length)
{
	for (size_t i = 0; i < count; i++) {
		if (!headers[i].name || headers[i].name_len != strlen("content-length") ||
			strncasecmp(headers[i].name, "content-length", headers[i].name_len) != 0)
			continue;
		*length = 0;
		for (size_t k = 0; k < headers[i].value_len; k++) {
			char digit = headers[i].value[k];

			if (digit < '0' || digit > '9' || *length > HTTP_CLIENT_ANSWER_MAX)
				return -EPROTO;
			*length = *length * 10 + (size_t)(digit - '0');
		}
		return 0;
	}
	return -ENOENT;
}

int http_client_parse(const char *text, size_t len, bool closed, int *status, const char **body,
	size_t *body_len)
{
	struct phr_header headers[32];
	size_t count = ARRAY_SIZE(headers), message_len, length = 0;
	const char *message;
	int minor, header_len, rc;

	if (!http_line_status_sane(text, len))
		return -EPROTO;
	header_len = phr_parse_response(text, len, &minor, status, &message, &message_len, headers,
		&count, 0);
	if (header_len == -2)
		return closed ? -EPROTO : -EAGAIN;
	if (header_len < 0)
		return -EPROTO;
	*body = text + header_len;
	*body_len = len - (size_t)header_len;
	rc = content_length(headers, count, &length);
	if (rc == -EPROTO)
		return rc;
	if (rc == -ENOENT)
		return closed ? 0 : -EAGAIN;
	if (*body_len < length)
		return closed ? -EPROTO : -EAGAIN;
	*body_len = length;
	return 0;
}

static int receive(int fd, uint64_t end_us, struct http_answer *answer)
{
	_cleanup_free_ char *text = malloc(HTTP_CLIENT_ANSWER_MAX);
	const char *body;
	size_t len = 0;
	bool closed = false;

	if (!text)
		return -ENOMEM;
	for (;;) {
		ssize_t n = recv(fd, text + len, HTTP_CLIENT_ANSWER_MAX - len, 0);
		int rc;

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n < 0) {
			rc = await(fd, POLLIN, end_us);
			if (rc < 0)
				return rc;
			continue;
		}
		closed = n == 0;
		len += (size_t)n;
		if (closed && len == 0)
			return -ECONNRESET;
		rc = http_client_parse(text, len, closed, &answer->status, &body,
			&answer->body_len);
		if (rc == -EAGAIN && len == HTTP_CLIENT_ANSWER_MAX)
			return -EFBIG;
		if (rc == -EAGAIN)
			continue;
		if (rc < 0)
			return rc;
		answer->body = malloc(answer->body_len + 1);
		if (!answer->body)
			return -ENOMEM;
		memcpy(answer->body, body, answer->body_len);
		answer->body[answer->body_len] = '\0';
		return 0;
	}
}

/* One answer is asked for in HTTP/1.0, whose answers are never chunked. */
static int send_request(int fd, const char *method, const char *path, const char *body, bool keep,
	uint64_t end_us)
{
	char request[1024];
	int len = snprintf(request, sizeof(request),
		"%s %s HTTP/1.%d\r\nHost: keel\r\nUser-Agent: keelctl\r\nConnection: %s\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		method, path, keep, keep ? "keep-alive" : "close", body ? strlen(body) : 0,
		body ? body : "");

	if (len < 0 || (size_t)len >= sizeof(request))
		return -EFBIG;
	return send_all(fd, request, (size_t)len, end_us);
}

int http_client_exchange(int fd, const char *method, const char *path, const char *body,
	unsigned int timeout_ms, struct http_answer *answer)
{
	uint64_t end_us = clock_now_us() + timeout_ms * USEC_PER_MSEC;
	int rc;

	memset(answer, 0, sizeof(*answer));
	rc = send_request(fd, method, path, body, true, end_us);
	return rc < 0 ? rc : receive(fd, end_us, answer);
}

int http_client_open(const struct address *address, const char *method, const char *path,
	const char *body, unsigned int timeout_ms)
{
	uint64_t end_us = clock_now_us() + timeout_ms * USEC_PER_MSEC;
	_cleanup_close_ int fd = -1;
	int rc = transport_connect(address, timeout_ms, &fd);

	if (rc == 0)
		rc = send_request(fd, method, path, body, false, end_us);
	return rc < 0 ? rc : TAKE_FD(fd);
}

int http_client_ask(const struct address *address, const char *method, const char *path,
	const char *body, unsigned int timeout_ms, struct http_answer *answer)
{
	uint64_t end_us = clock_now_us() + timeout_ms * USEC_PER_MSEC;
	_cleanup_close_ int fd = -1;

	memset(answer, 0, sizeof(*answer));
	fd = http_client_open(address, method, path, body, timeout_ms);
	return fd < 0 ? fd : receive(fd, end_us, answer);
}

/* Waits for input, for the deadline (0: none), or for the reader of our output to go. */
static int await_piece(int fd, int out_fd, uint64_t end_us)
{
	struct pollfd wait[] = {{.fd = fd, .events = POLLIN}, {.fd = out_fd}};
	uint64_t now_us = clock_now_us();
	int n;

	if (end_us != 0 && now_us >= end_us)
		return -ETIMEDOUT;
	n = poll(wait, ARRAY_SIZE(wait),
		end_us ? (int)((end_us - now_us) / USEC_PER_MSEC) + 1 : -1);
	if (n < 0 && errno != EINTR)
		return -errno;
	return n > 0 && (wait[1].revents & (POLLERR | POLLNVAL)) ? -EPIPE : 0;
}

/* Reads once, waiting for it. The length, 0 at the end, -errno. */
static ssize_t receive_piece(int fd, int out_fd, uint64_t end_us, char *text, size_t size)
{
	for (;;) {
		ssize_t n;
		int rc;

		/* Also of one that never stops to talk. */
		if (end_us != 0 && clock_now_us() >= end_us)
			return -ETIMEDOUT;
		n = recv(fd, text, size, 0);
		if (n >= 0)
			return n;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		rc = await_piece(fd, out_fd, end_us);
		if (rc < 0)
			return rc;
	}
}

static uint64_t piece_deadline(unsigned int silence_ms, uint64_t end_us)
{
	if (silence_ms == HTTP_CLIENT_WHOLE)
		return end_us;
	return silence_ms == HTTP_CLIENT_FOREVER ? 0 : clock_now_us() + silence_ms * USEC_PER_MSEC;
}

int http_client_stream(const struct address *address, const char *method, const char *path,
	const char *request_body, unsigned int timeout_ms, unsigned int silence_ms, int out_fd,
	http_client_piece_fn *fn, void *ctx)
{
	const uint64_t end_us = clock_now_us() + timeout_ms * USEC_PER_MSEC;
	_cleanup_close_ int fd = http_client_open(address, method, path, request_body, timeout_ms);
	const char *body = NULL;
	static char text[16 * 1024];
	size_t len = 0, body_len = 0;
	int status = 0, rc;
	ssize_t n;

	if (fd < 0)
		return fd;
	/* The header, and what of the body comes with it: its length does not matter here. */
	while (!body) {
		n = receive_piece(fd, out_fd, end_us, text + len, sizeof(text) - len);
		if (n <= 0)
			return n < 0 ? (int)n : -ECONNRESET;
		len += (size_t)n;
		rc = http_client_parse(text, len, false, &status, &body, &body_len);
		if (rc == -EPROTO)
			return rc;
		if (!body && len == sizeof(text))
			return -EPROTO;
	}
	rc = fn(ctx, status, body, len - (size_t)(body - text));
	while (rc == 0) {
		n = receive_piece(fd, out_fd, piece_deadline(silence_ms, end_us), text,
			sizeof(text));
		if (n <= 0)
			return (int)n;
		rc = fn(ctx, status, text, (size_t)n);
	}
	return rc;
}
