/* SPDX-License-Identifier: MIT
 *
 * http_request.h - bytes of one HTTP/1.x request (RFC 9112) into a struct. Pure; fuzzed.
 */
#pragma once

#include "lib/base.h"

#define HTTP_HEADER_MAX (8 * 1024)
#define HTTP_BODY_MAX   (64 * 1024)

/* Everything points into the caller's buffer; nothing is NUL-terminated. */
struct http_request {
	const char *method;
	size_t method_len;
	const char *path; /* without query */
	size_t path_len;
	const char *query; /* behind the '?'; NULL if there is none */
	size_t query_len;
	const char *body;
	size_t body_len;
	const char *last_event_id; /* the header of that name; NULL if there is none */
	size_t last_event_id_len;
	const char *
		upgrade; /* the protocol that the peer wants to go on in, if Connection says so too; else NULL */
	size_t upgrade_len;
	bool head;            /* the method is HEAD */
	bool keep_alive;      /* the connection may serve another request */
	bool chunks;          /* the peer knows bodies in chunks: HTTP/1.1 */
	bool expect_continue; /* valid with -EAGAIN too: the peer waits for "100 Continue" */
};

/* Looks at the first request in `data`. Returns
 *   0         it is complete; *used bytes belong to it;
 *   -EAGAIN   more bytes are needed (never with HTTP_HEADER_MAX + HTTP_BODY_MAX bytes or more);
 *   > 0       the HTTP status to refuse it with; the connection must then be closed. */
int http_request_parse(const char *data, size_t len, struct http_request *request,
	size_t *used) MUST_CHECK;

bool http_request_method_is(const struct http_request *request, const char *method);
bool http_request_path_is(const struct http_request *request, const char *path);
