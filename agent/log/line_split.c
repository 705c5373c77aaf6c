/* SPDX-License-Identifier: MIT
 *
 * line_split.c - see line_split.h. Caller: collector.c.
 */
#include "agent/log/line_split.h"

#include <string.h>

#include "agent/common/log_line.h"

/* Not within a character: at most three bytes back is its first. Bytes that are no UTF-8 are cut anywhere. */
static size_t cut_at(const char *data)
{
	for (size_t back = 0; back < 4; back++)
		if (((unsigned char)data[LOG_TEXT_MAX - back] & 0xc0) != 0x80)
			return LOG_TEXT_MAX - back;
	return LOG_TEXT_MAX;
}

size_t line_split(const char *data, size_t len, bool ended, size_t *line_len)
{
	size_t window = len <= LOG_TEXT_MAX ? len : LOG_TEXT_MAX + 1;
	const char *newline = window > 0 ? memchr(data, '\n', window) : NULL;

	if (newline) {
		*line_len = (size_t)(newline - data);
		return *line_len + 1;
	}
	if (len > LOG_TEXT_MAX)
		return *line_len = cut_at(data);
	*line_len = ended ? len : 0;
	return *line_len;
}
