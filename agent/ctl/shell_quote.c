/* SPDX-License-Identifier: MIT
 *
 * shell_quote.c - see shell_quote.h. Caller: docker_context.c.
 */
#include "agent/ctl/shell_quote.h"

#include <string.h>

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("/._-:,+@%", c));
}

static int put(char **at, const char *end, const char *text, size_t len)
{
	if ((size_t)(end - *at) <= len)
		return -ENAMETOOLONG;
	memcpy(*at, text, len);
	*at += len;
	return 0;
}

int shell_quote(const char *text, char *buffer, size_t size)
{
	const char *end = buffer + size, *c = text;
	char *at = buffer;
	int rc;

	while (is_plain(*c) || (*c == '=' && c > text))
		c++;
	if (*text && !*c) {
		rc = put(&at, end, text, (size_t)(c - text));
	} else {
		rc = put(&at, end, "'", 1);
		for (c = text; rc == 0 && *c; c++)
			rc = *c == '\'' ? put(&at, end, "'\\''", 4) : put(&at, end, c, 1);
		if (rc == 0)
			rc = put(&at, end, "'", 1);
	}
	*at = '\0';
	return rc;
}
