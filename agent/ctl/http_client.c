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

struct head {
	int status;
	const char *body; /* behind it, in the same text */
	bool chunked, has_length;
	size_t length;
};

static const struct phr_header *find_header(const struct phr_header *headers, size_t count,
	const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (headers[i].name && headers[i].name_len == strlen(name) &&
			strncasecmp(headers[i].name, name, headers[i].name_len) == 0)
			return &headers[i];
	return NULL;
}

static int parse_length(const struct phr_header *header, size_t *length)
{
	*length = 0;
	for (size_t i = 0; i < header->value_len; i++) {
		char digit = header->value[i];

		if (digit < '0' || digit > '9' || *length > HTTP_CLIENT_ANSWER_MAX)
			return -EPROTO;
		*length = *length * 10 + (size_t)(digit - '0');
	}
	return 0;
}

/* 0, -EAGAIN or -EPROTO. */
static int parse_head(const char *text, size_t len, struct head *head)
{
	struct phr_header headers[32];
	const struct phr_header *length;
	size_t count = ARRAY_SIZE(headers), message_len;
	const char *message;
	int minor, header_len;

	if (!http_line_status_sane(text, len))
		return -EPROTO;
	header_len = phr_parse_response(text, len, &minor, &head->status, &message, &message_len,
		headers, &count, 0);
	if (header_len < 0)
		return header_len == -2 ? -EAGAIN : -EPROTO;
	head->body = text + header_len;
	head->chunked = find_header(headers, count, "transfer-encoding") != NULL;
	length = find_header(headers, count, "content-length");
	head->has_length = length;
	return length ? parse_length(length, &head->length) : 0;
}

int http_client_parse(const char *text, size_t len, bool closed, int *status, const char **body,
	size_t *body_len)
{
	struct head head = {0};
	int rc = parse_head(text, len, &head);

	if (rc == -EAGAIN && closed)
		return -EPROTO;
	if (rc < 0)
		return rc;
	*status = head.status;
	*body = head.body;
	*body_len = len - (size_t)(head.body - text);
	if (!head.has_length)
		return closed ? 0 : -EAGAIN;
	if (*body_len < head.length)
		return closed ? -EPROTO : -EAGAIN;
	*body_len = head.length;
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

enum version {
	VERSION_PLAIN,  /* HTTP/1.0, whose answers are never in chunks */
	VERSION_CHUNKS, /* HTTP/1.1 */
	VERSION_KEEP,   /* and the connection stays */
};

static int send_request(int fd, const char *method, const char *path, const char *body,
	enum version version, uint64_t end_us)
{
	char request[1024];
	int len = snprintf(request, sizeof(request),
		"%s %s HTTP/1.%d\r\nHost: keel\r\nUser-Agent: keelctl\r\nConnection: %s\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		method, path, version != VERSION_PLAIN,
		version == VERSION_KEEP ? "keep-alive" : "close", body ? strlen(body) : 0,
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
	rc = send_request(fd, method, path, body, VERSION_KEEP, end_us);
	return rc < 0 ? rc : receive(fd, end_us, answer);
}

static int open_with(const struct address *address, const char *method, const char *path,
	const char *body, enum version version, unsigned int timeout_ms)
{
	uint64_t end_us = clock_now_us() + timeout_ms * USEC_PER_MSEC;
	_cleanup_close_ int fd = -1;
	int rc = transport_connect(address, timeout_ms, &fd);

	if (rc == 0)
		rc = send_request(fd, method, path, body, version, end_us);
	return rc < 0 ? rc : TAKE_FD(fd);
}

int http_client_open(const struct address *address, const char *method, const char *path,
	const char *body, unsigned int timeout_ms)
{
	return open_with(address, method, path, body, VERSION_PLAIN, timeout_ms);
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
	/* Also of one that never stops to talk. */
	if (end_us != 0 && clock_now_us() >= end_us)
		return -ETIMEDOUT;
	for (;;) {
		ssize_t n = recv(fd, text, size, 0);
		int rc;

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

/* What is left to come of a body. */
struct rest {
	struct head head;
	struct phr_chunked_decoder decoder;
	bool done;
};

/* Gives on what the bytes, which become what they hold, have of the body. */
static int give(struct rest *rest, char *data, size_t len, http_client_piece_fn *fn, void *ctx)
{
	ssize_t behind;

	if (rest->head.chunked) {
		behind = phr_decode_chunked(&rest->decoder, data, &len);
		if (behind == -1)
			return -EPROTO;
		rest->done = behind >= 0;
	} else if (rest->head.has_length) {
		len = len < rest->head.length ? len : rest->head.length;
		rest->head.length -= len;
		rest->done = rest->head.length == 0;
	}
	return fn(ctx, rest->head.status, data, len);
}

/* The head, and what comes with it of the body. 0 or -errno. */
static int receive_head(int fd, int out_fd, uint64_t end_us, char *text, size_t size, size_t *len,
	struct head *head)
{
	int rc = -EAGAIN;

	while (rc == -EAGAIN) {
		ssize_t n = receive_piece(fd, out_fd, end_us, text + *len, size - *len);

		if (n <= 0)
			return n < 0 ? (int)n : -ECONNRESET;
		*len += (size_t)n;
		rc = parse_head(text, *len, head);
		if (rc == -EAGAIN && *len == size)
			return -EPROTO;
	}
	return rc;
}

int http_client_stream(const struct address *address, const char *method, const char *path,
	const char *request_body, unsigned int timeout_ms, unsigned int silence_ms, int out_fd,
	http_client_piece_fn *fn, void *ctx)
{
	const uint64_t end_us = clock_now_us() + timeout_ms * USEC_PER_MSEC;
	_cleanup_close_ int fd =
		open_with(address, method, path, request_body, VERSION_CHUNKS, timeout_ms);
	static char text[16 * 1024];
	struct rest rest = {.decoder = {.consume_trailer = 1}};
	size_t len = 0, at;
	int rc;

	if (fd < 0)
		return fd;
	rc = receive_head(fd, out_fd, end_us, text, sizeof(text), &len, &rest.head);
	if (rc < 0)
		return rc;
	at = (size_t)(rest.head.body - text);
	rc = give(&rest, text + at, len - at, fn, ctx);
	while (rc == 0 && !rest.done) {
		ssize_t n = receive_piece(fd, out_fd, piece_deadline(silence_ms, end_us), text,
			sizeof(text));

		if (n < 0)
			return (int)n;
		if (n == 0)
			return rest.head.chunked || rest.head.has_length ? -ECONNRESET : 0;
		rc = give(&rest, text, (size_t)n, fn, ctx);
	}
	return rc;
}
