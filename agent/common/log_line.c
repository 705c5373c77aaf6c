/* SPDX-License-Identifier: MIT
 *
 * log_line.c - see log_line.h. Callers: keel-log, the agent, keelctl.
 */
#include "agent/common/log_line.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"

#define WALL_LEN 27 /* "2026-11-25T19:15:38.123456Z" */

size_t log_line_stamp(char prefix[LOG_PREFIX_MAX], uint64_t wall_us, uint64_t boot_us)
{
	time_t seconds = (time_t)(wall_us / USEC_PER_SEC);
	struct tm tm = {0};
	int len;

	(void)gmtime_r(&seconds, &tm);
	len = snprintf(prefix, LOG_PREFIX_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%06uZ %llu.%06u ",
		tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		(unsigned int)(wall_us % USEC_PER_SEC),
		(unsigned long long)(boot_us / USEC_PER_SEC),
		(unsigned int)(boot_us % USEC_PER_SEC));
	return (size_t)len;
}

/* Takes exactly `digits` digits off the front. False if they are not there. */
static bool take_number(const char **data, size_t digits, unsigned int *number)
{
	*number = 0;
	for (size_t i = 0; i < digits; i++) {
		char c = *(*data)++;

		if (c < '0' || c > '9')
			return false;
		*number = *number * 10 + (unsigned int)(c - '0');
	}
	return true;
}

static bool take_char(const char **data, char want)
{
	return *(*data)++ == want;
}

/* The caller has made sure of WALL_LEN bytes. */
static bool take_wall(const char **data, uint64_t *wall_us)
{
	static const struct {
		size_t digits;
		unsigned int min, max;
		char after;
	} fields[] = {{4, 1970, 9999, '-'}, {2, 1, 12, '-'}, {2, 1, 31, 'T'}, {2, 0, 23, ':'},
		{2, 0, 59, ':'}, {2, 0, 60, '.'}, {6, 0, 999999, 'Z'}};
	unsigned int value[ARRAY_SIZE(fields)];
	struct tm tm = {0};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (!take_number(data, fields[i].digits, &value[i]) || value[i] < fields[i].min ||
			value[i] > fields[i].max || !take_char(data, fields[i].after))
			return false;
	tm.tm_year = (int)value[0] - 1900;
	tm.tm_mon = (int)value[1] - 1;
	tm.tm_mday = (int)value[2];
	tm.tm_hour = (int)value[3];
	tm.tm_min = (int)value[4];
	tm.tm_sec = (int)value[5];
	*wall_us = (uint64_t)timegm(&tm) * USEC_PER_SEC + value[6];
	return true;
}

int log_line_parse(const char *data, size_t len, struct log_line *line)
{
	const char *p = data, *end = data + len;
	uint64_t seconds = 0;
	unsigned int micros;

	if (len < WALL_LEN + 1 || !take_wall(&p, &line->wall_us) || !take_char(&p, ' '))
		return -EINVAL;
	for (int digits = 0; p < end && *p >= '0' && *p <= '9'; p++) {
		if (++digits > 10)
			return -EINVAL;
		seconds = seconds * 10 + (uint64_t)(*p - '0');
	}
	if (end - p < 8 || !take_char(&p, '.') || !take_number(&p, 6, &micros) ||
		!take_char(&p, ' '))
		return -EINVAL;
	line->boot_us = seconds * USEC_PER_SEC + micros;
	line->text = p;
	line->len = (size_t)(end - p);
	return 0;
}

/* Length of the UTF-8 sequence at the front (RFC 3629), 0 if there is none, or a C1 control character. */
static size_t utf8_length(const unsigned char *p, size_t len)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (n == 0 || n > len || p[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xc2 && p[1] < 0xa0) || (p[0] == 0xe0 && p[1] < 0xa0) ||
		(p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
		(p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

size_t log_line_harmless(char *out, const char *text, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *p = (const unsigned char *)text;
	char *start = out;

	while (len > 0) {
		size_t n = utf8_length(p, len);

		if (n == 0 || (*p < ' ' && *p != '\t') || *p == 0x7f) {
			*out++ = '\\';
			*out++ = 'x';
			*out++ = hex[*p >> 4];
			*out++ = hex[*p & 15];
			n = 1;
		} else {
			memcpy(out, p, n);
			out += n;
		}
		p += n;
		len -= n;
	}
	return (size_t)(out - start);
}

bool log_name_valid(const char *name, size_t len)
{
	static const char suffix[] = ".service";
	size_t suffix_len = sizeof(suffix) - 1;

	if (len <= suffix_len || len >= LOG_NAME_MAX || name[0] == '.' ||
		memcmp(name + len - suffix_len, suffix, suffix_len) != 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    (c != '\0' && strchr("@_.:-", c))))
			return false;
	}
	return true;
}

int log_name_complete(const char *name, size_t len, char full[LOG_NAME_MAX])
{
	static const char suffix[] = ".service";

	if (len == 0 || len >= LOG_NAME_MAX - sizeof(suffix))
		return -EINVAL;
	memcpy(full, name, len);
	full[len] = '\0';
	if (log_name_valid(full, len))
		return 0;
	memcpy(full + len, suffix, sizeof(suffix));
	return log_name_valid(full, len + sizeof(suffix) - 1) ? 0 : -EINVAL;
}
