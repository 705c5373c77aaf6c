/* SPDX-License-Identifier: MIT
 *
 * http_client.h - one HTTP exchange with the agent, blocking, with a deadline.
 */
#pragma once

#include <limits.h>

#include "agent/common/address.h"
#include "lib/base.h"

#define HTTP_CLIENT_ANSWER_MAX (1024 * 1024)

struct http_answer {
	int status;
	char *body; /* malloc'ed, NUL-terminated; free it (also after an error it is NULL or free-able) */
	size_t body_len;
};

/* Connects and sends the request, as HTTP/1.0: an answer is never in chunks and ends with the connection. The descriptor, which
 * is non-blocking, or -errno. */
int http_client_open(const struct address *address, const char *method, const char *path,
	const char *body, unsigned int timeout_ms) MUST_CHECK;

/* `body` NULL: none. 0; -ETIMEDOUT at the deadline; -EPROTO for what is not HTTP; -ECONNRESET when the
 * peer closes too early; -EFBIG; or what connecting gave (transport.h). */
int http_client_ask(const struct address *address, const char *method, const char *path,
	const char *body, unsigned int timeout_ms, struct http_answer *answer) MUST_CHECK;

/* The same on a connection (transport_connect) that stays open for more, as long as each gets its answer. */
int http_client_exchange(int fd, const char *method, const char *path, const char *body,
	unsigned int timeout_ms, struct http_answer *answer) MUST_CHECK;

/* A piece of a body, as it comes. Not 0 ends it. */
typedef int http_client_piece_fn(void *ctx, int status, const char *data, size_t len);

#define HTTP_CLIENT_WHOLE   0
#define HTTP_CLIENT_FOREVER UINT_MAX

/* An answer whose body may have no end. The deadline is for the header and, with `silence_ms` HTTP_CLIENT_WHOLE, for all of
 * it; else no piece may take longer than `silence_ms`. Ends also with -EPIPE when nobody reads `out_fd` any more. 0 at the end of the body, what `fn` returned, or as
 * http_client_ask; -ECONNRESET also when the body broke off. `fn` is called at least once when there is an answer. */
int http_client_stream(const struct address *address, const char *method, const char *path,
	const char *body, unsigned int timeout_ms, unsigned int silence_ms, int out_fd,
	http_client_piece_fn *fn, void *ctx) MUST_CHECK;

/* Pure: is the text a whole answer? 0 (status and body are set; the body points into the text), -EAGAIN, or
 * -EPROTO. `closed`: the peer sends no more, which ends an answer without a length. */
int http_client_parse(const char *text, size_t len, bool closed, int *status, const char **body,
	size_t *body_len) MUST_CHECK;
