/* SPDX-License-Identifier: MIT
 *
 * text.c - see text.h.
 */
#include "init/text.h"

#include <string.h>

/* The length of the well-formed UTF-8 character at `s` (RFC 3629), 0 if there is none. */
static size_t utf8_length(const unsigned char *s, size_t left)
{
	unsigned char low = 0x80,
		      high = 0xbf; /* of the second byte: no overlong forms, no surrogates */
	size_t len = s[0] < 0x80   ? 1
		     : s[0] < 0xc2 ? 0
		     : s[0] < 0xe0 ? 2
		     : s[0] < 0xf0 ? 3
		     : s[0] < 0xf5 ? 4
				   : 0;

	if (len == 0 || len > left)
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	if (s[0] == 0xed)
		high = 0x9f;
	if (s[0] == 0xf0)
		low = 0x90;
	if (s[0] == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < len; i++) {
		if (s[i] < low || s[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return len;
}

void text_copy(char *to, size_t size, const char *from)
{
	size_t len = strnlen(from, size - 1);

	for (size_t i = 0; i < len;) {
		size_t n = utf8_length((const unsigned char *)from + i, len - i);

		if (n == 0 || (unsigned char)from[i] < 0x20 || from[i] == 0x7f) {
			to[i++] = '?';
			continue;
		}
		memcpy(to + i, from + i, n);
		i += n;
	}
	memset(to + len, 0, size - len);
}
