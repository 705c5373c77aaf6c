/* SPDX-License-Identifier: MIT
 *
 * http_request.c - see http_request.h. Caller: http.c. picohttpparser splits the header; what it
 * means is decided here, strictly: a message whose length could be read in two ways is refused.
 */
#include "agent/http_request.h"

#include <picohttpparser.h>
#include <string.h>
#include <strings.h>

#include "agent/common/http_line.h"

#define HEADERS_MAX 64

struct framing {
	bool has_length, has_host, wants_upgrade;
	size_t length;
};

static bool token_is(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

/* Is `word` in the comma-separated list? */
static bool list_has(const char *list, size_t len, const char *word)
{
	while (len > 0) {
		const char *comma = memchr(list, ',', len);
		size_t part = comma ? (size_t)(comma - list) : len;
		size_t end = part, start = 0;

		while (start < end && (list[start] == ' ' || list[start] == '\t'))
			start++;
		while (end > start && (list[end - 1] == ' ' || list[end - 1] == '\t'))
			end--;
		if (token_is(list + start, end - start, word))
			return true;
		part += comma != NULL;
		list += part;
		len -= part;
	}
	return false;
}

/* Spaces after a value are not part of it (RFC 9112 5.1). */
static void trim(struct phr_header *header)
{
	while (header->value_len > 0 && (header->value[header->value_len - 1] == ' ' ||
						header->value[header->value_len - 1] == '\t'))
		header->value_len--;
}

/* 0 or the status to refuse with. */
static int parse_length(const struct phr_header *header, struct framing *framing)
{
	size_t length = 0;

	if (header->value_len == 0 || header->value_len > 10)
		return header->value_len == 0 ? 400 : 413;
	for (size_t i = 0; i < header->value_len; i++) {
		if (header->value[i] < '0' || header->value[i] > '9')
			return 400;
		length = length * 10 + (size_t)(header->value[i] - '0');
	}
	if (framing->has_length && framing->length != length)
		return 400;
	framing->has_length = true;
	framing->length = length;
	return length > HTTP_BODY_MAX ? 413 : 0;
}

/* Letters, digits and what RFC 3986 lets a host and a port have: nothing that could end a URI's authority. "" is one too. */
static bool host_is_valid(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
			(c == '\0' || !strchr("-._~%!$&'()*+,;=:[]", c)))
			return false;
	}
	return true;
}

static int take_header(const struct phr_header *header, struct http_request *request,
	struct framing *framing)
{
	/* A folded line (obs-fold), or a space before the colon: RFC 9112 5.1 and 5.2 want them refused. */
	if (!header->name || memchr(header->name, ' ', header->name_len) ||
		memchr(header->name, '\t', header->name_len))
		return 400;
	if (token_is(header->name, header->name_len, "content-length"))
		return parse_length(header, framing);
	if (token_is(header->name, header->name_len, "transfer-encoding"))
		return 501;
	if (token_is(header->name, header->name_len, "host")) {
		if (framing->has_host || !host_is_valid(header->value, header->value_len))
			return 400;
		framing->has_host = true;
	} else if (token_is(header->name, header->name_len, "connection")) {
		if (list_has(header->value, header->value_len, "close"))
			request->keep_alive = false;
		if (list_has(header->value, header->value_len, "upgrade"))
			framing->wants_upgrade = true;
	} else if (token_is(header->name, header->name_len, "upgrade")) {
		request->upgrade = header->value;
		request->upgrade_len = header->value_len;
	} else if (token_is(header->name, header->name_len, "expect")) {
		if (!token_is(header->value, header->value_len, "100-continue"))
			return 417;
		request->expect_continue = true;
	} else if (token_is(header->name, header->name_len, "last-event-id")) {
		request->last_event_id = header->value;
		request->last_event_id_len = header->value_len;
	}
	return 0;
}

bool http_request_path_is(const struct http_request *request, const char *path)
{
	return request->path_len == strlen(path) &&
	       memcmp(request->path, path, request->path_len) == 0;
}

bool http_request_method_is(const struct http_request *request, const char *method)
{
	return request->method_len == strlen(method) &&
	       memcmp(request->method, method, request->method_len) == 0;
}

/* A proxy's absolute form loses its scheme and host; without a path it is the root's (RFC 9112 3.2.2). */
static void take_absolute(struct http_request *request)
{
	static const char scheme[] = "http://";
	const size_t skip = sizeof(scheme) - 1;
	size_t at = skip;

	if (request->path_len <= skip || strncasecmp(request->path, scheme, skip) != 0)
		return;
	while (at < request->path_len && request->path[at] != '/' && request->path[at] != '?')
		at++;
	if (at == skip)
		return; /* no host: not a target */
	request->path += at;
	request->path_len -= at;
}

/* Parts path and query. */
static int take_target(struct http_request *request)
{
	const char *target = request->path, *query;

	/* Of the whole server (RFC 9112 3.2.4). */
	if (request->path_len == 1 && request->path[0] == '*' &&
		http_request_method_is(request, "OPTIONS"))
		return 0;
	take_absolute(request);
	if (request->path == target && (request->path_len == 0 || request->path[0] != '/'))
		return 400;
	query = memchr(request->path, '?', request->path_len);
	if (query) {
		request->query = query + 1;
		request->query_len = request->path_len - (size_t)(query - request->path) - 1;
		request->path_len = (size_t)(query - request->path);
	}
	if (request->path_len == 0) {
		request->path = "/";
		request->path_len = 1;
	}
	return 0;
}

int http_request_parse(const char *data, size_t len, struct http_request *request, size_t *used)
{
	struct phr_header headers[HEADERS_MAX];
	size_t count = HEADERS_MAX;
	size_t window = len < HTTP_HEADER_MAX ? len : HTTP_HEADER_MAX;
	struct framing framing = {0};
	int minor, header_len, status;

	memset(request, 0, sizeof(*request));
	if (!http_line_request_sane(data, window))
		return 400;
	header_len = phr_parse_request(data, window, &request->method, &request->method_len,
		&request->path, &request->path_len, &minor, headers, &count, 0);
	if (header_len == -2)
		return window == HTTP_HEADER_MAX ? 431 : -EAGAIN;
	if (header_len < 0)
		return count == HEADERS_MAX ? 431 : 400;
	request->keep_alive = request->chunks = minor >= 1;
	request->head = request->method_len == 4 && memcmp(request->method, "HEAD", 4) == 0;
	for (size_t i = 0; i < count; i++) {
		trim(&headers[i]);
		status = take_header(&headers[i], request, &framing);
		if (status != 0)
			return status;
	}
	if (minor >= 1 && !framing.has_host)
		return 400;
	/* RFC 9110 10.1.1: an expectation in HTTP/1.0 is nothing. */
	if (minor == 0)
		request->expect_continue = false;
	if (!framing.wants_upgrade || minor < 1)
		request->upgrade = NULL;
	status = take_target(request);
	if (status != 0)
		return status;
	if (len - (size_t)header_len < framing.length)
		return -EAGAIN;
	request->body = data + header_len;
	request->body_len = framing.length;
	*used = (size_t)header_len + framing.length;
	return 0;
}
