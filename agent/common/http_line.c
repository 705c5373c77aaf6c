/* SPDX-License-Identifier: MIT
 *
 * http_line.c - see http_line.h. Callers: http_request.c, engine.c, ctl/http_client.c.
 */
#include "agent/common/http_line.h"

#include <string.h>

static bool is_digit(const char *text, size_t len, size_t at)
{
	return at < len && text[at] >= '0' && text[at] <= '9';
}

bool http_line_request_sane(const char *text, size_t len)
{
	static const char version[] = " HTTP/1.";
	const size_t version_len = sizeof(version) - 1;
	const char *end;

	/* The parser skips an empty line before the request. */
	while (len > 0 && (*text == '\r' || *text == '\n')) {
		text++;
		len--;
	}
	end = memchr(text, '\n', len);
	if (end)
		len = (size_t)(end - text);
	for (size_t at = 0; at + version_len <= len; at++)
		if (memcmp(text + at, version, version_len) == 0 &&
			is_digit(text, len, at + version_len) &&
			is_digit(text, len, at + version_len + 1))
			return false;
	return true;
}

bool http_line_status_sane(const char *text, size_t len)
{
	/* D: a digit */
	static const char pattern[] = "HTTP/1.D DDD ";

	for (size_t at = 0; at < sizeof(pattern) - 1 && at < len; at++)
		if (pattern[at] == 'D' ? !is_digit(text, len, at) : text[at] != pattern[at])
			return false;
	return true;
}
