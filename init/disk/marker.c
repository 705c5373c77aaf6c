/* SPDX-License-Identifier: MIT
 *
 * marker.c - the text of /.keel-disk. Pure; read by marker_read.c, written by what formats and adopts disks. What is
 * read comes from an untrusted disk: bounded, and one doubt is enough to call it no marker.
 */
#include "init/disk/marker.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WORD "keel-disk "

/* The keys of schema 1. */
enum { KEY_UUID = 1, KEY_MADE = 2, KEY_BY = 4, KEYS_ALL = 7 };

static bool is_version(const char *text, size_t len)
{
	if (len == 0 || len >= sizeof(((struct marker *)0)->by))
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return true;
}

/* Decimal digits only, at most `max`. */
static bool parse_number(const char *text, size_t len, uint64_t max, uint64_t *number)
{
	*number = 0;
	for (size_t i = 0; i < len; i++) {
		uint64_t digit = (uint64_t)(text[i] - '0');

		if (text[i] < '0' || text[i] > '9' || *number > (max - digit) / 10)
			return false;
		*number = *number * 10 + digit;
	}
	return len > 0;
}

ssize_t marker_format(const struct marker *marker, char text[MARKER_BYTES_MAX])
{
	if (!uuid_text_valid(marker->uuid, strnlen(marker->uuid, sizeof(marker->uuid)), NULL) ||
		!is_version(marker->by, strnlen(marker->by, sizeof(marker->by))))
		return -EINVAL;
	return snprintf(text, MARKER_BYTES_MAX, WORD "%d\nuuid=%s\nmade=%" PRIu64 "\nby=%s\n",
		MARKER_SCHEMA, marker->uuid, marker->made_s, marker->by);
}

/* "key=" at the start of the line; the value is what follows. */
static bool take_key(const char **line, size_t *len, const char *key)
{
	size_t key_len = strlen(key);

	if (*len < key_len || memcmp(*line, key, key_len) != 0)
		return false;
	*line += key_len;
	*len -= key_len;
	return true;
}

/* One line after the first. The key's bit, 0 for an unknown key, -EINVAL for a bad value. */
static int parse_line(const char *line, size_t len, struct marker *marker)
{
	if (take_key(&line, &len, "uuid="))
		return uuid_text_valid(line, len, marker->uuid) ? KEY_UUID : -EINVAL;
	if (take_key(&line, &len, "made="))
		return parse_number(line, len, UINT64_MAX, &marker->made_s) ? KEY_MADE : -EINVAL;
	if (take_key(&line, &len, "by=")) {
		if (!is_version(line, len))
			return -EINVAL;
		memcpy(marker->by, line, len);
		marker->by[len] = '\0';
		return KEY_BY;
	}
	return 0;
}

/* The schema in the first line, 0 if that is none of ours. */
static unsigned int parse_schema(const char *line, size_t len)
{
	uint64_t schema;

	if (!take_key(&line, &len, WORD) || !parse_number(line, len, UINT32_MAX, &schema))
		return 0;
	return (unsigned int)schema;
}

int marker_parse(const char *text, size_t len, struct marker *marker)
{
	const char *end = text + len, *newline = NULL;
	int seen = 0;

	memset(marker, 0, sizeof(*marker));
	if (len > MARKER_BYTES_MAX)
		return -EINVAL;
	for (const char *line = text; line < end; line = newline + 1) {
		int key;

		newline = memchr(line, '\n', (size_t)(end - line));
		if (!newline)
			return -EINVAL; /* every line ends: what is cut short is noticed */
		if (line == text) {
			marker->schema = parse_schema(line, (size_t)(newline - line));
			if (marker->schema == 0)
				return -EINVAL;
			if (marker->schema > MARKER_SCHEMA)
				return -ENOTSUP;
			continue;
		}
		key = parse_line(line, (size_t)(newline - line), marker);
		if (key < 0 || (seen & key) != 0)
			return -EINVAL;
		seen |= key;
	}
	return seen == KEYS_ALL ? 0 : -EINVAL;
}
